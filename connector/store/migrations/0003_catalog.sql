-- What we offer, and what other participants offer.
-- '' and 0 stand for "not said"; *_us are microseconds since 1970; a *_json column is read as JSON by the program only.

CREATE TABLE dataset (         -- our datasets; the record is the authority, all else is derived from it
    id TEXT PRIMARY KEY NOT NULL,
    digest TEXT NOT NULL,               -- of the record: the same content again is no change
    state TEXT NOT NULL,                -- published, withdrawn
    reason TEXT NOT NULL,               -- why it was withdrawn
    change BIGINT NOT NULL,             -- ascending over the whole catalog; the highest is the catalog's change number
    changed_us BIGINT NOT NULL,
    head BLOB NOT NULL,                 -- UTF-8 of its DSP JSON up to the value of accessService (catalog/messages.py);
    record_json TEXT NOT NULL           -- bytes, and before the record, because a page reads 50 of them
);
CREATE UNIQUE INDEX dataset_change ON dataset (change);

CREATE TABLE offer (           -- every offer ever published: a superseded one stays resolvable
    id TEXT PRIMARY KEY NOT NULL,
    dataset TEXT NOT NULL,
    text BLOB NOT NULL,                 -- the offer as it stands in hasPolicy, JSON
    price BLOB NOT NULL,                -- its price as it stands in the dataset, JSON; empty if none
    price_kind TEXT NOT NULL,
    decision TEXT NOT NULL,             -- automatic, person
    digest TEXT NOT NULL,               -- of the document: an id never gets other terms
    state TEXT NOT NULL,                -- current, superseded, withdrawn
    superseded_by TEXT NOT NULL,
    terms_json TEXT NOT NULL,           -- digests of its settlement terms
    transforms_json TEXT NOT NULL       -- digests of its transforms
);
CREATE INDEX offer_dataset ON offer (dataset, id);

CREATE TABLE offer_audience (  -- who may see what is current; '*' is every member
    class TEXT NOT NULL,
    dataset TEXT NOT NULL,
    offer TEXT NOT NULL,
    PRIMARY KEY (class, dataset, offer)
);
CREATE INDEX offer_audience_offer ON offer_audience (offer);
CREATE INDEX offer_audience_dataset ON offer_audience (dataset);

CREATE TABLE document (        -- terms and transforms by digest
    digest TEXT PRIMARY KEY NOT NULL,
    kind TEXT NOT NULL,                 -- terms, transform
    body BLOB NOT NULL                  -- canonical bytes
);

CREATE TABLE source_file (     -- the file behind a dataset, and what tells that it changed
    dataset TEXT PRIMARY KEY NOT NULL,
    path TEXT NOT NULL,
    size BIGINT NOT NULL,
    mtime_ns BIGINT NOT NULL,
    inode BIGINT NOT NULL,
    sha256 TEXT NOT NULL,
    encoding TEXT NOT NULL,
    delimiter TEXT NOT NULL,
    columns_json TEXT NOT NULL
);

CREATE TABLE member_catalog (  -- one row per known catalog, ours too: which generation of its entries counts
    participant TEXT PRIMARY KEY NOT NULL,
    generation BIGINT NOT NULL,
    digest TEXT NOT NULL,               -- of all its entries; '' before the first crawl
    entries BIGINT NOT NULL,
    status TEXT NOT NULL,               -- own, new, ok, partial (stopped at a bound), failed
    reason TEXT NOT NULL,               -- code of the last failure or of the bound
    detail TEXT NOT NULL,               -- its facts in words, unreadable datasets
    fetched_us BIGINT NOT NULL,         -- last complete crawl, 0 = never
    failing_us BIGINT NOT NULL,         -- first of the failures since then, 0 = none
    failures BIGINT NOT NULL,           -- in a row
    emptied BIGINT NOT NULL,            -- 1: the last crawl found nothing where many were; to be confirmed
    next_us BIGINT NOT NULL             -- when to crawl again
);

CREATE TABLE entry (           -- one dataset of a catalog, from generation `born` until `died`
    number BIGINT PRIMARY KEY NOT NULL,
    participant TEXT NOT NULL,          -- whose catalog it was found in
    owner TEXT NOT NULL,
    dataset TEXT NOT NULL,
    born BIGINT NOT NULL,
    died BIGINT NOT NULL,               -- first generation without it; 9223372036854775807 = none
    digest TEXT NOT NULL,
    modified_us BIGINT NOT NULL,
    grade TEXT NOT NULL,
    scenario TEXT NOT NULL,
    title_folded TEXT NOT NULL,
    folded TEXT NOT NULL,               -- what is searched, in the form of catalog.text.fold
    document_json TEXT NOT NULL         -- what is shown
);
CREATE INDEX entry_place ON entry (participant, owner, dataset, born);
CREATE INDEX entry_died ON entry (participant, died);
CREATE INDEX entry_born ON entry (participant, born);

CREATE TABLE entry_keyword (
    entry BIGINT NOT NULL,
    keyword TEXT NOT NULL,              -- folded
    PRIMARY KEY (entry, keyword)
);

CREATE TABLE entry_price (
    entry BIGINT NOT NULL,
    kind TEXT NOT NULL,
    PRIMARY KEY (entry, kind)
);

CREATE VIEW current_entry AS   -- what is found: the entries of each catalog's current generation
SELECT e.*, m.status, m.reason, m.fetched_us, m.failing_us
FROM entry AS e JOIN member_catalog AS m ON m.participant = e.participant
WHERE e.born <= m.generation AND e.died > m.generation;

CREATE TABLE search_version (  -- of the cutting function that filled the two tables below
    cut BIGINT PRIMARY KEY NOT NULL
);

-- Full text is where the engines have SQL of their own. Ordinary tables: contentless ones cannot change (catalog.md 5).
CREATE VIRTUAL TABLE entry_words USING fts5 (text, tokenize = "unicode61 remove_diacritics 2 categories 'L* N* Co Cn'");
CREATE VIRTUAL TABLE entry_trigrams USING fts5 (text, tokenize = "trigram");
