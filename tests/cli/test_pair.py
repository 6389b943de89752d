"""The command line against two real daemons: the way a person goes, with what it prints and how it ends."""

import json

import pytest

from connector.cli.exits import Exit
from connector.client.delivery import sha256_of
from tests.pair import community, did

pytestmark = pytest.mark.slow

OFFER = "urn:uuid:5f0c2f0e-0000-4a57-9a0e-0d5a8f1e0001"
FREE = {"@id": OFFER, "@type": "Offer", "permission": [{"action": "odrl:use"}]}
QUALITY = {"leftOperand": "odrl:purpose", "operator": "eq", "rightOperand": "quality-control"}
LIMITED = {**FREE, "permission": [{"action": "odrl:use", "constraint": [QUALITY]}]}


@pytest.fixture
async def pair(tmp_path, monkeypatch):
    monkeypatch.setenv("LANG", "C")
    async with community(tmp_path, "p-steel", "s-zhengshu") as daemons:
        yield daemons


@pytest.fixture
def files(tmp_path):
    """A table and two offers, as somebody has them in a folder."""
    (tmp_path / "coils.csv").write_text("coil_no,width\nA1,3\nA2,4\n", encoding="utf-8")
    (tmp_path / "free.json").write_text(json.dumps(FREE), encoding="utf-8")
    (tmp_path / "limited.json").write_text(json.dumps(LIMITED), encoding="utf-8")
    return tmp_path


async def published(weft, files, offer="limited.json", *more):
    return await weft(
        "p-steel",
        *("publish", str(files / "coils.csv"), "--id", "coils", "--offer", str(files / offer)),
        *("--title-zh", "钢卷质量", "--title-en", "Coil quality", "--keyword-zh", "钢卷", *more),
    )


async def test_from_nothing_to_a_verified_file(pair, weft, files):
    done = await published(weft, files)
    assert done.code == Exit.DONE, done.err
    assert "Becomes public: coils" in done.err
    assert "everybody" not in done.err
    again = await published(weft, files, "limited.json", "--json")
    assert again.json["unchanged"] is True

    assert (await weft("s-zhengshu", "catalog", "refresh")).code == Exit.DONE
    found = await weft("s-zhengshu", "find", "钢卷", "--json")
    assert [item["id"] for item in found.json["items"]] == ["coils"]
    assert "钢卷质量" in (await weft("s-zhengshu", "find", "质量", "--lang", "zh")).out
    offers = await weft("s-zhengshu", "offers", "coils")
    assert "quality-control" in offers.out

    refused = await weft(
        "s-zhengshu", "get", "coils", "--purpose", "quality-control", "--output", str(files / "no.csv")
    )
    assert refused.code == Exit.APPROVAL
    assert "odrl:purpose is limited to quality-control" in refused.err
    assert not (files / "no.csv").exists()

    consent = ("--accept", str(files / "limited.json"))
    target = files / "received.csv"
    got = await weft(
        "s-zhengshu", "get", "coils", "--purpose", "quality-control", *consent, "--output", str(target), "--json"
    )
    assert got.code == Exit.DONE, got.err
    assert target.read_bytes() == (files / "coils.csv").read_bytes()
    assert got.json["sha256"] == sha256_of(target)
    assert got.json["state"] == "received"
    assert (files / "received.csv.manifest.json").exists()
    assert (files / "received.csv.receipt.json").exists()
    steps = ["resolve", "offer", "negotiate", "agreed", "transfer", "receive", "save"]
    assert [step["step"] for step in got.json["trace"]] == steps

    second = await weft(
        "s-zhengshu", "get", "coils", "--purpose", "quality-control", *consent, "-o", str(target), "--json"
    )
    assert second.json["reused"] == ["agreement"]

    wrong = await weft(
        "s-zhengshu", "get", "coils", "--purpose", "marketing", *consent, "--output", str(files / "no.csv")
    )
    assert wrong.code == Exit.POLICY
    assert "purpose" in wrong.err
    assert not (files / "no.csv").exists()


