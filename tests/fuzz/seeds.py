"""Inputs that are read: what mutations start from. The protocol's own examples join them where they are beside the checkout."""

import json
from datetime import timedelta

from connector.identity.jwk import base64url
from contracts.signing import sign_document
from tests.evidence.samples import EVIDENCE, KID, STORY, manifest, signing, write_export
from tests.fuzz.mutations import encoded
from tests.shared import _SHARED
from tests.space import STAMP, START, STEEL, Space
from tests.speaker import CONTEXT
from tests.terms import bundle, subscription

WEFT = "https://w3id.org/weft/policy/v1"
RS = "https://w3id.org/weft/revshare/v1"


def rule(left, operator, right):
    return {"leftOperand": left, "operator": operator, "rightOperand": right}


OFFER = {
    "@id": "urn:uuid:5f0c2f0e-0000-4a57-9a0e-0d5a8f1e0001",
    "@type": "Offer",
    "profile": [WEFT, RS],
    "permission": [
        {
            "action": "odrl:use",
            "constraint": [
                rule("odrl:purpose", "eq", "quality"),
                {"or": [rule("odrl:spatial", "isPartOf", "CN"), rule("odrl:recipient", "eq", STAMP)]},
                {
                    "and": [
                        rule("odrl:count", "lteq", "3"),
                        rule("odrl:timeInterval", "eq", "P1D"),
                        rule(f"{WEFT}#timeZone", "eq", "Asia/Shanghai"),
                    ]
                },
                rule("odrl:dateTime", "lteq", "2027-01-01T00:00:00+08:00"),
                rule(f"{WEFT}#columns", "isPartOf", "a,b"),
            ],
            "duty": [
                {
                    "action": f"{WEFT}#desensitize",
                    "constraint": [rule(f"{WEFT}#transform", "eq", "sha-256:" + "0" * 64)],
                }
            ],
        },
        {
            "action": "odrl:derive",
            "duty": [
                {"action": "odrl:nextPolicy", "constraint": [rule(f"{WEFT}#inherits", "isAllOf", "odrl:purpose")]}
            ],
        },
    ],
    "prohibition": [{"action": "odrl:distribute", "odrl:remedy": [{"action": f"{WEFT}#alert"}]}],
    "obligation": [
        {"action": f"{RS}#settle", "constraint": [rule(f"{RS}#settlementTerms", "eq", "sha-256:" + "1" * 64)]},
        {"action": "odrl:delete", "constraint": [rule("odrl:elapsedTime", "lteq", "P90D")]},
    ],
}
AGREEMENT = {
    **OFFER,
    "@type": "Agreement",
    "target": "coils",
    "assigner": STEEL,
    "assignee": STAMP,
    "timestamp": "2026-11-10T01:00:00Z",
}
PIDS = {"providerPid": "urn:uuid:1", "consumerPid": "urn:uuid:2"}
ADDRESS = {
    "@type": "DataAddress",
    "endpointType": "https://w3id.org/idsa/v4.1/HTTP",
    "endpoint": "http://127.0.0.1:18282/data/1",
    "endpointProperties": [{"@type": "EndpointProperty", "name": "authorization", "value": "token"}],
}


def said(type_, **members):
    return {"@context": CONTEXT, "@type": type_, "@id": "urn:uuid:3", **members}


MESSAGES = [
    said("ContractRequestMessage", consumerPid="urn:uuid:2", offer={**OFFER, "target": "coils"}, callbackAddress="http://x/"),
    said("ContractOfferMessage", **PIDS, offer={**OFFER, "target": "coils"}),
    said("ContractAgreementMessage", **PIDS, agreement=AGREEMENT),
    said("ContractAgreementVerificationMessage", **PIDS),
    said("ContractNegotiationEventMessage", **PIDS, eventType="ACCEPTED"),
    said("ContractNegotiationTerminationMessage", **PIDS, code="x", reason=["a", {"message": "b"}]),
    said("TransferRequestMessage", consumerPid="urn:uuid:2", agreementId="urn:uuid:4", format="HttpData-PULL",
         callbackAddress="http://x/", dataAddress=ADDRESS, **{f"{WEFT}#purpose": "quality"}),
    said("TransferStartMessage", **PIDS, dataAddress=ADDRESS),
    said("TransferSuspensionMessage", **PIDS, code="x", reason=["a"]),
    said("TransferCompletionMessage", **PIDS),
    said("TransferTerminationMessage", **PIDS, code="x", reason=[{"@value": "b", "@language": "en"}]),
    said("CatalogRequestMessage", filter=[]),
]  # fmt: skip

