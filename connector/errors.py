"""Every error of the connector, and the one table that says what the world sees of each.

    WeftError                   root; `code` names the broken rule, `facts` carry what was found
    ├── SettingsError           a setting, key file or certificate cannot be used
    ├── StoreError              the database cannot be used or refused a commit
    ├── AuthenticationError     who speaks could not be proven
    ├── RefusedError            a message or request breaks a rule (ours or the specification's)
    ├── UnreachableError        the other side, or an address it named, cannot be called
    └── VerificationError       bytes, a signature or a log do not hold what they claim

Domain packages raise their own errors (`policies.errors`, `contracts.errors`, `catalog.errors`); `TABLE` maps every code.
A sentence for people comes from the message table by the id `error.<code>`, with the facts as its values.
"""

from dataclasses import dataclass
from typing import Any


class WeftError(Exception):
    """A broken rule: `code` is its name in the table, `facts` are strings and integers fit for a person and a log."""

    def __init__(self, code: str, /, **facts: Any) -> None:
        super().__init__(code, facts)
        self.code = code
        self.facts = facts

    def __str__(self) -> str:
        return f"{self.code}: {', '.join(f'{name}={value}' for name, value in self.facts.items())}"


class SettingsError(WeftError):
    """A setting, key file or certificate cannot be used."""


class StoreError(WeftError):
    """The database cannot be used or refused a commit."""


class AuthenticationError(WeftError):
    """Who speaks could not be proven. The world sees one answer for all of them."""


class RefusedError(WeftError):
    """A message or request breaks a rule, ours or the specification's."""


class UnreachableError(WeftError):
    """The other side, or an address it named, cannot be called."""


class VerificationError(WeftError):
    """Bytes, a signature or a log do not hold what they claim."""


# Seconds after which somebody may come again whom an outage of ours has turned away.
RETRY_S = 5


def is_outage(error: Exception) -> bool:
    """Whether the trouble is ours and passes: whoever asked is told to come again, and never that it was refused."""
    return isinstance(error, WeftError) and error.code in ("database-closed", "store-failed", "token-flood")


@dataclass(frozen=True, slots=True)
class Appearance:
    """What the world sees of a code: HTTP status, level of the log line."""

    status: int
    level: str = "info"