async def test_lists_and_single_things(pair, weft, files):
    await published(weft, files, "free.json")
    await weft("s-zhengshu", "catalog", "refresh")
    got = await weft("s-zhengshu", "get", "coils", "-o", str(files / "got.csv"), "--json")
    assert got.code == Exit.DONE, got.err
    for noun in ("negotiations", "agreements", "transfers", "deliveries"):
        listed = (await weft("s-zhengshu", noun, "--json")).json
        assert listed["next"] is None
        [item] = listed["items"]
        identifier = item.get("digest", item.get("id"))
        short = identifier.removeprefix("urn:uuid:").removeprefix("sha-256:")[:8]
        assert short in (await weft("s-zhengshu", noun)).out
        one = (await weft("s-zhengshu", noun, short, "--json")).json
        assert one.get("digest", one.get("id")) == identifier
        assert (await weft("s-zhengshu", noun, "ffffffff")).code == Exit.USAGE
    theirs = (await weft("p-steel", "negotiations", "--role", "provider", "--json")).json
    assert theirs["items"][0]["state"] == "FINALIZED"
    assert "contract with s-zhengshu in force" in (await weft("p-steel", "negotiations")).out
    members = (await weft("p-steel", "members", "--json")).json["items"]
    assert {member["participant"] for member in members} == {did("p-steel"), did("s-zhengshu")}
    datasets = (await weft("p-steel", "datasets", "--json")).json["items"]
    assert (datasets[0]["id"], datasets[0]["state"]) == ("coils", "published")
    (files / "coils.csv").write_text("coil_no,width\nA1,3\n", encoding="utf-8")
    changed = (await weft("p-steel", "datasets", "--json")).json["items"]
    assert changed[0]["state"] == "changed"
    status = await weft("p-steel", "status")
    assert "Test setting in force: test_clock_start" in status.err
    assert (await weft("p-steel", "status", "--json")).json["clock_offset_s"] != 0


async def test_a_person_decides(pair, weft, files):
    await published(weft, files, "free.json", "--decide", "person")
    await weft("s-zhengshu", "catalog", "refresh")
    asked = await weft("s-zhengshu", "negotiate", "coils", "--provider", "p-steel", "--json")
    assert asked.code == Exit.DONE, asked.err
    waited = await weft("s-zhengshu", "get", "coils", "-o", str(files / "x.csv"), "--timeout", "0.5")
    assert waited.code == Exit.APPROVAL
    assert "still REQUESTED" in waited.err
    [open_] = (await weft("p-steel", "negotiations", "--state", "requested", "--json")).json["items"]
    assert (open_["waiting_for"], open_["allowed"]) == ("us", ["counter", "agree", "terminate"])
    counter = await weft("p-steel", "counter", open_["id"], str(files / "limited.json"))
    assert counter.code == Exit.DONE, counter.err
    ours = asked.json["id"]
    offered = await weft("s-zhengshu", "negotiations", ours)
    for _ in range(100):
        if "your turn" in offered.out:
            break
        offered = await weft("s-zhengshu", "negotiations", ours)
    assert "counter-offer from p-steel, your turn" in offered.out
    assert (await weft("s-zhengshu", "accept", ours)).code == Exit.DONE
    # The provider has offered these terms itself: its agreement to them follows without anybody.
    state = "OFFERED"
    while state != "FINALIZED":
        state = (await weft("s-zhengshu", "negotiations", ours, "--json")).json["state"]
    agreed = await weft("s-zhengshu", "get", "coils", "--purpose", "quality-control", "--accept", str(files / "limited.json"), "-o", str(files / "y.csv"), "--json")  # fmt: skip
    assert agreed.code == Exit.DONE, agreed.err


async def test_a_provider_agrees_and_another_refuses(pair, weft, files):
    await published(weft, files, "free.json", "--decide", "person")
    for _ in range(2):
        await weft("s-zhengshu", "negotiate", "coils", "--provider", "p-steel")
    waiting = []
    while len(waiting) < 2:
        waiting = (await weft("p-steel", "negotiations", "--state", "requested", "--json")).json["items"]
    assert (await weft("p-steel", "agree", waiting[0]["id"])).code == Exit.DONE
    ended = await weft("p-steel", "terminate", waiting[1]["id"], "--reason", "no capacity", "--yes", "--json")
    assert (ended.code, ended.json["reason"]) == (Exit.DONE, "no capacity")
    states = set()
    while states != {"FINALIZED", "TERMINATED"}:
        states = {each["state"] for each in (await weft("s-zhengshu", "negotiations", "--json")).json["items"]}
    assert "ended with p-steel: no capacity" in (await weft("s-zhengshu", "negotiations")).out


