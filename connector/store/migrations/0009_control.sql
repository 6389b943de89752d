-- What a person or a remedy has stopped, how a breach is seen, and what is still owed after a delivery.

CREATE TABLE stop (            -- the kill switch: nothing moves with this partner
    participant TEXT PRIMARY KEY NOT NULL,  -- '*' = with anybody
    reason TEXT NOT NULL,
    at TEXT NOT NULL
);

CREATE TABLE hold (            -- an agreement under which nothing moves because a prohibition was breached
    agreement TEXT PRIMARY KEY NOT NULL,    -- digest
    action TEXT NOT NULL,                   -- what was done although it is prohibited
    reason TEXT NOT NULL,
    at TEXT NOT NULL
);

CREATE TABLE handed (          -- which contents a partner has from us: bytes may have left under this agreement
    agreement TEXT NOT NULL,                -- digest
    sha256 TEXT NOT NULL,                   -- of the bytes as they leave, 64 hex digits
    counterparty TEXT NOT NULL,
    PRIMARY KEY (agreement, sha256)
);
CREATE INDEX handed_counterparty ON handed (counterparty, sha256);

CREATE TABLE sighting (        -- what a partner's catalog shows although an agreement prohibits it: acted on once
    agreement TEXT NOT NULL,                -- digest
    action TEXT NOT NULL,
    dataset TEXT NOT NULL,                  -- the partner's
    at TEXT NOT NULL,
    PRIMARY KEY (agreement, action, dataset)
);

CREATE TABLE entry_content (   -- the file of a dataset in the index
    sha256 TEXT NOT NULL,                   -- 64 hex digits
    entry BIGINT NOT NULL,
    PRIMARY KEY (sha256, entry)
);
CREATE INDEX entry_content_entry ON entry_content (entry);

-- What was read before there was this table is written anew by the next crawl: it differs from every digest.
UPDATE entry SET digest = '';

CREATE TABLE duty (            -- what the consumer owes for one delivery, on both sides
    delivery TEXT NOT NULL,
    action TEXT NOT NULL,
    agreement TEXT NOT NULL,                -- digest
    counterparty TEXT NOT NULL,
    dataset TEXT NOT NULL,
    role TEXT NOT NULL,                     -- ours: the consumer is who owes it
    since TEXT NOT NULL,
    deadline TEXT NOT NULL,                 -- '~' = none
    evidence TEXT NOT NULL,                 -- digest of what fulfils it, '' while it is open
    fulfilled BIGINT NOT NULL,              -- 1: there is evidence
    PRIMARY KEY (delivery, action)
);
CREATE INDEX duty_deadline ON duty (fulfilled, deadline, delivery, action);
