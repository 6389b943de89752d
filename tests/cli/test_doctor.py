"""`weft doctor`: one line for each check between us and a partner, and for each failure who must mend it; with real daemons."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from connector.authority import space
from connector.cli.exits import Exit
from connector.daemon import Daemon
from connector.exchange import command, settle, stop
from connector.exchange.process import NEGOTIATION
from connector.identity.keys import KeyRing
from connector.identity.setup import initialise
from connector.store import negotiation as negotiations
from connector.store import story
from tests.certificates import LOOPBACK, authority, issue
from tests.cli.edc import EDC, HTML, beside_an_edc, error
from tests.faulty import Fault
from tests.offers import DATASET, OFFER, publish
from tests.pair import START, community, did, eventually, found_space, free_ports, settings, until

PAIR = ("p-steel", "s-zhengshu")
SINCE = datetime(2026, 1, 1, tzinfo=UTC)
CHECKS = [
    *("members", "keys", "name", "connection", "clock", "identity", "versions", "extensions", "catalog"),
    *("callback", "listener", "stop", "waiting"),
]


async def examined(weft, name, partner, *words):
    """The exit code, and what was found by check."""
    done = await weft(name, "doctor", partner, "--json", *words)
    assert done.out, done.err
    found = {each["check"]: each for each in done.json["items"]}
    assert list(found) == CHECKS
    assert all("{" not in each["sentence"][lang] for each in found.values() for lang in ("en", "zh")), found
    return done.code, found


def failures(found):
    """What failed, with who must mend it."""
    return {(each["check"], each["code"], each["who"]) for each in found.values() if each["state"] == "fail"}


class Gate:
    """Loses every contract request."""

    def __call__(self, method, url):
        return Fault.LOSE_REQUEST if method == "POST" and url.endswith("/negotiations/request") else Fault.NONE


async def tried(daemon):
    """Whether something for p-steel has been tried and waits."""
    found = await daemon.node.db.read(lambda tx: story.pending_to(tx, did("p-steel"), 1))
    return bool(found) and found[0].attempts > 0


async def test_between_two_healthy_connectors_nothing_stands(weft, tmp_path):
    async with community(tmp_path, *PAIR) as (steel, _):
        await publish(steel)
        code, found = await examined(weft, "s-zhengshu", did("p-steel"))
        assert (code, failures(found)) == (Exit.DONE, set())
        assert {each["state"] for each in found.values()} == {"ok"}
        assert found["catalog"]["facts"]["datasets"] == 1
        assert "statements" in found["extensions"]["facts"]["extensions"]
        assert found["versions"]["facts"]["version"] == "2025-1"
        english, chinese = (
            await weft("s-zhengshu", "doctor", "p-steel"),
            await weft("s-zhengshu", "doctor", "p-steel", "--lang", "zh"),
        )
        assert len(english.out.splitlines()) == len(CHECKS)
        assert "ok    clock         the clocks agree" in english.out
        assert "Nothing stands between us and did:web:p-steel.example." in english.err
        assert "正常  时钟          双方时钟一致" in chinese.out


async def test_a_partner_that_is_stopped_must_start_its_connector(weft, tmp_path):
    async with community(tmp_path, *PAIR) as (steel, _):
        await steel.close()
        code, found = await examined(weft, "s-zhengshu", "p-steel")
        assert code == 1
        assert failures(found) == {("connection", "refused", "partner")}
        assert {found[each]["state"] for each in ("clock", "identity", "versions", "extensions", "catalog")} == {
            "skipped"
        }
        shown = await weft("s-zhengshu", "doctor", "p-steel", "--lang", "zh")
        assert shown.code == 1
        assert "没有程序在监听。须由对方启动其连接器" in shown.out
        assert "—     身份          未检查，原因在于：连接" in shown.out
        assert "有 1 项检查未通过。需修正的一方：对方。" in shown.err


async def test_a_clock_that_is_an_hour_off_is_named_with_the_seconds(weft, tmp_path):
    async with community(tmp_path, *PAIR) as (steel, _):
        await publish(steel)
        steel.clock.offset -= timedelta(hours=1)
        code, found = await examined(weft, "s-zhengshu", "p-steel")
        assert code == 1
        assert failures(found) == {("clock", "token-not-yet", "both"), ("identity", "clock", "both")}
        assert 3590 < float(found["clock"]["facts"]["ahead_s"]) < 3610
        assert "time server (NTP)" in found["clock"]["sentence"]["en"]
        steel.clock.offset += timedelta(hours=2)
        _, found = await examined(weft, "s-zhengshu", "p-steel")
        assert ("clock", "token-expired", "both") in failures(found)


async def test_a_partner_that_does_not_know_us_must_reload_its_list(weft, tmp_path):
    found_space(tmp_path, PAIR)
    whole = tmp_path / "both.json"
    whole.write_bytes((tmp_path / "space" / "members.json").read_bytes())
    space.remove_member(tmp_path / "space", did("s-zhengshu"))
    space.sign(tmp_path / "space", "P3650D", START)
    ours = settings(tmp_path, "s-zhengshu", members=str(whole))
    async with Daemon(settings(tmp_path, "p-steel")), Daemon(ours):
        code, found = await examined(weft, "s-zhengshu", did("p-steel"))
        assert (code, failures(found)) == (1, {("identity", "refused", "partner")})
        assert found["catalog"]["state"] == "skipped"
        assert found["connection"]["state"] == "ok"
        assert found["clock"]["code"] == "agrees"
        # Seen from there, we are nobody.
        code, found = await examined(weft, "p-steel", did("s-zhengshu"))
        assert (code, failures(found)) == (1, {("members", "unlisted", "authority")})


async def test_a_clock_that_is_off_is_seen_by_the_date_of_an_answer_that_says_nothing_about_it(weft, tmp_path):
    later = {"test_clock_start": START + timedelta(hours=1)}
    async with beside_an_edc(tmp_path, error(401, "Unauthorized."), **later) as (zhengshu, edc):
        edc.clock = lambda: zhengshu.clock.now() - timedelta(minutes=10)
        _, found = await examined(weft, "s-zhengshu", did(EDC))
        assert (found["clock"]["state"], found["clock"]["code"]) == ("fail", "behind")
        assert 598 <= found["clock"]["facts"]["seconds"] <= 602
        edc.clock = lambda: zhengshu.clock.now() + timedelta(seconds=4)
        _, found = await examined(weft, "s-zhengshu", did(EDC))
        assert (found["clock"]["state"], found["clock"]["code"]) == ("warn", "ahead")


def secure(root, name=LOOPBACK, days=(-1, 100)):
    """A space of two that are listed with https; p-steel's certificate is for this name and these days."""
    ca, key = authority(root)
    space_key, ports = space.create_space(root / "space", "tls-space"), free_ports(4)
    for index, member in enumerate(PAIR):
        listed = initialise(
            root / member,
            participant=did(member),
            names={"zh": member, "en": member},
            region="CN-32",
            dsp=f"https://127.0.0.1:{ports[2 * index]}/dsp/2025-1",
            space_key=space_key,
            members=str(root / "space" / "members.json"),
            now=SINCE,
            protocol_port=ports[2 * index],
            management_port=ports[2 * index + 1],
        )
        issue(root / member, ca, key, **({"name": name, "days": days} if member == "p-steel" else {"days": (-1, 100)}))
        space.add_member(root / "space", listed.read_bytes(), SINCE)
    space.sign(root / "space", "P3650D", SINCE)