async def test_pausing_and_ending(pair, weft, files):
    await published(weft, files, "free.json")
    await weft("s-zhengshu", "catalog", "refresh")
    asked = await weft("s-zhengshu", "negotiate", "coils", "--provider", "p-steel", "--wait", "finalized", "--json")
    digest = asked.json["agreement"]
    assert (await weft("s-zhengshu", "transfer", "start", digest, "--dry-run", "--json")).json["allowed"] is True
    started = (await weft("s-zhengshu", "transfer", "start", digest, "--json")).json
    for _ in range(100):
        one = (await weft("s-zhengshu", "transfers", started["id"], "--json")).json
        if one["state"] == "STARTED":
            break
    assert (await weft("s-zhengshu", "transfer", "suspend", started["id"], "--reason", "wait")).code == Exit.USAGE
    paused = await weft("s-zhengshu", "transfer", "suspend", started["id"], "--reason", "wait", "--yes", "--json")
    assert paused.code == Exit.DONE, paused.err
    ended = await weft("s-zhengshu", "transfer", "terminate", started["id"], "--reason", "enough", "--yes", "--json")
    assert ended.code == Exit.DONE, ended.err
    again = await weft("s-zhengshu", "transfer", "terminate", started["id"], "--reason", "enough", "--yes")
    assert again.code == Exit.USAGE
    gone = await weft("p-steel", "withdraw", "coils", "--reason", "old", "--yes")
    assert (gone.code, gone.err) == (Exit.DONE, "Withdrawn: coils. Contracts about it stay in force.\n")
    assert (await weft("s-zhengshu", "offers", "coils", "--provider", "p-steel")).code == Exit.USAGE


async def test_policies_in_words_and_on_trial(pair, weft, files):
    explained = await weft("p-steel", "policy", "explain", str(files / "limited.json"), "--json")
    assert set(explained.json) == {"digest", "sentences", "enforcement"}
    words = ("policy", "test", "--policy", str(files / "limited.json"), "--partner", "s-zhengshu")
    allowed = await weft("p-steel", *words, "--purpose", "quality-control")
    assert (allowed.code, "allowed" in allowed.out) == (Exit.DONE, True)
    denied = await weft("p-steel", *words, "--purpose", "marketing", "--json")
    assert (denied.code, denied.json["reason"]) == (Exit.POLICY, "constraint-not-satisfied")
    records = await weft("p-steel", "audit", "search", "--type", "policy.dry-run", "--json")
    assert len(records.json["items"]) == 2


async def test_keys_and_events(pair, weft, monkeypatch):
    made = await weft("p-steel", "keys", "add", "notebook")
    key = made.out.strip()
    assert key.startswith("weft_")
    assert [each["label"] for each in (await weft("p-steel", "keys", "list", "--json")).json["items"]] == [
        "first",
        "notebook",
    ]
    followed = await weft("p-steel", "events", "--since", "-1", "--count", "2", "--json")
    assert [json.loads(each)["seq"] for each in followed.out.splitlines()] == [0, 1]
    monkeypatch.setenv("WEFT_KEY", key)
    assert (await weft("p-steel", "status")).code == Exit.DONE
    monkeypatch.setenv("WEFT_KEY", "weft_wrong")
    wrong = await weft("p-steel", "status")
    assert (wrong.code, "not known to the daemon" in wrong.err) == (Exit.USAGE, True)


