"""A bundle is signed by all its signatories: each signature verified, who is missing shown, nothing gated."""

import json

import pytest

from connector.errors import RefusedError
from connector.exchange import bundles, settlement
from connector.exchange.accounts import held_bundle, pot
from connector.exchange.extensions import UNSPOKEN
from connector.store import bundle as signatures
from connector.store import catalog
from contracts.errors import BrokenRuleError, SignatureError
from contracts.settlement.seals import bundle_seal
from contracts.signing import sign_document
from tests.faulty import Fault
from tests.pair import community, did, types, until
from tests.settling import NAMES, OCTOBER, bundle_digest, sign_all, terms

pytestmark = pytest.mark.slow

OPERATOR, STEEL, OEM = did("s-zhengshu"), did("p-steel"), did("p-oem")


def missing(tx):
    return bundles.missing_of(tx, held_bundle(tx, bundle_digest()))


def signed_by(daemon, **changes):
    """A signature of this daemon's, with some members changed before it signs."""
    document = bundle_seal(bundle_digest(), signatory=daemon.node.participant, signed_at="2026-11-10T01:00:00Z")
    ring = daemon.node.ring
    return sign_document(document | changes, kid=ring.kid("evidence"), sign=lambda data: ring.sign("evidence", data))


@pytest.fixture
async def two(tmp_path):
    """The operator, which holds and has signed the terms, and p-steel, which knows nothing of them."""
    async with community(tmp_path, "s-zhengshu", "p-steel") as (operator, steel):
        await bundles.sign(operator.node, document=json.loads(terms("RISK-2026")))
        yield operator, steel


async def test_six_signatures_bring_it_into_force_everywhere(tmp_path):
    """One brings the text, the others fetch it; each has six verified signatures, and one record says since when it is in force."""
    async with community(tmp_path, *NAMES) as found:
        daemons = dict(zip(NAMES, found, strict=True))
        await sign_all(daemons)
        for daemon in found:
            assert await daemon.node.db.read(missing) == ()
            recorded = await daemon.node.db.read(types(daemon))
            assert recorded.count("bundle.signed") == 6
            assert recorded.count("bundle.in-force") == 1


async def test_five_of_six_are_not_enough_and_the_sixth_is_named(tmp_path):
    """The refusal to close names who is missing, and is on record (A-R8)."""
    async with community(tmp_path, *NAMES) as found:
        daemons = dict(zip(NAMES, found, strict=True))
        await sign_all(daemons, but=["p-seat"])
        operator = daemons["s-zhengshu"]
        with pytest.raises(RefusedError) as caught:
            await settlement.close(operator.node, OCTOBER)
        assert (caught.value.code, caught.value.facts["missing"]) == ("signatures-missing", did("p-seat"))
        assert await operator.node.db.read(missing) == (did("p-seat"),)
        recorded = await operator.node.db.read(types(operator))
        assert "settlement.refused" in recorded
        assert "statement.closed" not in recorded


async def test_the_text_is_fetched_from_whoever_sends_a_signature(two):
    """Who receives a signature on terms it does not hold fetches them from the sender, checks and keeps them."""
    _, steel = two
    await until(steel, "audit", lambda tx: OPERATOR in signatures.seals(tx, bundle_digest()))
    held = await steel.node.db.read(lambda tx: catalog.document(tx, bundle_digest()))
    assert held.body == terms("RISK-2026")


async def test_signing_twice_is_signing_once(two):
    operator, _ = two
    before = await operator.node.db.read(lambda tx: signatures.seals(tx, bundle_digest())[OPERATOR])
    assert await bundles.sign(operator.node, terms=bundle_digest()) == bundle_digest()
    assert await operator.node.db.read(lambda tx: signatures.seals(tx, bundle_digest())[OPERATOR]) == before
    assert (await operator.node.db.read(types(operator))).count("bundle.signed") == 1


async def test_only_a_signatory_signs(tmp_path):
    async with community(tmp_path, "p-stranger") as (stranger,):
        with pytest.raises(RefusedError) as caught:
            await bundles.sign(stranger.node, document=json.loads(terms("RISK-2026")))
        assert caught.value.code == "not-a-signatory"


async def test_terms_between_two_are_no_bundle(two):
    operator, _ = two
    with pytest.raises(RefusedError) as caught:
        await bundles.sign(operator.node, document=json.loads(terms("A5")))
    assert caught.value.code == "not-a-bundle"