def secured(root, name, **changes):
    folder = root / name
    tls = {"tls_cert": folder / "tls.pem", "tls_key": folder / "tls.key", "tls_ca": root / "ca.pem"}
    return settings(root, name, **{**tls, **changes})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("made", "ours", "code", "says"),
    [
        ({}, {}, "tls", "holds for 99 more days"),
        ({"days": (-1, 5.5)}, {}, "tls-soon", "holds for 5 more days only. The partner must renew it"),
        ({"days": (-9, -1)}, {}, "tls-expired", "has expired. The partner must renew it"),
        ({"days": (1, 9)}, {}, "tls-not-yet", "not valid yet"),
        ({"name": x509.DNSName("other.example")}, {}, "tls-name", "for another name"),
        ({}, {"tls_ca": None}, "tls-untrusted", "our setting tls_ca"),
    ],
    ids=["good", "soon", "expired", "not-yet", "name", "untrusted"],
)
async def test_a_certificate_is_judged_before_anything_is_said(weft, tmp_path, made, ours, code, says):
    secure(tmp_path, **made)
    async with Daemon(secured(tmp_path, "p-steel")), Daemon(secured(tmp_path, "s-zhengshu", **ours)):
        done, found = await examined(weft, "s-zhengshu", did("p-steel"))
        connection = found["connection"]
        assert (connection["code"], done) == (code, 0 if code in ("tls", "tls-soon") else 1)
        assert says in connection["sentence"]["en"]
        assert found["identity"]["state"] == ("ok" if done == 0 else "skipped")


