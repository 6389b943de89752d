"""Every reader of what comes from outside, as a target of fuzzing: what it may raise, and what must hold of what it reads."""

import contextlib
import gzip
from types import SimpleNamespace

import jwt
import yarl

from catalog.cursor import Cursor, read_cursor
from catalog.discovery import choose, did_web_place, identifier_type, read_services, read_versions, roots
from catalog.entry import entry_of
from catalog.errors import (
    CursorError,
    FilterError,
    UnreadableCatalogError,
    UnreadableServiceError,
    UnreadableVersionsError,
)
from catalog.filter import Filter, from_list, read_filter, to_list
from catalog.reader import fingerprint, read_dataset, read_page
from connector.dataplane.transforms.model import TransformError, parse_transform
from connector.dispatch import verdict
from connector.dispatch.gunzip import gunzip
from connector.dispatch.peers import _is_weft
from connector.dsp.catalog import CatalogRequestMessage
from connector.dsp.encoding import accepts_gzip
from connector.dsp.routes import MESSAGES as ROUTES
from connector.errors import AuthenticationError, VerificationError
from connector.exchange.process import NEGOTIATION, TRANSFER, object_in, to_bytes
from connector.exchange.receive import _text
from connector.federation.links import next_link
from connector.identity import compact
from connector.identity.address import origin_text, read_address, read_base
from connector.identity.data_tokens import verify_data_token
from connector.identity.members import build_member_list, read_member_list
from connector.identity.tokens import verify_token
from contracts.errors import (
    CheckpointError,
    ContractError,
    EvidenceError,
    InvalidMessageError,
    LedgerError,
    RecordError,
    SignatureError,
    TermsError,
    UnjudgedError,
)
from contracts.evidence.checkpoint import open_checkpoint, parse_key
from contracts.evidence.manifest import check_known, parse_manifest, unpack_leaves
from contracts.evidence.merkle import verify_consistency
from contracts.evidence.pack import verify_export
from contracts.evidence.receipt import parse_receipt
from contracts.evidence.record import read_record
from contracts.messages import read
from contracts.settlement.explain import explain as terms_in_words
from contracts.settlement.inputs import read_input
from contracts.settlement.metering import COLUMNS, read_ledger
from contracts.settlement.terms import check_terms, parse_terms
from contracts.signing import signer, verify_document
from policies.canonical import canonical, parse_json
from policies.columns import format_list, parse_list
from policies.compare import differences, policy_digest, same_rules
from policies.compile import compile_policy
from policies.conflicts import void_by
from policies.enforcement import enforcement
from policies.errors import CanonicalError, InvalidPolicyError, JsonError, ListFormError
from policies.evaluate import Request, State, evaluate
from policies.explain import explain
from policies.facts import static_problems, terms_digests, valid_until
from policies.parse import parse_policy
from policies.publishable import check_publishable
from tests.evidence.samples import known, verify
from tests.fuzz import seeds
from tests.fuzz.target import Target
from tests.space import STAMP, START, STEEL

MODELS = (*dict.fromkeys(route.model for route in ROUTES.values()), CatalogRequestMessage)
OFFER = parse_policy(seeds.OFFER)
RING = seeds.SPACE.rings[STEEL]
LISTED = seeds.SPACE.members()
LISTED_BASE = LISTED.member(STEEL).dsp
ADDRESS = seeds.DATA_CLAIMS["aud"]


def document(data):
    """A JSON object from outside; what is none is of no interest to a reader of documents."""
    found = parse_json(data)
    return found if isinstance(found, dict) else {}


def canonical_round_trip(value):
    """What has a canonical form is read back from it as it was, and has the same form again."""
    try:
        body = canonical(value)
    except CanonicalError:
        return
    assert parse_json(body, max_depth=128) == value
    assert canonical(parse_json(body, max_depth=128)) == body


def json_text(data):
    """The reader of all JSON: what it lets through is bounded in depth and survives being written again."""
    value = parse_json(data)
    canonical_round_trip(value)
    to_bytes(value)


def messages(data):
    """Every model on the same bytes; what is accepted is the same message when it is written and read again."""
    found = parse_json(data, max_depth=64)
    for model in MODELS:
        try:
            message = read(model, found)
            purpose = getattr(message, "purpose", "")
        except InvalidMessageError:
            continue
        assert isinstance(purpose, str)
        again = message.model_dump(mode="json", by_alias=True, exclude_unset=True)
        assert read(model, again) == message
        if address := getattr(message, "data_address", None):
            assert isinstance(address.url + address.token, str)
        _text(getattr(message, "reason", ()))
        for protocol in (NEGOTIATION, TRANSFER):
            to_bytes(protocol.refusal(message.id, str(getattr(message, "consumer_pid", "")), "x", ["y"]))


