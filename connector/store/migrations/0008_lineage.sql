-- What our products were made of, and what other catalogs say was made of what.

CREATE TABLE lineage (         -- one input of one published version of a product of ours; never changed
    product TEXT NOT NULL,
    change BIGINT NOT NULL,             -- of the catalog, by which this version was published
    owner TEXT NOT NULL,                -- of the input
    input TEXT NOT NULL,                -- dataset of that owner
    agreement TEXT NOT NULL,            -- digest of what licenses it, '' = a dataset of our own
    delivery TEXT NOT NULL,             -- the last verified one under it, '' = of our own, or never received
    version TEXT NOT NULL,              -- sha-256 of the owner's file, '' = unknown
    manifest TEXT NOT NULL,             -- digest, '' = none
    received TEXT NOT NULL,             -- when that delivery was verified, '' = never
    missing BIGINT NOT NULL,            -- 1: the day's delivery did not come, an older one was used
    PRIMARY KEY (product, change, owner, input)
);

CREATE TABLE entry_derivation (-- what a dataset in the index says it was derived from
    owner TEXT NOT NULL,
    dataset TEXT NOT NULL,
    entry BIGINT NOT NULL,
    agreement TEXT NOT NULL,            -- digest, '' = none named
    PRIMARY KEY (owner, dataset, entry)
);
CREATE INDEX entry_derivation_entry ON entry_derivation (entry);

CREATE INDEX entry_dataset ON entry (dataset, participant);
CREATE INDEX delivery_agreement ON delivery (agreement, role, updated);
CREATE INDEX agreement_of_dataset ON agreement (dataset, role, created);