@pytest.mark.slow
async def test_an_address_that_speaks_no_tls_is_told_apart_from_a_closed_one(weft, tmp_path):
    secure(tmp_path)
    plain = settings(tmp_path, "p-steel")
    async with Daemon(plain), Daemon(secured(tmp_path, "s-zhengshu")):
        _, found = await examined(weft, "s-zhengshu", did("p-steel"))
        assert found["connection"]["code"] == "tls-failed"


async def test_somebody_who_is_not_listed_is_for_the_space_authority(weft, tmp_path):
    async with community(tmp_path, "s-zhengshu"):
        code, found = await examined(weft, "s-zhengshu", "did:web:stranger.example")
        assert (code, failures(found)) == (1, {("members", "unlisted", "authority")})
        assert found["listener"]["state"] == "ok"
        assert found["name"]["state"] == "skipped"


async def test_what_waits_and_what_is_stopped_is_said(weft, tmp_path):
    async with community(tmp_path, *PAIR, script=Gate()) as (steel, zhengshu):
        await publish(steel)
        pid = await command.request(zhengshu.node, provider=did("p-steel"), dataset=DATASET, offer=OFFER)
        await eventually(lambda: tried(zhengshu))
        await stop.stop(zhengshu.node, did("p-steel"), reason="dispute")
        code, found = await examined(weft, "s-zhengshu", "p-steel")
        assert code == Exit.DONE
        assert (found["waiting"]["state"], found["waiting"]["code"]) == ("warn", "unsent")
        assert found["waiting"]["facts"]["process"] == pid
        assert "by script" in found["waiting"]["facts"]["problem"]
        assert (found["stop"]["state"], found["stop"]["facts"]["reason"]) == ("warn", "dispute")


async def test_a_request_that_was_taken_and_not_answered_is_said(weft, tmp_path):
    async with community(tmp_path, *PAIR) as (steel, zhengshu):
        await publish(steel, decision="person")
        pid = await command.request(zhengshu.node, provider=did("p-steel"), dataset=DATASET, offer=OFFER)

        async def taken():
            _, found = await examined(weft, "s-zhengshu", "p-steel")
            return found["waiting"] if found["waiting"]["code"] == "unanswered" else None

        assert (await eventually(taken))["facts"]["process"] == pid


@pytest.mark.parametrize(
    ("refusal", "code"),
    [(error(401, "Unauthorized."), "refused"), (HTML, "failed"), (error(404, "Not found"), "no-protocol")],
    ids=["unauthorized", "html", "nobody"],
)
async def test_what_an_edc_answers_to_our_identity_is_told_apart(weft, tmp_path, refusal, code):
    async with beside_an_edc(tmp_path, refusal):
        done, found = await examined(weft, "s-zhengshu", EDC)
        assert done == 1
        assert failures(found) == {("identity", code, "partner")}
        assert found["versions"]["code"] == "missing"
        assert found["extensions"]["code"] == "none"


async def test_no_secret_is_shown(weft, tmp_path, quiet):
    async with community(tmp_path, *PAIR) as (steel, zhengshu):
        await publish(steel)
        done = await weft("s-zhengshu", "doctor", "p-steel", "--json")
        key = zhengshu.settings.management_key.read_text(encoding="utf-8").strip()
        assert key not in done.out + done.err
        assert "Bearer" not in done.out
        assert "eyJ" not in done.out  # how a token begins