def policy(data):
    """A policy that is read can be compiled, judged, explained, compared and checked; none of it fails."""
    given = document(data)
    check_publishable(given)
    parsed = parse_policy(given)
    plan = compile_policy(parsed)
    for action in ("odrl:use", "odrl:derive", "nonsense"):
        for purpose, columns in ((None, None), ("quality", ("a",)), ("", ())):
            decision = evaluate(plan, Request(action, STAMP, purpose, columns), State(START, "CN-32"), trace=True)
            decision.to_dict()
            decision.explain("zh")
            assert decision.sentence("en")
    for lang in ("en", "zh"):
        explain(parsed, lang)
    enforcement(parsed)
    void_by(parsed)
    valid_until(plan)
    terms_digests(parsed)
    for problem in static_problems(plan, STAMP, "CN", START):
        assert problem.sentence("en")
        assert problem.sentence("zh")
    same_rules(parsed, OFFER)
    assert same_rules(parsed, parsed)
    for one, other in ((parsed, OFFER), (OFFER, parsed)):
        for each in differences(one, other):
            each.sentence("en")
    canonical_round_trip(given)
    with contextlib.suppress(CanonicalError):
        assert policy_digest(given)


def columns(data):
    """A list of names that is read is written and read again as the same list."""
    names = parse_list(data.decode("utf-8"))
    assert parse_list(format_list(names)) == names


def catalog(data):
    """A page has datasets and problems; each dataset has a fingerprint."""
    page = read_page(data, participant_id=STEEL)
    for dataset in page.datasets:
        assert len(fingerprint(dataset)) == 64
        entry = entry_of(dataset)
        assert parse_json(entry.document.encode(), max_depth=128)
        canonical_entry(entry)


def canonical_entry(entry):
    """What the index stores fits into the columns it is stored in."""
    assert -(2**63) <= entry.modified_us < 2**63
    for text in (entry.owner, entry.dataset, entry.title, entry.text, entry.grade, entry.scenario, *entry.keywords):
        text.encode()


def dataset(data):
    """One dataset."""
    canonical_entry(entry_of(read_dataset(parse_json(data), participant_id=STEEL)))


def header(data):
    """An Authorization header of any bytes."""
    text = data.decode("utf-8", "surrogateescape")
    for check in (
        lambda: verify_token(text, LISTED, STAMP, START),
        lambda: verify_data_token(text, RING, ADDRESS, START),
    ):
        try:
            check()
        except AuthenticationError as error:
            str(error)


def _signed(data, typ):
    body = data if data.startswith(b"{") else b"{}"
    return jwt.PyJWS().encode(body, RING.token_key, algorithm="ES256", headers={"kid": RING.kid("token"), "typ": typ})


def claims(data):
    """Claims of any bytes below a good signature."""
    speaker = verify_token(f"Bearer {_signed(data, compact.IDENTITY)}", LISTED, STAMP, START)
    assert speaker.participant == STEEL
    assert speaker.expires > START


def data_claims(data):
    """The same for tokens of data."""
    grant = verify_data_token(f"Bearer {_signed(data, compact.DATA)}", RING, ADDRESS, START)
    assert grant.address == ADDRESS


def member_bytes(data):
    """A member list as it comes from its address."""
    read_member_list(data, seeds.SPACE.space_key, known_seq=0, now=START)


def members(data):
    """A member list whose signature would hold."""
    found = build_member_list(document(data))
    assert found.digest
    found.in_force(START)
    for participant in found.members:
        found.member(participant)


def signed(data):
    """A signed document."""
    given = document(data)
    assert verify_document(given, verify=known) == given["document"]
    signer(given)


def manifest(data):
    """A manifest below a good signature."""
    found = parse_manifest(document(data))
    check_known(found)
    assert found.chunks >= 0
    canonical_round_trip(found.document())


def receipt(data):
    """A receipt below a good signature."""
    canonical_round_trip(parse_receipt(document(data)).model_dump(mode="json", exclude_unset=True))


def leaves(data):
    """The leaves of a delivery."""
    assert all(len(each) == 32 for each in unpack_leaves(data))


