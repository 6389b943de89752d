-- What was delivered: counters, deliveries of either role, usage records, keys of pseudonyms.

CREATE TABLE counter (         -- how often a rule was used in one window; only a granted delivery counts
    agreement TEXT NOT NULL,            -- digest
    counter TEXT NOT NULL,              -- the rule and its window, as the compiled policy names them
    window_name TEXT NOT NULL,          -- the window for people: 2026-11-10
    used BIGINT NOT NULL,
    PRIMARY KEY (agreement, counter)
);

CREATE TABLE delivery (        -- one manifest of one transfer, on the side that sends or on the side that receives
    id TEXT PRIMARY KEY NOT NULL,
    role TEXT NOT NULL,                 -- ours: provider or consumer
    transfer TEXT NOT NULL,             -- our pid
    agreement TEXT NOT NULL,            -- digest
    counterparty TEXT NOT NULL,
    dataset TEXT NOT NULL,
    columns TEXT NOT NULL,              -- as asked for, in the form of ?columns= and the dataset's order; '' = all
    state TEXT NOT NULL,                -- reserved, released | fetching, waiting, verified | received, failed
    epoch BIGINT NOT NULL,              -- ordinal among the deliveries of its transfer
    version TEXT NOT NULL,              -- sha-256 of the source; '' until the manifest is here
    transform TEXT NOT NULL,            -- digest, '' = none
    size BIGINT NOT NULL,               -- bytes
    chunk BIGINT NOT NULL,              -- bytes
    root TEXT NOT NULL,
    row_count BIGINT NOT NULL,          -- data rows, -1 = no table
    counted BIGINT NOT NULL,            -- 1 = a count was reserved for it
    verified BIGINT NOT NULL,           -- bytes covered by receipts (provider) or verified (consumer)
    manifest BLOB NOT NULL,             -- signed, as served or received
    receipt BLOB NOT NULL,              -- the last one, signed
    path TEXT NOT NULL,                 -- consumer: the file
    code TEXT NOT NULL,                 -- why it failed
    reason TEXT NOT NULL,
    idempotency TEXT NOT NULL,
    created TEXT NOT NULL,
    updated TEXT NOT NULL
);
CREATE INDEX delivery_transfer ON delivery (transfer, epoch);
CREATE INDEX delivery_idempotency ON delivery (idempotency);
CREATE INDEX delivery_updated ON delivery (updated, id);
CREATE INDEX delivery_state ON delivery (role, state);
CREATE INDEX delivery_size ON delivery (role, size);

CREATE TABLE usage (           -- what settlement counts: one row per final receipt, on each side
    id TEXT PRIMARY KEY NOT NULL,       -- hex SHA-256 of <transfer>:<epoch>, the same on both sides
    delivery TEXT NOT NULL,
    role TEXT NOT NULL,
    agreement TEXT NOT NULL,
    counterparty TEXT NOT NULL,
    dataset TEXT NOT NULL,
    transfer TEXT NOT NULL,             -- as in manifest and receipt
    epoch BIGINT NOT NULL,
    occurred TEXT NOT NULL,             -- ts of the receipt: RFC 3339, UTC, whole seconds
    accepted BIGINT NOT NULL,           -- data rows of the final receipt, 0 for what is no table
    rejected BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    manifest TEXT NOT NULL,             -- digests of the evidence
    receipt TEXT NOT NULL
);
CREATE INDEX usage_agreement ON usage (agreement, occurred, id);

CREATE TABLE pseudonym_key (   -- one secret per agreement of ours as provider; it never leaves
    agreement TEXT PRIMARY KEY NOT NULL,
    secret BLOB NOT NULL
);