async def test_a_bundle_nobody_has_told_us_of_is_unknown(two):
    operator, _ = two
    with pytest.raises(RefusedError) as caught:
        await bundles.sign(operator.node, terms=f"sha-256:{'0' * 64}")
    assert caught.value.code == "bundle-unknown"


async def test_a_signature_of_another_than_the_sender_is_refused(two):
    operator, steel = two
    await until(steel, "audit", lambda tx: OPERATOR in signatures.seals(tx, bundle_digest()))
    signed = signed_by(operator)
    with pytest.raises(BrokenRuleError) as caught:
        await steel.node.db.transact(
            lambda tx: bundles.accept(tx, steel.node, OEM, bundle_digest(), signed, steel.clock.now())
        )
    assert caught.value.facts["member"] == "signatory"


@pytest.mark.parametrize(
    ("changes", "error"),
    [({"terms": f"sha-256:{'1' * 64}"}, BrokenRuleError), ({"typ": "agreement-seal/1"}, SignatureError)],
)
async def test_a_signature_over_something_else_is_refused(two, changes, error):
    operator, steel = two
    signed = signed_by(steel, **changes)
    with pytest.raises(error):
        await operator.node.db.transact(
            lambda tx: bundles.accept(tx, operator.node, STEEL, bundle_digest(), signed, operator.clock.now())
        )
    assert STEEL in await operator.node.db.read(missing)


async def test_a_signature_that_was_altered_is_refused(two):
    """What was changed after signing does not verify, whoever hands it over."""
    operator, steel = two
    signed = signed_by(steel)
    signed["document"]["signedAt"] = "2026-11-11T01:00:00Z"
    with pytest.raises(SignatureError):
        await operator.node.db.transact(
            lambda tx: bundles.accept(tx, operator.node, STEEL, bundle_digest(), signed, operator.clock.now())
        )


async def test_what_a_partner_hands_over_is_verified_one_by_one(two):
    """A signature that does not hold is put on record and not kept; our own signing goes on."""
    operator, steel = two
    forged = signed_by(operator, signatory=OEM)
    await operator.node.db.transact(
        lambda tx: signatures.add_seal(tx, bundle_digest(), OEM, json.dumps(forged).encode(), operator.clock.now())
    )
    await bundles.sign(steel.node, terms=bundle_digest(), source=OPERATOR)
    kept = await steel.node.db.read(lambda tx: signatures.seals(tx, bundle_digest()))
    assert set(kept) == {OPERATOR, STEEL}
    assert "message.refused" in await steel.node.db.read(types(steel))


async def test_a_network_that_loses_and_repeats_changes_nothing(tmp_path):
    """Every third request is lost, answered into the void or doubled: all have all signatures in the end."""
    count = 0

    def script(_method, url):
        nonlocal count
        if "/bundles/" not in url:
            return Fault.NONE
        count += 1
        faults = (Fault.LOSE_REQUEST, Fault.NONE, Fault.LOSE_ANSWER, Fault.NONE, Fault.DUPLICATE, Fault.NONE)
        return faults[count % 6] if _method == "POST" else Fault.NONE

    async with community(tmp_path, *NAMES, script=script) as found:
        await sign_all(dict(zip(NAMES, found, strict=True)))
        for daemon in found:
            assert (await daemon.node.db.read(types(daemon))).count("bundle.signed") == 6


async def test_a_signatory_that_speaks_no_weft_gets_nothing_and_that_is_on_record(two):
    """The other side lists no extensions: the signature is not sent, and a record says so."""
    _, steel = two
    await until(steel, "audit", lambda tx: OPERATOR in signatures.seals(tx, bundle_digest()))
    await steel.node.db.transact(
        lambda tx: tx.run("fact.set_peer", participant=OPERATOR, document="{}", fetched="2026-11-10T01:00:00.000000Z")
    )
    await bundles.sign(steel.node, terms=bundle_digest())

    def unheard(tx):
        rows = tx.all("audit.after", after=-1, limit=1000)
        return [json.loads(row["body"]) for row in rows if json.loads(row["body"])["type"] == "bundle.unheard"]

    (record,) = [each for each in await until(steel, "audit", unheard) if each["peer"] == OPERATOR]
    assert record["reason"] == UNSPOKEN


async def test_who_fills_which_slot_is_known(two):
    """Without agreements every slot is free; the bundle gates nothing."""
    operator, _ = two
    found = await operator.node.db.read(lambda tx: pot(tx, operator.node, held_bundle(tx, bundle_digest())))
    assert found.agreements == {}
