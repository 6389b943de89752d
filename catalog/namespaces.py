"""IRIs of the vocabularies in use and of datasets. Plain strings: the daemon speaks them too and must not import an RDF library."""

from typing import Final

DCAT: Final = "http://www.w3.org/ns/dcat#"
DCT: Final = "http://purl.org/dc/terms/"
ODRL: Final = "http://www.w3.org/ns/odrl/2/"
FOAF: Final = "http://xmlns.com/foaf/0.1/"
SPDX: Final = "http://spdx.org/rdf/terms#"
CSVW: Final = "http://www.w3.org/ns/csvw#"
PROV: Final = "http://www.w3.org/ns/prov#"
WEFT: Final = "https://w3id.org/weft/catalog/v1#"
WEFT_POLICY: Final = "https://w3id.org/weft/policy/v1#"
REVENUE_SHARE: Final = "https://w3id.org/weft/revshare/v1#"

DSP_CONTEXT: Final = "https://w3id.org/dspace/2025/1/context.jsonld"
# The protocol's own namespace under its releases; peers of older stacks still write the earlier ones.
DSPACE: Final = (
    "https://w3id.org/dspace/2025/1/",
    "https://w3id.org/dspace/2024/1/",
    "https://w3id.org/dspace/v0.8/",
)

MEDIA_TYPES: Final = "https://www.iana.org/assignments/media-types/"
FILE_TYPES: Final = "http://publications.europa.eu/resource/authority/file-type/"
SHA256_ALGORITHM: Final = SPDX + "checksumAlgorithm_sha256"

# Left operands whose right operand is the digest of a document that must be known before an offer is published.
SETTLEMENT_TERMS: Final = REVENUE_SHARE + "settlementTerms"
TRANSFORM: Final = WEFT_POLICY + "transform"

_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~*:@!$'()+,;=")


def dataset_iri(base: str, dataset_id: str) -> str:
    """`{base}/datasets/{id}` with the id percent-encoded: any string becomes an IRI."""
    return f"{base.rstrip('/')}/datasets/{percent_encoded(dataset_id)}"


def percent_encoded(text: str) -> str:
    return "".join(
        char if char in _UNRESERVED else "".join(f"%{octet:02X}" for octet in char.encode()) for char in text
    )
