-- Bundles and who has signed them; statements of ours, what the others say to them, and the seals on them.

CREATE TABLE bundle (          -- one terms document for many agreements
    terms TEXT PRIMARY KEY NOT NULL,    -- its digest
    id TEXT NOT NULL,
    created TEXT NOT NULL
);
CREATE INDEX bundle_id ON bundle (id);

CREATE TABLE bundle_seal (
    terms TEXT NOT NULL,
    signatory TEXT NOT NULL,
    body BLOB NOT NULL,                 -- signed document, as received or made
    at TEXT NOT NULL,
    PRIMARY KEY (terms, signatory)
);

CREATE TABLE statement (       -- ours: a row says that we have consented to close, and how far it came
    terms TEXT NOT NULL,                -- digest of the terms it is computed under
    ref TEXT NOT NULL,                  -- of the agreement; the id of a bundle
    label TEXT NOT NULL,                -- of the period
    kind TEXT NOT NULL,                 -- bilateral, bundle
    agreement TEXT NOT NULL,            -- digest of the first agreement of a bilateral one, '' for a bundle
    booked TEXT NOT NULL,               -- digest of the terms its usage is booked under
    state TEXT NOT NULL,                -- closed, empty, proposed, diverged, matched, agreed
    digest TEXT NOT NULL,               -- '' while nothing is computed, or nothing is charged
    body BLOB NOT NULL,                 -- canonical bytes, empty without a digest
    usage_root TEXT NOT NULL,
    told TEXT NOT NULL,                 -- what the others were told last, '' = nothing yet
    closed TEXT NOT NULL,
    updated TEXT NOT NULL,
    PRIMARY KEY (terms, ref, label)
);
CREATE INDEX statement_label ON statement (label, kind, terms, ref);
CREATE INDEX statement_booked ON statement (booked, ref, label);

CREATE TABLE opinion (         -- what another party said last about a statement
    terms TEXT NOT NULL,
    ref TEXT NOT NULL,
    label TEXT NOT NULL,
    participant TEXT NOT NULL,
    word TEXT NOT NULL,                 -- said, open, diverged, refused
    digest TEXT NOT NULL,               -- of its statement, '' where it has none
    usage_root TEXT NOT NULL,
    facts TEXT NOT NULL,                -- JSON: what it stated, the rows that differ, why it refused
    at TEXT NOT NULL,
    PRIMARY KEY (terms, ref, label, participant)
);

CREATE TABLE statement_seal (
    statement TEXT NOT NULL,
    signatory TEXT NOT NULL,
    body BLOB NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (statement, signatory)
);

CREATE TABLE period_input (    -- the operator's records of a bundle's period; the last number counts
    terms TEXT NOT NULL,
    label TEXT NOT NULL,
    number BIGINT NOT NULL,
    digest TEXT NOT NULL,
    body BLOB NOT NULL,                 -- signed document, as received or made
    at TEXT NOT NULL,
    PRIMARY KEY (terms, label, number)
);