async def test_a_callback_on_our_own_machine_is_the_fault_before_and_after_a_request(weft, tmp_path):
    """Case 16: the provider runs elsewhere, we are listed at localhost, and our request stays REQUESTED for ever."""
    found_space(tmp_path, PAIR)
    async with Daemon(settings(tmp_path, "s-zhengshu")) as zhengshu:
        async with Daemon(settings(tmp_path, "p-steel")) as steel:
            await publish(steel, decision="person")
            pid = await command.request(zhengshu.node, provider=did("p-steel"), dataset=DATASET, offer=OFFER)
            await until(zhengshu, f"negotiation:{pid}", lambda tx: negotiations.state(tx, pid) == "REQUESTED")
        before = await examined(weft, "s-zhengshu", did("p-steel"))
        assert before[1]["callback"]["state"] == "ok"  # on one machine it is as good as any
        moved = json.loads((tmp_path / "p-steel" / "member.json").read_bytes()) | {
            "dsp": "http://192.0.2.1:8/dsp/2025-1"
        }
        space.add_member(tmp_path / "space", json.dumps(moved).encode(), START)
        space.sign(tmp_path / "space", "P3650D", START)
        await zhengshu.node.members.reload()
        code, found = await examined(weft, "s-zhengshu", did("p-steel"))
        assert (code, ("callback", "own-machine", "us") in failures(found)) == (1, True)
        assert "your callback address points to your own machine for the partner" in found["callback"]["sentence"]["en"]
        assert "对对方而言指向其自己的机器" in found["callback"]["sentence"]["zh"]
        assert (found["waiting"]["code"], found["waiting"]["facts"]["process"]) == ("unanswered", pid)
        # Before any request: only the request is missing in the picture.
        await zhengshu.node.db.transact(
            lambda tx: settle.end_locally(tx, zhengshu.node, NEGOTIATION, negotiations.get(tx, pid), ("x", "x"), START)
        )
        code, found = await examined(weft, "s-zhengshu", did("p-steel"))
        assert (code, ("callback", "own-machine", "us") in failures(found)) == (1, True)
        assert found["waiting"]["code"] == "nothing"


async def test_an_address_of_ours_that_is_not_the_listed_one_is_ours_to_mend(weft, tmp_path):
    found_space(tmp_path, PAIR)
    listed = settings(tmp_path, "s-zhengshu")
    moved = settings(tmp_path, "s-zhengshu", dsp=listed.dsp.replace("127.0.0.1", "localhost"))
    async with Daemon(settings(tmp_path, "p-steel")), Daemon(moved):
        code, found = await examined(weft, "s-zhengshu", did("p-steel"))
        assert (code, failures(found)) == (1, {("callback", "other", "us")})
        assert found["callback"]["facts"]["listed"] == listed.dsp


async def test_whoever_answers_at_our_address_in_our_place_is_found(weft, tmp_path):
    found_space(tmp_path, PAIR)
    steel = settings(tmp_path, "p-steel")
    ours = json.loads((tmp_path / "s-zhengshu" / "member.json").read_bytes()) | {"dsp": steel.dsp}
    space.add_member(tmp_path / "space", json.dumps(ours).encode(), START)
    space.sign(tmp_path / "space", "P3650D", START)
    async with Daemon(steel), Daemon(settings(tmp_path, "s-zhengshu", dsp=steel.dsp)):
        _, found = await examined(weft, "s-zhengshu", did("p-steel"))
        assert failures(found) == {("listener", "another", "us")}


@pytest.mark.parametrize(
    ("refusal", "state", "code"),
    [(error(503, "Busy"), "warn", "busy"), (error(400, "Bad request."), "fail", "other")],
    ids=["busy", "refused"],
)
async def test_a_busy_partner_is_no_failure_and_a_refused_read_is_one(weft, tmp_path, refusal, state, code):
    async with beside_an_edc(tmp_path, refusal):
        _, found = await examined(weft, "s-zhengshu", did(EDC))
        assert (found["identity"]["state"], found["identity"]["code"]) == (state, code)


@pytest.mark.parametrize(
    ("body", "state", "code"),
    [
        ({"participantId": did(EDC), "dataset": {"@id": "one"}}, "ok", "read"),
        ({"participantId": "did:web:other.example", "dataset": []}, "warn", "another"),
        ({"participantId": did(EDC)}, "warn", "empty"),
        ({"participantId": did(EDC), "catalog": [{}]}, "ok", "read"),
        ([], "fail", "unreadable"),
    ],
    ids=["single", "another", "empty", "nested", "unreadable"],
)
async def test_a_catalog_is_read_as_other_makes_write_it(weft, tmp_path, body, state, code):
    async with beside_an_edc(tmp_path, HTML) as (_, edc):
        edc.catalog_body, edc.clock = body, None
        _, found = await examined(weft, "s-zhengshu", did(EDC))
        assert (found["catalog"]["state"], found["catalog"]["code"]) == (state, code)
        assert (found["clock"]["state"], found["clock"]["code"]) == ("warn", "unknown")


def version(number, path):
    return {"version": number, "path": path, "binding": "HTTPS"}


