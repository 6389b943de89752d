"""`weft publish --derived-from` and `weft lineage`, as a person types them: what was made from what, in tables and JSON."""

import json

import pytest

from connector.cli.exits import Exit
from tests.cli.test_pair import FREE, files, pair, published  # noqa: F401  fixtures
from tests.pair import did

pytestmark = pytest.mark.slow

ALERT = {"action": "https://w3id.org/weft/policy/v1#alert"}
KEPT = [{"action": "odrl:derive", "odrl:remedy": [ALERT]}]
USABLE = {**FREE, "profile": ["https://w3id.org/weft/policy/v1"], "prohibition": KEPT}


@pytest.fixture
def mix(files):  # noqa: F811
    """A product of the coils, and an offer for it."""
    (files / "mix.csv").write_text("coil_no,score\nA1,7\n", encoding="utf-8")
    offer = {**FREE, "@id": "urn:uuid:5f0c2f0e-0000-4a57-9a0e-0d5a8f1e0009"}
    (files / "mix.json").write_text(json.dumps(offer), encoding="utf-8")
    (files / "usable.json").write_text(json.dumps(USABLE), encoding="utf-8")
    return files


async def received(weft, files, offer="free.json"):  # noqa: F811
    """The coils at s-zhengshu; returns the digest of their agreement."""
    assert (await published(weft, files, offer)).code == Exit.DONE
    await weft("s-zhengshu", "catalog", "refresh")
    consent = ("--accept", str(files / offer))
    got = await weft("s-zhengshu", "get", "coils", *consent, "-o", str(files / "got.csv"), "--json")
    assert got.code == Exit.DONE, got.err
    return got.json["agreement"]


async def derive(weft, files, *more):  # noqa: F811
    where = ("--id", "mix", "--offer", str(files / "mix.json"), "--title-en", "Mix", "--title-zh", "混合")
    return await weft("s-zhengshu", "publish", str(files / "mix.csv"), *where, *more)


@pytest.mark.usefixtures("pair")
async def test_a_product_and_where_it_came_from(weft, mix):
    """Named with the beginning of its agreement; read by its maker, and by who supplied the data."""
    digest = await received(weft, mix)
    short = digest.removeprefix("sha-256:")[:8]
    done = await derive(weft, mix, "--derived-from", f"coils={short}", "--missing", "coils", "--json")
    assert done.code == Exit.DONE, done.err
    assert (done.json["inputs"], done.json["partial"]) == (["coils"], True)
    raw = (await weft("s-zhengshu", "lineage", "mix", "--json")).json
    (used,) = raw["inputs"]
    assert (used["dataset"], used["provider"], used["agreement"]) == ("coils", did("p-steel"), digest)
    assert (used["missing"], raw["sales"], raw["missing_inputs"]) == (True, [], ["coils"])
    shown = await weft("s-zhengshu", "lineage", "mix")
    assert "Made from:" in shown.out
    assert short in shown.out
    assert "the day's delivery of coils did not come" in shown.out
    assert "not of the day" in shown.out

    await weft("p-steel", "catalog", "refresh")
    told = await weft("p-steel", "lineage", "coils", "--lang", "zh")
    assert "据各目录所述，已制成：" in told.out
    assert "混合" in told.out
    assert "已提供给：" in told.out
    assert (await weft("p-steel", "lineage", "coils", "--json")).json["sales"][0]["consumer"] == did("s-zhengshu")
    there = await weft("p-steel", "lineage", "mix", "--provider", "s-zhengshu", "--json")
    assert [each["received"] for each in there.json["inputs"]] == [None]
    assert (await weft("p-steel", "lineage", "nothing")).code == Exit.USAGE


@pytest.mark.usefixtures("pair")
async def test_what_may_not_be_derived_is_refused_by_its_rule(weft, mix):
    """Nothing is published; the sentence names the input, the agreement and the rule, the exit code says policy."""
    digest = await received(weft, mix, "usable.json")
    refused = await derive(weft, mix, "--derived-from", "coils")
    assert refused.code == Exit.POLICY
    assert all(word in refused.err for word in ("coils", digest, "odrl:derive", "prohibited"))
    assert (await derive(weft, mix, "--derived-from", "coils", "--dry-run")).code == Exit.POLICY
    unknown = await derive(weft, mix, "--derived-from", "coils=ffffffff")
    assert unknown.code == Exit.USAGE
    assert (await weft("s-zhengshu", "datasets", "--json")).json["items"] == []
    assert (await weft("s-zhengshu", "lineage", "mix")).code == Exit.USAGE


@pytest.mark.usefixtures("pair")
async def test_an_id_may_hold_an_equals_sign(weft, mix):
    """What follows it is an agreement only if it looks like one."""
    refused = await derive(weft, mix, "--derived-from", "coils=2026-11-10")
    assert "coils=2026-11-10" in refused.err
