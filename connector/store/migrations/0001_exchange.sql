-- What was said to whom: messages in and out, processes, agreements.
-- Times are RFC 3339 UTC texts of fixed width, so that they sort; *_us are microseconds since 1970.

CREATE TABLE fact (            -- single values: the participant of this store, the last member list
    name TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
);

CREATE TABLE management_key (
    hash TEXT PRIMARY KEY NOT NULL,     -- SHA-256 of the key: the key itself is nowhere in here
    label TEXT NOT NULL,
    created TEXT NOT NULL
);

CREATE TABLE token_used (      -- tokens of messages: a replay is refused also after a crash
    issuer TEXT NOT NULL,
    jti TEXT NOT NULL,
    expires_us BIGINT NOT NULL,
    PRIMARY KEY (issuer, jti)
);
CREATE INDEX token_used_expiry ON token_used (expires_us);

CREATE TABLE inbox (           -- accepted messages and the reply that each got
    sender TEXT NOT NULL,
    message TEXT NOT NULL,              -- the message's @id, or its digest where the peer sends none
    process TEXT NOT NULL,
    status BIGINT NOT NULL,
    reply BLOB NOT NULL,
    at_us BIGINT NOT NULL,
    PRIMARY KEY (sender, message)
);
CREATE INDEX inbox_process ON inbox (sender, process, at_us);

CREATE TABLE outbox (          -- what we intend to send: nothing leaves that is not in here
    message TEXT PRIMARY KEY NOT NULL,  -- its @id, the same on every attempt
    rank BIGINT NOT NULL,               -- order in which rows were written
    kind TEXT NOT NULL,                 -- negotiation, transfer, seal
    process TEXT NOT NULL,              -- our pid; one message of a process is under way at a time
    trigger_name TEXT NOT NULL,
    destination TEXT NOT NULL,          -- participant id
    method TEXT NOT NULL,
    url TEXT NOT NULL,
    body BLOB NOT NULL,
    expects TEXT NOT NULL,              -- state of the process in which this may leave ('' = start)
    becomes TEXT NOT NULL,              -- state once it is acknowledged
    attempts BIGINT NOT NULL,
    next_us BIGINT NOT NULL,
    created_us BIGINT NOT NULL,
    problem TEXT NOT NULL
);
CREATE UNIQUE INDEX outbox_rank ON outbox (rank);
CREATE INDEX outbox_due ON outbox (next_us, rank);
CREATE INDEX outbox_process ON outbox (process, rank);

CREATE TABLE negotiation (
    pid TEXT PRIMARY KEY NOT NULL,
    role TEXT NOT NULL,
    counterparty TEXT NOT NULL,
    peer_pid TEXT NOT NULL,             -- '' until the counterparty has named it
    address TEXT NOT NULL,              -- where the counterparty takes messages
    state TEXT NOT NULL,                -- '' = start: nothing acknowledged yet
    dataset TEXT NOT NULL,
    offer TEXT NOT NULL,                -- the last offer on the table, JSON as sent, with its target
    offered_by TEXT NOT NULL,
    agreement TEXT NOT NULL,            -- digest, '' before AGREED
    code TEXT NOT NULL,
    reason TEXT NOT NULL,
    idempotency TEXT NOT NULL,          -- the caller's key, '' if none
    created TEXT NOT NULL,
    updated TEXT NOT NULL
);
CREATE INDEX negotiation_peer ON negotiation (counterparty, peer_pid);
CREATE INDEX negotiation_idempotency ON negotiation (idempotency);
CREATE INDEX negotiation_updated ON negotiation (updated, pid);

CREATE TABLE agreement (
    digest TEXT PRIMARY KEY NOT NULL,   -- SHA-256 of the canonical bytes
    id TEXT NOT NULL,
    negotiation TEXT NOT NULL,
    role TEXT NOT NULL,
    counterparty TEXT NOT NULL,
    dataset TEXT NOT NULL,
    offer TEXT NOT NULL,                -- @id of the offer it came from
    policy TEXT NOT NULL,               -- policy digest
    body BLOB NOT NULL,                 -- canonical bytes
    in_force TEXT NOT NULL,             -- since when, '' before the negotiation is finalized
    created TEXT NOT NULL
);
CREATE UNIQUE INDEX agreement_id ON agreement (counterparty, id);
CREATE INDEX agreement_dataset ON agreement (counterparty, dataset);
CREATE INDEX agreement_created ON agreement (created, digest);

CREATE TABLE seal (
    agreement TEXT NOT NULL,
    signatory TEXT NOT NULL,
    body BLOB NOT NULL,                 -- signed document, as received or made
    at TEXT NOT NULL,
    PRIMARY KEY (agreement, signatory)
);

CREATE TABLE transfer (
    pid TEXT PRIMARY KEY NOT NULL,
    role TEXT NOT NULL,
    counterparty TEXT NOT NULL,
    peer_pid TEXT NOT NULL,
    address TEXT NOT NULL,
    state TEXT NOT NULL,
    agreement TEXT NOT NULL,            -- digest
    dataset TEXT NOT NULL,
    format TEXT NOT NULL,
    purpose TEXT NOT NULL,              -- '' = not stated
    suspended_by TEXT NOT NULL,         -- role of who suspended it, '' otherwise
    data_address TEXT NOT NULL,         -- JSON of the DataAddress in force, '' = none
    code TEXT NOT NULL,
    reason TEXT NOT NULL,
    idempotency TEXT NOT NULL,
    started TEXT NOT NULL,              -- when last started or resumed: older data tokens are dead
    created TEXT NOT NULL,
    updated TEXT NOT NULL
);
CREATE INDEX transfer_peer ON transfer (counterparty, peer_pid);
CREATE INDEX transfer_agreement ON transfer (agreement);
CREATE INDEX transfer_idempotency ON transfer (idempotency);
CREATE INDEX transfer_updated ON transfer (updated, pid);

CREATE TABLE peer (            -- what a peer said at /.well-known/weft
    participant TEXT PRIMARY KEY NOT NULL,
    document TEXT NOT NULL,
    fetched TEXT NOT NULL
);