@pytest.mark.parametrize(
    ("document", "state", "code"),
    [
        ({"protocolVersions": [version("2025-1", "/dsp/2025-1")]}, "ok", "common"),
        ({"protocolVersions": [version("2025-1", "/elsewhere")]}, "warn", "elsewhere"),
        ({"protocolVersions": [version("2024-1", "/dsp/2024-1")]}, "fail", "unsupported"),
        ([], "fail", "unreadable"),
    ],
    ids=["common", "elsewhere", "unsupported", "unreadable"],
)
async def test_the_version_document_says_whether_we_can_speak(weft, tmp_path, document, state, code):
    async with beside_an_edc(tmp_path, HTML) as (_, edc):
        edc.versions = document
        _, found = await examined(weft, "s-zhengshu", did(EDC))
        assert (found["versions"]["state"], found["versions"]["code"]) == (state, code)


async def test_a_member_list_that_ends_soon_or_has_ended_is_for_the_space_authority(weft, tmp_path):
    async with community(tmp_path, *PAIR) as (_, zhengshu):
        space.sign(tmp_path / "space", "P3D", START)
        await zhengshu.node.members.reload()
        code, found = await examined(weft, "s-zhengshu", did("p-steel"))
        assert (code, found["members"]["state"], found["members"]["code"]) == (0, "warn", "expires")
        zhengshu.clock.offset += timedelta(days=4)
        code, found = await examined(weft, "s-zhengshu", did("p-steel"))
        assert (code, failures(found)) == (1, {("members", "none", "authority")})
        assert found["members"]["facts"]["code"] == "member-list-expired"
        assert found["identity"]["state"] == "skipped"


async def test_keys_that_are_not_in_force_are_for_the_space_authority(weft, tmp_path):
    async with community(tmp_path, *PAIR) as (_, zhengshu):
        ring = zhengshu.node.ring
        zhengshu.node.ring = KeyRing.generate(zhengshu.node.participant)
        _, found = await examined(weft, "s-zhengshu", did("p-steel"))
        assert ("keys", "ours", "authority") in failures(found)
        zhengshu.node.ring = ring
        space.remove_member(tmp_path / "space", did("s-zhengshu"))
        space.sign(tmp_path / "space", "P30D", START)
        await zhengshu.node.members.reload()
        _, found = await examined(weft, "s-zhengshu", did("p-steel"))
        assert ("keys", "unlisted", "authority") in failures(found)
        assert {found[each]["state"] for each in ("callback", "listener")} == {"skipped"}


async def test_a_partner_whose_keys_have_all_ended_cannot_be_believed(weft, tmp_path):
    found_space(tmp_path, PAIR)
    member = json.loads((tmp_path / "p-steel" / "member.json").read_bytes())
    for key in member["keys"]:
        key["until"] = "2026-02-01T00:00:00Z"
    space.add_member(tmp_path / "space", json.dumps(member).encode(), SINCE)
    space.sign(tmp_path / "space", "P3650D", SINCE)
    async with Daemon(settings(tmp_path, "s-zhengshu")):
        _, found = await examined(weft, "s-zhengshu", did("p-steel"))
        assert ("keys", "theirs", "authority") in failures(found)


@pytest.mark.slow
async def test_names_that_lead_nowhere_are_told_apart_by_whose_they_are(weft, tmp_path):
    """`.invalid` is a name that nobody can have (RFC 6761)."""
    found_space(tmp_path, PAIR)
    nowhere = {name: f"http://{name}.invalid:9/dsp/2025-1" for name in PAIR}
    for name, dsp in nowhere.items():
        member = json.loads((tmp_path / name / "member.json").read_bytes()) | {"dsp": dsp}
        space.add_member(tmp_path / "space", json.dumps(member).encode(), START)
    space.sign(tmp_path / "space", "P3650D", START)
    async with Daemon(settings(tmp_path, "s-zhengshu", dsp=nowhere["s-zhengshu"])):
        code, found = await examined(weft, "s-zhengshu", did("p-steel"))
        assert (code, failures(found)) == (1, {("name", "unknown", "partner"), ("callback", "unknown", "us")})
        assert (found["listener"]["state"], found["listener"]["code"]) == ("warn", "silent")
        assert found["connection"]["state"] == "skipped"


async def test_each_finding_is_a_line_of_json_for_a_program(weft, tmp_path):
    async with community(tmp_path, *PAIR):
        done = await weft("s-zhengshu", "doctor", "p-steel", "--jsonl")
        assert [json.loads(line)["check"] for line in done.out.splitlines()] == CHECKS
        unknown = await weft("s-zhengshu", "doctor", "nobody")
        assert (unknown.code, unknown.out) == (Exit.USAGE, "")
