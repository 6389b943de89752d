-- By what a filter of a catalog request finds our datasets. A row stands once for each class that may see the dataset, so that
-- a search steps over nothing that its asker must not see ('*' alone where everybody may).

CREATE TABLE dataset_term (
    class TEXT NOT NULL,                -- '*' or a participant id, as in offer_audience
    name TEXT NOT NULL,                 -- title, keyword, grade, scenario, version, mediaType
    value TEXT NOT NULL,
    dataset TEXT NOT NULL,
    PRIMARY KEY (class, name, value, dataset)
);
CREATE INDEX dataset_term_dataset ON dataset_term (dataset, class, name);

-- A new database has nothing to be found anew; an older one is gone through once, at the next start.
INSERT INTO fact (name, value) SELECT 'catalog_terms', '1' WHERE NOT EXISTS (SELECT 1 FROM dataset);
