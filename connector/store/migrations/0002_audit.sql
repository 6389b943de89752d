-- The audit log (audit-log.md 6): records, details beside them, the tree over them, and what was signed.
-- Hashes and salts are lower-case hex.

CREATE TABLE audit_entry (
    seq BIGINT PRIMARY KEY NOT NULL,    -- the record's leaf, from 0 without a gap
    ts TEXT NOT NULL,                   -- this and the next five repeat members of the record to search by, '' for none
    type TEXT NOT NULL,
    peer TEXT NOT NULL,
    agreement TEXT NOT NULL,
    policy TEXT NOT NULL,
    decision TEXT NOT NULL,
    body TEXT NOT NULL,                 -- the record in canonical JSON, byte for byte what was hashed
    leaf TEXT NOT NULL
);
CREATE INDEX audit_entry_agreement ON audit_entry (agreement, seq) WHERE agreement <> '';
CREATE INDEX audit_entry_peer ON audit_entry (peer, seq) WHERE peer <> '';

CREATE TABLE audit_detail (    -- what a record commits to; erasing a row takes its salt along, and nothing leads back to it
    seq BIGINT PRIMARY KEY NOT NULL,
    salt TEXT NOT NULL,
    body TEXT NOT NULL                  -- canonical JSON
);

CREATE TABLE audit_node (      -- roots of full tiles (C2SP tlog-tiles): a hash of level l stands for 256^l records
    level BIGINT NOT NULL,              -- from 1; level 0 is audit_entry.leaf
    idx BIGINT NOT NULL,
    hash TEXT NOT NULL,
    PRIMARY KEY (level, idx)
);

CREATE TABLE audit_checkpoint (-- one signed note for every group of transactions that appended something
    size BIGINT PRIMARY KEY NOT NULL,
    note TEXT NOT NULL
);
