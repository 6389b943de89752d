"""Rules and decisions in words, and the class of every rule."""

import re

import pytest

from policies.compile import compile_policy
from policies.enforcement import enforcement
from policies.evaluate import evaluate
from policies.explain import explain
from policies.facts import delete_within, granted_columns, required_transforms, static_problems
from policies.identifiers import full, normal, short
from policies.parse import parse_policy
from policies.vocabulary import EXACT_MATCH, INCLUDED_IN, LEFT_OPERANDS, action_name, with_broader
from tests.policies.scenario import NOON, OFFERS, offer, plan, request, state, used_up

RAW = re.compile(r"[{}]|leftOperand|None|https://w3id\.org")


@pytest.mark.parametrize("name", OFFERS)
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_one_sentence_per_rule(name, lang):
    """Every rule of the twelve offers is one sentence with its class, and shows every value that it binds."""
    policy = parse_policy(offer(name))
    lines = explain(policy, lang)
    assert len(policy.rules) == len(lines)
    labels = {"en": ("enforced", "attested"), "zh": ("强制执行", "对方声明")}[lang]
    for rule, line in zip(policy.rules, lines, strict=True):
        assert not RAW.search(line)
        assert any(label in line for label in labels)
        assert line.endswith("。" if lang == "zh" else ".")
        assert not (lang == "zh" and re.search(r"[一-鿿][,;:()]|[,;:()][一-鿿]", line))
        for constraint in rule.constraints:
            assert getattr(constraint, "right", "") in line


def test_example_sentences():
    """The sentences read as a person would say them."""
    policy = parse_policy(offer("A12"))
    assert (
        "Passing the data on is prohibited; on a breach: the owner is alerted; the transfers are suspended (attested)."
        in explain(policy, "en")
    )
    assert "禁止转发数据；违反时：向权利人告警；暂停传输（对方声明）。" in explain(policy, "zh")
    use = explain(parse_policy(offer("A4")), "zh")[0]
    assert "接收方所在地区为 CN-31、CN-32或CN-33" in use
    assert "每个自然日（Asia/Shanghai）交付不超过 3 次" in use


@pytest.mark.parametrize("name", OFFERS)
def test_classes(name):
    """Our gate enforces what a pull asks for; the consumer's connector attests the rest, or nobody does."""
    policy = parse_policy(offer(name))
    statements = enforcement(policy)
    assert [rule.digest for rule in policy.rules] == [statement["rule"] for statement in statements]
    assert statements[0]["class"] == "enforced"
    assert ("egress" if required_transforms(compile_policy(policy)) else "release") == statements[0]["mechanism"]
    assert {"attested"} == {statement["class"] for statement in statements[1:]}
    alone = enforcement(policy, peer_attests=False)
    assert ["enforced", *["refused"] * (len(alone) - 1)] == [statement["class"] for statement in alone]


def test_what_nobody_upholds_is_refused():
    """A rule that is not understood, or that no mechanism upholds, is of the class refused and says so."""
    document = offer("A11")
    document["permission"][0]["constraint"][0]["leftOperand"] = "odrl:event"
    document["obligation"].append({"action": "odrl:attribute"})
    policy = parse_policy(document)
    classes = [statement["class"] for statement in enforcement(policy)]
    assert (classes[0], classes[-1]) == ("refused", "refused")
    assert "cannot decide" in explain(policy, "en")[0]
    assert "无法判断" in explain(policy, "zh")[0]


def test_decision_in_words():
    """A refusal says what was refused, why with both values, and what to do next."""
    compiled = plan("A1")
    decision = evaluate(compiled, request("A1", purpose="model-training"), state(compiled))
    assert decision.sentence("en") == (
        "Refused: use. The purpose must be supply-chain-control, but is model-training. "
        "State the agreed purpose, or negotiate an offer for yours."
    )
    assert (
        decision.sentence("zh-CN")
        == "拒绝：使用。使用目的必须为 supply-chain-control，实际为 model-training。请声明约定的使用目的，或就所需目的另行协商。"
    )
    fourth = evaluate(compiled, request("A1"), state(compiled, used=used_up(compiled, NOON, 3)))
    assert "At most 3 deliveries are granted; this one would be number 4." in fourth.sentence("en")
    assert evaluate(compiled, request("A1"), state(compiled)).sentence("en") == "Allowed: use."


def test_decision_as_json():
    """A decision is plain JSON without empty members, and its digest is stable."""
    compiled = plan("A1")
    members = evaluate(compiled, request("A1", purpose=None), state(compiled)).to_dict()
    assert {"outcome", "action", "reason", "leftOperand", "rule", "operator", "expected", "tree"} == set(members)
    assert members["reason"] == "value-missing"
    allowed = evaluate(compiled, request("A1"), state(compiled)).to_dict()
    assert [window["window"] for window in allowed["reserve"]] == ["2026-11-10"]


