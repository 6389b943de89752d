"""IRIs of the vocabularies in use. Plain strings: the daemon speaks them too and must not import an RDF library."""

from typing import Final

DCAT: Final = "http://www.w3.org/ns/dcat#"
DCT: Final = "http://purl.org/dc/terms/"
ODRL: Final = "http://www.w3.org/ns/odrl/2/"
FOAF: Final = "http://xmlns.com/foaf/0.1/"
SPDX: Final = "http://spdx.org/rdf/terms#"
CSVW: Final = "http://www.w3.org/ns/csvw#"
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