def export(data):
    """An exported log: there is always a report."""
    report = verify_export(data.splitlines(keepends=True), verify=verify)
    assert report.ok or report.faults


def record(data):
    """One audit record."""
    read_record(document(data)).compared()


def checkpoint(data):
    """A signed note and a verifier key."""
    note = data.decode("utf-8", "replace")
    key = parse_key(seeds.json_of(seeds.EXPORT.splitlines()[0])["vkey"])
    with contextlib.suppress(CheckpointError):
        open_checkpoint(note, key=key, verify=verify)
    parse_key(note)


def proof(data):
    """A consistency proof of any bytes: yes or no."""
    pieces = [data[at : at + 32] for at in range(4, len(data), 32)]
    sizes = data[:4].ljust(4, b"\0")
    verify_consistency(sizes[0], sizes[1], [*pieces, b""][0], [*pieces, b""][-1], pieces[1:-1])


def terms(data):
    """Terms of settlement: read strictly, and then there are words for them."""
    given = document(data)
    check_terms(given)
    with contextlib.suppress(CanonicalError):
        data = canonical(given)
    found = parse_terms(data)
    for lang in ("en", "zh"):
        assert all(terms_in_words(found, lang))


def ledger(data):
    """A ledger file."""
    for row in read_ledger(data, names={"steel": STEEL, "stamp": STAMP, "coils": "coils"}).rows:
        assert row.usage.accepted >= 0


def period_input(data):
    """The operator's record of a period."""
    assert read_input(document(data)).digest


def transform(data):
    """A transform."""
    assert parse_transform(document(data)).digest


def link(data):
    """A Link header."""
    found = next_link(data.decode("utf-8", "surrogateescape"), "http://127.0.0.1:1/dsp/2025-1/catalog/request")
    assert found is None or isinstance(found, str)


def address(data):
    """An address: what our check reads and what the HTTP client will call are one host and one port."""
    text = data.decode("utf-8", "replace")
    for reading in (read_address, read_base):
        try:
            found = reading(text)
        except ValueError:
            continue
        called = yarl.URL(found.text)
        scheme, host, port = found.origin
        assert (called.scheme, called.port) == (scheme, port), found
        assert str(called.host) == host or called.host == host.strip("."), found
        assert called.user is None
        assert read_address(origin_text(found.origin)).origin == found.origin
        assert read_base(found.text + "/negotiations/1").origin == found.origin if "?" not in text else True


def filter_(data):
    """The filter of a catalog request: what is understood is written into a link and read from it again."""
    found = read_filter(parse_json(data))
    for each in found.conditions:
        each.holds("coil")
        assert isinstance(each.prefix, str)
    assert from_list(to_list(found.conditions)) == found.conditions
    assert read_cursor(Cursor(found).token()) == Cursor(found)


def cursor(data):
    """The token of a link to a page."""
    found = read_cursor(data.decode("utf-8", "replace"))
    assert read_cursor(found.token()) == found


def versions(data):
    """A version document: what is chosen lies at the origin that was asked."""
    given = read_versions(parse_json(data, max_depth=16))
    for root in roots(LISTED_BASE):
        if chosen := choose(given, root, LISTED_BASE):
            with contextlib.suppress(ValueError):  # what is no good address is refused where it is called
                assert read_address(chosen[1]).origin == read_address(LISTED_BASE).origin
    given.offered()


def services(data):
    """The services of a DID document."""
    for each in read_services(parse_json(data)):
        assert each.base


def did(data):
    """A did:web identifier leads to one place or to none."""
    text = f"did:web:{data.decode('utf-8', 'replace')}"
    found = did_web_place(text)
    if found is not None:
        # A port may be out of range: then the address is refused where it is called.
        with contextlib.suppress(ValueError):
            assert read_address(f"https://{found[0]}{found[1]}").path == found[1]
    identifier_type(text)


def compressed(data):
    """A compressed body never becomes larger than its limit."""
    assert len(gunzip(data, 10_000)) <= 10_000


def encodings(data):
    """An Accept-Encoding header."""
    accepts_gzip(data.decode("utf-8", "surrogateescape"))


def answer(data):
    """What a peer answers: an acknowledgement, a refusal, a state, a document about itself."""
    verdict.trouble(503, data)
    code, text = verdict.refusal_in(400, data)
    assert len(code) <= 200
    assert len(text) <= 1000
    for kind in ("negotiation", "transfer"):
        verdict.state_in(SimpleNamespace(kind=kind), data)
    _is_weft(object_in(data))
    verdict.pause_asked_s({"retry-after": data.decode("utf-8", "replace")})