async def test_what_needs_no_daemon(tmp_path, weft, files, monkeypatch):
    monkeypatch.setenv("LANG", "C")
    async with community(tmp_path, "p-steel", "s-zhengshu"):
        await published(weft, files, "free.json")
        await weft("s-zhengshu", "catalog", "refresh")
        assert (await weft("s-zhengshu", "get", "coils", "-o", str(files / "got.csv"))).code == Exit.DONE
    down = await weft("p-steel", "status")
    assert down.code == Exit.UNREACHABLE
    assert "weft serve" in down.err
    assert "catalog.published" in (await weft("p-steel", "audit", "search")).out
    found = (await weft("p-steel", "audit", "search", "coils", "--type", "catalog", "--json")).json["items"]
    assert found[0]["details"]["dataset"] == "coils"
    shown = await weft("p-steel", "audit", "show", str(found[0]["seq"]))
    assert "catalog.published" in shown.out
    assert (await weft("p-steel", "audit", "show", "9999")).code == Exit.USAGE
    tables = (await weft("p-steel", "db", "tables", "--json")).json["items"]
    assert {"table": "dataset", "rows": 1} in tables
    assert (await weft("p-steel", "db", "rows", "dataset", "--json")).json["items"][0]["id"] == "coils"
    assert (await weft("p-steel", "db", "sql", "select count(*) as n from audit_entry")).code == Exit.DONE
    refused = await weft("p-steel", "db", "sql", "delete from dataset")
    assert (refused.code, "Only reading is possible" in refused.err) == (Exit.USAGE, True)
    assert len((await weft("p-steel", "db", "export", "audit_entry")).out.splitlines()) > 5
    assert "NaN" not in (await weft("p-steel", "db", "export", "dataset", "--format", "csv")).out

    logs = []
    for name in ("p-steel", "s-zhengshu"):
        logs.append(str(tmp_path / f"{name}.jsonl"))
        assert (await weft(name, "audit", "export", "-o", logs[-1])).code == Exit.DONE
    key = json.loads((tmp_path / "p-steel" / "member.json").read_text())["keys"]
    assert any(each["use"] == "audit" for each in key)
    space = ("--members", str(tmp_path / "space" / "members.json"))
    good = await weft("nowhere", "audit", "verify", *logs, *space)
    assert good.code == Exit.DONE, good.out
    assert "The 2 logs agree" in good.out
    text = (tmp_path / "p-steel.jsonl").read_bytes().replace(b'"coils"', b'"coilz"', 1)
    (tmp_path / "altered.jsonl").write_bytes(text)
    bad = await weft("nowhere", "audit", "verify", str(tmp_path / "altered.jsonl"), *space, "--json")
    assert bad.code == Exit.VERIFICATION
    assert bad.json["items"][0]["valid"] is False
    assert bad.json["items"][0]["problems"]


async def test_our_catalog_as_others_and_machines_see_it(pair, weft, files):
    await published(weft, files, "free.json")
    checked = await weft("p-steel", "catalog", "check")
    assert (checked.code, checked.err) == (Exit.DONE, "Our catalog keeps the rules.\n")
    shown = await weft("s-zhengshu", "catalog", "show", "p-steel", "--json")
    assert [each["id"] for each in shown.json["items"]] == ["coils"]
    assert shown.json["items"][0]["provider_name"] == {"zh": "p-steel", "en": "p-steel"}
    assert (await weft("s-zhengshu", "catalog", "show", "nobody")).code == Exit.USAGE
    reloaded = await weft("p-steel", "members", "reload", "--json")
    assert (reloaded.json["changed"], reloaded.json["members"]) == (False, 2)
    preview = await published(weft, files, "limited.json", "--dry-run", "--json")
    assert preview.json["publishable"] is True
    (files / "broken.json").write_text(
        json.dumps({**FREE, "permission": [{"action": "odrl:nonsense"}]}), encoding="utf-8"
    )
    refused = await published(weft, files, "broken.json")
    assert refused.code == Exit.USAGE
    assert "This stops it: " in refused.err


async def test_what_would_be_sent_is_told_and_not_sent(pair, weft, files):
    await published(weft, files)
    await weft("s-zhengshu", "catalog", "refresh")
    told = await weft("s-zhengshu", "negotiate", "coils", "--dry-run")
    assert "Nothing was sent." in told.err
    rehearsed = await weft("s-zhengshu", "get", "coils", "--dry-run", "--json")
    [row] = rehearsed.json["items"]
    assert (row["accepted"], len(row["objections"])) == (False, 1)
    accepted = await weft("s-zhengshu", "get", "coils", "--accept", row["digest"], "--dry-run", "--json")
    assert accepted.json["items"][0]["accepted"] is True
    assert (await weft("s-zhengshu", "negotiations", "--json")).json["items"] == []
    assert (await weft("s-zhengshu", "get", "coils", "--accept", "nonsense")).code == Exit.USAGE
    assert (await weft("s-zhengshu", "get", "nothing")).code == Exit.USAGE