@pytest.mark.parametrize(
    ("assignee", "region", "now", "operands"),
    [
        ("s-zhengshu", "CN-32", NOON, []),
        ("s-zhengshu", None, NOON, []),
        ("p-oem", "CN-31", NOON, ["odrl:recipient"]),
        ("s-zhengshu", "DE-BY", NOON, ["odrl:spatial"]),
        ("s-zhengshu", "CN-32", NOON.replace(year=2027), ["odrl:dateTime"]),
    ],
)
def test_static_problems(assignee, region, now, operands):
    """What can never hold for a consumer is known before agreeing; what may still hold is no problem."""
    problems = static_problems(plan("A1"), f"did:web:{assignee}.example", region, now)
    assert operands == [problem.facts["operand"] for problem in problems]
    assert all("{" not in problem.sentence(lang) for problem in problems for lang in ("en", "zh"))


def test_static_problem_of_terms():
    """Undecidable terms can never hold; a validity that has not begun may."""
    document = offer("A5")
    document["permission"][0]["constraint"] = [
        {"leftOperand": "odrl:dateTime", "operator": "gt", "rightOperand": "2030-01-01T00:00:00Z"}
    ]
    assert static_problems(compile_policy(parse_policy(document)), "did:web:c.example", "CN-31", NOON) == ()
    document["permission"][0]["constraint"][0]["leftOperand"] = "ex:mood"
    (problem,) = static_problems(compile_policy(parse_policy(document)), "did:web:c.example", "CN-31", NOON)
    assert problem.facts["reason"] == "unsupported-operand"
    assert all("{" not in problem.sentence(lang) for lang in ("en", "zh"))


def test_static_problem_without_a_value():
    """Two purposes at once: nobody has a value to name, and the sentence has no gap."""
    purposes = [{"leftOperand": "odrl:purpose", "operator": "eq", "rightOperand": word} for word in ("a", "b")]
    for constraints in (purposes, [{"and": purposes}]):
        document = {"permission": [{"action": "use", "constraint": constraints}]}
        problems = static_problems(compile_policy(parse_policy(document)), "did:web:c.example", "CN-31", NOON)
        assert all("{" not in problem.sentence(lang) for problem in problems for lang in ("en", "zh"))


def test_static_problem_of_the_whole_policy():
    """An unknown profile, a void policy, a missing permission and an unread member keep everybody from ever using the data."""

    def problems(change):
        document = {"permission": [{"action": "use"}], **change}
        return static_problems(compile_policy(parse_policy(document)), "did:web:c.example", "CN-31", NOON)

    unknown = problems({"profile": "https://example.org/p"})
    void = problems({"prohibition": [{"action": "use"}]})
    none = problems({"permission": [{"action": "odrl:sell"}]})
    unread = problems({"permission": [{"action": "use", "ex:more": 1}]})
    assert [problem.code for (problem,) in (unknown, void, none, unread)] == [
        "unknown-profile",
        "policy-void",
        "no-permission",
        "unsupported-operand",
    ]
    assert "https://example.org/p" in unknown[0].sentence("en")


@pytest.mark.parametrize(
    ("operand", "en", "zh"),
    [
        ("and", "(the declared purpose is a and the recipient is b)", "（声明的使用目的为 a和接收方为 b）"),
        ("or", "(the declared purpose is a or the recipient is b)", "（声明的使用目的为 a或接收方为 b）"),
        (
            "xone",
            "(exactly one of: the declared purpose is a, the recipient is b)",
            "（下列各项中恰有一项：声明的使用目的为 a、接收方为 b）",
        ),
        (
            "andSequence",
            "(in this order: the declared purpose is a, the recipient is b)",
            "（依次满足：声明的使用目的为 a、接收方为 b）",
        ),
    ],
)
def test_logic_in_words(operand, en, zh):
    """Each of the four forms of logic reads as what it means."""
    parts = [
        {"leftOperand": f"odrl:{left}", "operator": "eq", "rightOperand": right}
        for left, right in (("purpose", "a"), ("recipient", "b"))
    ]
    policy = parse_policy({"permission": [{"action": "use", "constraint": [{operand: parts}]}]})
    assert en in explain(policy, "en")[0]
    assert zh in explain(policy, "zh")[0]


def test_facts_of_columns_and_deletion():
    """Without a permission nothing is granted; without a constraint every column is; A7 is bought to keep."""
    assert granted_columns(plan("A1"), "odrl:sell") == ()
    assert None is granted_columns(plan("A1"), "odrl:derive")
    assert delete_within(plan("A1").policy).days == 90
    assert None is delete_within(plan("A7").policy)


def test_vocabulary_is_complete():
    """51 current actions, 13 deprecated ones with an exact match and 34 left operands of ODRL, in an acyclic hierarchy."""
    ours = "https://w3id.org/weft/"
    assert sum(not name.startswith(ours) for name in INCLUDED_IN) == 51
    assert len(EXACT_MATCH) == 13
    assert sum(name.startswith("odrl:") for name in LEFT_OPERANDS) == 34
    assert all(with_broader(name)[-1] in ("odrl:use", "odrl:transfer") for name in INCLUDED_IN)
    assert with_broader(action_name("write")) == ("odrl:modify", "odrl:use")


def test_names():
    """A name has one normal form, and prefixes of ours become absolute on the wire."""
    assert "odrl:use" == normal("http://www.w3.org/ns/odrl/2/use") == normal("odrl:use")
    assert "https://w3id.org/weft/policy/v1#columns" == normal("weft:columns") == full("weft:columns")
    assert short("https://w3id.org/weft/revshare/v1#settle") == "rs:settle"
    assert "urn:x" == normal("urn:x") == short("urn:x")