DOCUMENTED_JSON = (JsonError,)
TARGETS: dict[str, Target] = {
    each.name: each
    for each in (
        Target("json", json_text, DOCUMENTED_JSON, seeds.texts([*seeds.MESSAGES, *seeds.CATALOGS])),
        Target("messages", messages, DOCUMENTED_JSON, seeds.texts(seeds.MESSAGES) + seeds.examples("*/example")),
        Target(
            "policy",
            policy,
            (JsonError, InvalidPolicyError),
            seeds.texts([seeds.OFFER, seeds.AGREEMENT, *seeds.POLICIES]),
        ),
        Target("columns", columns, (ListFormError, UnicodeDecodeError), (b'a,b,"c,""d"', b"a"), json=False),
        Target(
            "catalog",
            catalog,
            (JsonError, UnreadableCatalogError),
            seeds.texts(seeds.CATALOGS) + seeds.examples("catalog/example"),
        ),
        Target("dataset", dataset, (JsonError, UnreadableCatalogError), seeds.texts([seeds.CATALOGS[0]["dataset"][0]])),
        Target("header", header, (), (seeds.WHOLE_TOKEN.encode(),), json=False),
        Target("claims", claims, (AuthenticationError,), seeds.texts([seeds.TOKEN_CLAIMS])),
        Target("data-claims", data_claims, (AuthenticationError,), seeds.texts([seeds.DATA_CLAIMS])),
        Target("member-bytes", member_bytes, (VerificationError,), (seeds.SPACE.signed(),)),
        Target("members", members, (JsonError, VerificationError), seeds.texts([seeds.MEMBERS])),
        Target("signed", signed, (JsonError, SignatureError), seeds.texts([seeds.SIGNED])),
        Target("manifest", manifest, (JsonError, EvidenceError, UnjudgedError), seeds.texts([seeds.MANIFEST])),
        Target("receipt", receipt, (JsonError, EvidenceError), seeds.texts([seeds.RECEIPT])),
        Target("leaves", leaves, (EvidenceError,), (bytes(range(64)),), json=False),
        Target("export", export, (), (seeds.EXPORT,), json=False),
        Target(
            "record",
            record,
            (JsonError, RecordError),
            seeds.texts([seeds.json_of(seeds.EXPORT.splitlines()[1])["entry"]]),
        ),
        Target(
            "checkpoint",
            checkpoint,
            (CheckpointError,),
            (b"p/audit\n3\nAAAA\n\n\xe2\x80\x94 p/audit AAAA\n",),
            json=False,
        ),
        Target("proof", proof, (), (bytes([3, 7, 0, 0]) + bytes(32 * 6),), json=False),
        Target("terms", terms, (JsonError, TermsError), seeds.texts(seeds.TERMS)),
        Target("ledger", ledger, (LedgerError,), (f"{','.join(COLUMNS)}\n".encode(),), json=False),
        Target("period-input", period_input, (JsonError, ContractError), (b"{}",)),
        Target("transform", transform, (JsonError, TransformError, CanonicalError), seeds.texts([seeds.TRANSFORM])),
        Target(
            "link",
            link,
            (ValueError,),
            (b'<http://x/?after=1>; rel="next"', b'</a>; rel=prev, </b>; rel="next"'),
            json=False,
            limit_s=0.2,
        ),
        Target("address", address, (), (b"https://steel.example:8443/dsp/2025-1", b"http://[::1]:1/x?y"), json=False),
        Target("filter", filter_, (JsonError, FilterError), seeds.texts(seeds.FILTERS)),
        Target("cursor", cursor, (CursorError,), (Cursor(Filter()).token().encode(),), json=False),
        Target("versions", versions, (JsonError, UnreadableVersionsError), seeds.texts([seeds.ANSWERS[3]])),
        Target("services", services, (JsonError, UnreadableServiceError), seeds.texts([seeds.ANSWERS[4]])),
        Target("did", did, (), (b"steel.example%3A8443:a:b", b"steel.example"), json=False),
        Target(
            "compressed",
            compressed,
            (ValueError,),
            (gzip.compress(bytes(20_000), mtime=0), gzip.compress(b"x", mtime=0)),
            json=False,
        ),
        Target("encodings", encodings, (), (b"gzip;q=0.5, *;q=0", b"identity"), json=False),
        Target("answer", answer, (), seeds.texts(seeds.ANSWERS)),
    )
}