_DATASET = {
    "@id": "coils",
    "@type": "Dataset",
    "title": "Coils",
    "dct:title": [{"@language": "zh", "@value": "钢卷"}, {"@language": "en", "@value": "Coils"}],
    "dcat:keyword": [{"@language": "en", "@value": "steel"}],
    "modified": "2026-11-10T01:00:00Z",
    "hasPolicy": [OFFER],
    "distribution": [
        {
            "@type": "Distribution",
            "format": "HttpData-PULL",
            "dcat:byteSize": "10",
            "dcat:mediaType": "text/csv",
            "accessService": {"@id": "s", "@type": "DataService", "endpointURL": "http://127.0.0.1:18282/dsp/2025-1"},
        }
    ],
    "https://w3id.org/weft/catalog/v1#facts": {"@type": "@json", "@value": {"rows": 3, "sha256": "0" * 64}},
}
CATALOGS = [
    {
        "@context": CONTEXT,
        "@id": "c",
        "@type": "Catalog",
        "participantId": STEEL,
        "dataset": [_DATASET],
        "service": [{"@id": "s", "@type": "DataService", "endpointURL": "http://127.0.0.1:18282/dsp/2025-1"}],
        "catalog": [{"@id": "d", "@type": "Catalog", "participantId": STAMP, "dataset": [_DATASET]}],
    },
    {
        "@context": {"dcat": "http://www.w3.org/ns/dcat#", "odrl": "http://www.w3.org/ns/odrl/2/"},
        "@id": "c",
        "@type": "dcat:Catalog",
        "dcat:dataset": {
            "@id": "coils",
            "odrl:hasPolicy": {"@id": "o", "odrl:permission": {"odrl:action": {"@id": "odrl:use"}}},
            "dcat:distribution": {"dct:format": {"@id": "HttpData-PULL"}, "dcat:byteSize": {"@value": 5}},
        },
    },
    [
        {
            "@id": "c",
            "@type": ["http://www.w3.org/ns/dcat#Catalog"],
            "http://www.w3.org/ns/dcat#dataset": [
                {
                    "@id": "coils",
                    "http://www.w3.org/ns/odrl/2/hasPolicy": [
                        {
                            "@id": "o",
                            "http://www.w3.org/ns/odrl/2/permission": [
                                {"http://www.w3.org/ns/odrl/2/action": [{"@id": "use"}]}
                            ],
                        }
                    ],
                }
            ],
        }
    ],
    {"@context": {}, "@graph": [{"@id": "c", "@type": "Catalog", "dataset": {"@list": [_DATASET]}}]},
]

SPACE = Space(STEEL, STAMP)
MEMBERS = SPACE.document()
TOKEN_CLAIMS = {
    "iss": STEEL,
    "sub": STEEL,
    "aud": STAMP,
    "iat": int(START.timestamp()),
    "nbf": int(START.timestamp()),
    "exp": int((START + timedelta(seconds=300)).timestamp()),
    "jti": "one",
}
DATA_CLAIMS = {
    **TOKEN_CLAIMS,
    "aud": "http://127.0.0.1:18282/data/1",
    "sub": STAMP,
    "agreement": "a",
    "transfer": "t",
    "purpose": "quality",
}
TOKEN_HEADER = {"alg": "ES256", "kid": SPACE.rings[STEEL].kid("token"), "typ": "JWT"}
WHOLE_TOKEN = f"Bearer {base64url(encoded(TOKEN_HEADER))}.{base64url(encoded(TOKEN_CLAIMS))}.{base64url(bytes(64))}"

MANIFEST = manifest().document()
RECEIPT = {
    "typ": "rc/1",
    "transfer": MANIFEST["transfer"],
    "epoch": 0,
    "seq": 1,
    "upto": 5,
    "bytes": MANIFEST["size"],
    "root_so_far": MANIFEST["root"],
    "rejected": [],
    "ts": MANIFEST["iat"],
    "rows": 530,
    "purpose": "quality-control",
}
SIGNED = sign_document(MANIFEST, kid=KID, sign=signing(EVIDENCE))
EXPORT = b"".join(write_export(STEEL, STORY))
TERMS = [subscription(), bundle()]
TRANSFORM = {
    "id": "t",
    "product": "coils",
    "version": "1",
    "input": ["a", "b", "c"],
    "steps": [
        {"op": "drop", "columns": ["a"]},
        {"op": "round", "columns": ["b"], "to": "0.5", "mode": "half-up", "decimals": 1},
        {
            "op": "pseudonym",
            "columns": ["c"],
            "function": "HMAC-SHA-256",
            "input": "utf-8",
            "key": "per-agreement",
            "length": 16,
            "output": "hex-lower",
        },
    ],
    "output": ["b", "c"],
}
SERVICES = {"id": f"{STEEL}#catalog", "type": "CatalogService", "serviceEndpoint": "https://steel.example/dsp/catalog"}
ANSWERS = [
    {"@context": CONTEXT, "@type": "ContractNegotiation", **PIDS, "state": "REQUESTED"},
    {"@context": CONTEXT, "@type": "ContractNegotiationError", **PIDS, "code": "x", "reason": ["y", {"z": 1}]},
    {"name": "weft", "version": "1", "extensions": {"seals": "http://x/"}},
    {
        "protocolVersions": [
            {"version": "2025-1", "path": "/dsp/2025-1", "binding": "HTTPS", "auth": {"protocol": "x", "version": "1"}},
            {"version": "0.8", "path": "/", "binding": "HTTPS"},
        ]
    },
    {"@context": ["https://www.w3.org/ns/did/v1"], "id": STEEL, "service": [SERVICES]},
]


_EDC = "https://w3id.org/edc/v0.0.1/ns/"
FILTERS = [
    [{"keyword": ["coil", "钢卷"], "grade": "2"}],
    [
        {
            "offset": 0,
            "limit": 50,
            "filterExpression": [{"operandLeft": "id", "operator": "like", "operandRight": "lot-%"}],
        }
    ],
    [
        {
            "@type": f"{_EDC}QuerySpec",
            f"{_EDC}filterExpression": {
                f"{_EDC}operandLeft": {"@value": "title"},
                f"{_EDC}operator": [{"@value": "in"}],
                f"{_EDC}operandRight": {"@list": ["a", 5]},
            },
        }
    ],
]


def examples(folder):
    """Documents of the protocol's reference data, if they are beside the checkout."""
    found = sorted((_SHARED / "data/dsp").glob(f"{folder}/*.json"))
    return tuple(path.read_bytes() for path in found)


def texts(documents):
    return tuple(encoded(each) for each in documents)


def json_of(data):
    """The document of a seed, None where it is none."""
    try:
        return json.loads(data)
    except ValueError:
        return None


def _policies():
    found = [json_of(each) for each in examples("negotiation/example")]
    return [each[name] for each in found for name in ("offer", "agreement") if name in each]


POLICIES = _policies()