TABLE: dict[str, Appearance] = {
    "database-newer": Appearance(500, "error"),
    "database-unusable": Appearance(500, "error"),
    "database-closed": Appearance(503, "error"),
    "store-failed": Appearance(503, "error"),
    "unavailable": Appearance(503),
    # settings, keys, the space authority's desk
    "setting-unknown": Appearance(500, "error"),
    "setting-missing": Appearance(500, "error"),
    "setting-invalid": Appearance(500, "error"),
    "settings-file": Appearance(500, "error"),
    "tls-half": Appearance(500, "error"),
    "tls-unusable": Appearance(500, "error"),
    "bind-without-tls": Appearance(500, "error"),
    "test-setting-in-production": Appearance(500, "error"),
    "mock-identity-reachable": Appearance(500, "error"),
    "key-missing": Appearance(500, "error"),
    "key-readable": Appearance(500, "error"),
    "key-invalid": Appearance(500, "error"),
    "file-exists": Appearance(500, "error"),
    "space-missing": Appearance(500, "error"),
    "member-unlisted": Appearance(500, "error"),
    "duration-invalid": Appearance(500, "error"),
    # the member list
    "member-list-missing": Appearance(503, "error"),
    "member-list-unreadable": Appearance(503, "error"),
    "member-list-expired": Appearance(503, "error"),
    "member-list-invalid": Appearance(503, "error"),
    "member-list-unsigned": Appearance(503, "error"),
    "member-list-signature": Appearance(503, "error"),
    "member-list-older": Appearance(503, "error"),
    "member-list-forked": Appearance(503, "error"),
    # who speaks: one status for all
    "token-missing": Appearance(401, "warning"),
    "token-malformed": Appearance(401, "warning"),
    "token-algorithm": Appearance(401, "warning"),
    "token-subject": Appearance(401, "warning"),
    "token-audience": Appearance(401, "warning"),
    "token-signature": Appearance(401, "warning"),
    "token-not-yet": Appearance(401, "warning"),
    "token-expired": Appearance(401, "warning"),
    "token-lifetime": Appearance(401, "warning"),
    "token-replayed": Appearance(401, "warning"),
    "not-a-member": Appearance(401, "warning"),
    "key-unknown": Appearance(401, "warning"),
    "key-of-another": Appearance(401, "warning"),
    "key-other-use": Appearance(401, "warning"),
    "key-not-yet": Appearance(401, "warning"),
    "key-retired": Appearance(401, "warning"),
    "token-flood": Appearance(503, "warning"),
    # who is called
    "address-malformed": Appearance(400, "warning"),
    "address-outside-list": Appearance(400, "warning"),
    "address-private": Appearance(400, "warning"),
    "redirect-refused": Appearance(502, "warning"),
    "answer-too-large": Appearance(502, "warning"),
    "answer-encoded": Appearance(502, "warning"),
    "unreachable": Appearance(502, "warning"),
    # messages, commands, documents
    "json-invalid": Appearance(400),
    "not-canonical": Appearance(400),
    "policy-invalid": Appearance(400),
    "list-invalid": Appearance(400),
    "sentence-unknown": Appearance(500, "error"),
    "message-not-json": Appearance(400),
    "message-invalid": Appearance(400),
    "message-under-way": Appearance(400),
    "message-overtaken": Appearance(425),
    "illegal-transition": Appearance(400),
    "pid-mismatch": Appearance(400),
    "pid-reused": Appearance(400),
    "party-mismatch": Appearance(400),
    "target-changed": Appearance(400),
    "own-offer-accepted": Appearance(400),
    "offer-unknown": Appearance(400),
    "offer-not-for": Appearance(400),
    "peer-takes-no-offers": Appearance(409),
    "offer-invalid": Appearance(400),
    "terms-never-fulfilled": Appearance(400),
    "agreement-differs": Appearance(400),
    "agreement-not-canonical": Appearance(400),
    "agreement-id-reused": Appearance(400),
    "seal-differs": Appearance(400),
    "seal-invalid": Appearance(400),
    "format-unsupported": Appearance(400),
    "data-address-missing": Appearance(400),
    "suspended-by-other": Appearance(400),
    "filter-unsupported": Appearance(400),
    "page-invalid": Appearance(400),
    "agreement-unknown": Appearance(400),
    "process-unknown": Appearance(404),
    "process-ambiguous": Appearance(409),
    "dataset-unknown": Appearance(404),
    "document-unknown": Appearance(404),
    "process-ending": Appearance(400),
    "process-ended": Appearance(409),
    "offer-changed": Appearance(409),
    "nothing-to-decide": Appearance(409),
    "agreement-not-in-force": Appearance(409),
    "message-too-large": Appearance(413),
    "message-encoding": Appearance(415),
    "message-slow": Appearance(408),
    "too-many-requests": Appearance(429, "warning"),
    "unauthorized": Appearance(401),
    "document-unavailable": Appearance(502),
    "catalog-refused": Appearance(502),
    "document-differs": Appearance(502),
    "database-of-another": Appearance(500, "error"),
    "port-taken": Appearance(500, "error"),
    # evidence
    "signature-invalid": Appearance(400, "warning"),
    "manifest-differs": Appearance(400, "warning"),
    "receipt-differs": Appearance(400, "warning"),
    "checkpoint-invalid": Appearance(400, "warning"),
    "cannot-judge": Appearance(400),
    "record-invalid": Appearance(500, "error"),
    # the catalog, ours and others'
    "catalog-unreadable": Appearance(502, "warning"),
    "versions-missing": Appearance(502, "warning"),
    "versions-unreadable": Appearance(502, "warning"),
    "version-unsupported": Appearance(502, "warning"),
    "service-unreadable": Appearance(502, "warning"),
    "graph-invalid": Appearance(400),
    "remote-context": Appearance(400, "warning"),
    "not-publishable": Appearance(400),
    "offer-reused": Appearance(409),
    "offer-taken": Appearance(409),
    "rdf-worker-failed": Appearance(500, "error"),
    "rdf-worker-slow": Appearance(503, "warning"),
    # tables and transforms
    "table-empty": Appearance(422),
    "table-encoding": Appearance(422),
    "table-header-empty": Appearance(422),
    "table-header-missing": Appearance(422),
    "table-header-twice": Appearance(422),
    "table-header-differs": Appearance(422),
    "table-row-broken": Appearance(422),
    "table-quote": Appearance(422),
    "table-cell-large": Appearance(422),
    "table-cell-number": Appearance(422),
    "table-line-long": Appearance(422),
    "table-line-end": Appearance(422),
    "table-nul": Appearance(422),
    "transform-invalid": Appearance(422),
    "source-missing": Appearance(409, "error"),
    "source-changed": Appearance(409, "error"),
    "source-busy": Appearance(409),
    "source-broken": Appearance(409, "error"),
    "distribution-prohibited": Appearance(403, "warning"),
    "derivation-refused": Appearance(403, "warning"),
    "input-is-self": Appearance(400, "warning"),
    "input-ambiguous": Appearance(409),
    "input-not-received": Appearance(409),
    "dataset-exists": Appearance(409),
    "dataset-ambiguous": Appearance(409),
    "publication-invalid": Appearance(400),
    # the gate and deliveries
    "transfer-suspended": Appearance(403),
    "transfer-over": Appearance(403),
    "stopped-by-provider": Appearance(403),
    "token-revoked": Appearance(401),
    "spool-full": Appearance(503, "error"),
    "spool-unwritable": Appearance(503, "error"),
    "columns-gone": Appearance(409, "error"),
    "delivery-differs": Appearance(409),
    "delivery-raced": Appearance(503),
    "delivery-not-reserved": Appearance(409),
    "delivery-unknown": Appearance(404),
    "receipt-invalid": Appearance(400, "warning"),
    "receipt-old": Appearance(409),
    "receipt-off": Appearance(409, "warning"),
    "receipt-undelivered": Appearance(502, "warning"),
    "leaves-gone": Appearance(409, "warning"),
    "manifest-invalid": Appearance(502, "warning"),
    "chunk-differs": Appearance(502, "warning"),
    "rows-differ": Appearance(502, "warning"),
    "bytes-missing": Appearance(502, "warning"),
    "bytes-extra": Appearance(502, "warning"),
    "range-differs": Appearance(502, "warning"),
    "digest-differs": Appearance(502, "warning"),
    "push-refused": Appearance(502, "warning"),
    "push-undelivered": Appearance(502, "warning"),
    "push-missing": Appearance(502, "warning"),
    "push-too-large": Appearance(413, "warning"),
    "push-columns": Appearance(400),
    "received-unwritable": Appearance(500, "error"),
    # settlement
    "bundle-unknown": Appearance(404),
    "not-a-bundle": Appearance(400),
    "not-a-signatory": Appearance(403, "warning"),
    "signatures-missing": Appearance(409),
    "period-open": Appearance(409),
    "nothing-to-close": Appearance(409),
    "statement-unknown": Appearance(409),
    "input-unknown": Appearance(404),
    "terms-invalid": Appearance(400),
    "period-invalid": Appearance(400),
    "period-input-invalid": Appearance(400),
    "amount-invalid": Appearance(400),
    "ledger-invalid": Appearance(400),
    "ledger-too-large": Appearance(400),
    "period-closed": Appearance(409),
    "ref-unknown": Appearance(404),
    "not-yours-to-state": Appearance(403),
    "stated-invalid": Appearance(400),
    # control
    "stopped-by-consumer": Appearance(403),
    "suspended-by-remedy": Appearance(403),
    "partner-stopped": Appearance(409),
    "not-stopped": Appearance(409),
    "agreement-held": Appearance(409),
    "not-held": Appearance(409),
    "not-prohibited": Appearance(409),
    # the management side
    "management-key-missing": Appearance(401, "warning"),
    "management-key-wrong": Appearance(401, "warning"),
    "request-invalid": Appearance(400),
    "request-not-json": Appearance(400),
    "request-too-large": Appearance(413),
    "cursor-invalid": Appearance(400),
    "watch-unknown": Appearance(400),
    "idempotency-key-reused": Appearance(409),
    "no-such-address": Appearance(404),
    "method-not-allowed": Appearance(405),
    "record-unknown": Appearance(404),
    "delivery-unfinished": Appearance(409),
    "delivery-file-missing": Appearance(404),
    "range-unusable": Appearance(416),
    "unexpected": Appearance(500, "error"),
}
