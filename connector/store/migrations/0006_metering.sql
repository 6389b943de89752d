-- What settlement counts: usage records of receipts and ledgers, who holds which ledger, what a person has stated.

CREATE TABLE metered (         -- one usage record (revenue-share.md 6); never changed, never removed
    id TEXT PRIMARY KEY NOT NULL,
    terms TEXT NOT NULL,                -- digest of the terms under which it is booked, '' = none are cited
    ref TEXT NOT NULL,                  -- of the agreement under these terms
    occurred_us BIGINT NOT NULL,        -- microseconds since 1970
    occurred TEXT NOT NULL,             -- as the record writes it: the leaf covers the spelling
    unit TEXT NOT NULL,
    accepted BIGINT NOT NULL,
    rejected BIGINT NOT NULL,
    evidence TEXT NOT NULL,             -- receipt, ledger
    source TEXT NOT NULL,               -- digest of the receipt or of the ledger file
    leaf BLOB NOT NULL                  -- RFC 6962 leaf hash of the canonical record
);
-- Everything a statement needs of an account, in the order of its usage tree.
CREATE INDEX metered_account ON metered (terms, ref, id, occurred_us, accepted, rejected, leaf);

CREATE TABLE ledger (          -- a file of usage records that was imported
    digest TEXT PRIMARY KEY NOT NULL,   -- of its bytes
    label TEXT NOT NULL,                -- the period it is for
    path TEXT NOT NULL,
    row_count BIGINT NOT NULL,
    at TEXT NOT NULL
);
CREATE INDEX ledger_label ON ledger (label, at, digest);

CREATE TABLE ledger_account (  -- which accounts a ledger has rows of
    terms TEXT NOT NULL,
    ref TEXT NOT NULL,
    label TEXT NOT NULL,
    ledger TEXT NOT NULL,
    PRIMARY KEY (terms, ref, label, ledger)
);
CREATE INDEX ledger_account_ledger ON ledger_account (ledger);

CREATE TABLE ledger_holder (   -- who else says that they hold a ledger
    ledger TEXT NOT NULL,
    participant TEXT NOT NULL,
    label TEXT NOT NULL,
    row_count BIGINT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (ledger, participant)
);
CREATE INDEX ledger_holder_label ON ledger_holder (participant, label);

CREATE TABLE stated (          -- what a person has stated for a period: grades, days without service, declared income
    terms TEXT NOT NULL,
    ref TEXT NOT NULL,                  -- of the agreement; the id of a bundle for its income
    label TEXT NOT NULL,
    name TEXT NOT NULL,                 -- quality, fullDaysWithoutService, declaredIncome
    value TEXT NOT NULL,                -- JSON
    at TEXT NOT NULL,
    PRIMARY KEY (terms, ref, label, name)
);
