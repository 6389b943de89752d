-- Our datasets, offers and documents. Who sees an offer is a row of offer_audience: '*' or a participant id.

-- name: dataset
SELECT id, record_json, head, digest, state, reason, change, changed_us FROM dataset WHERE id = :id

-- name: put_dataset
INSERT INTO dataset (id, record_json, head, digest, state, reason, change, changed_us)
VALUES (:id, :record_json, :head, :digest, 'published', '', :change, :changed_us)
ON CONFLICT (id) DO UPDATE SET
    record_json = excluded.record_json, head = excluded.head, digest = excluded.digest, state = excluded.state,
    reason = excluded.reason, change = excluded.change, changed_us = excluded.changed_us

-- name: withdraw_dataset
UPDATE dataset SET state = 'withdrawn', reason = :reason, change = :change, changed_us = :changed_us WHERE id = :id

-- name: last_change
SELECT coalesce(max(change), 0) AS change FROM dataset

-- name: listing
-- All datasets of ours, withdrawn ones too, for the operator.
SELECT id, record_json, state, reason, change, changed_us FROM dataset WHERE id > :after ORDER BY id LIMIT :limit

-- name: page
-- One seek per class of the viewer, each ended after :limit datasets: the cost does not depend on how many there are, nor
-- on how many of them the viewer must not see. In no order: sorting few rows afterwards is cheaper than whole texts here.
WITH visible AS (
    SELECT dataset FROM (
        SELECT DISTINCT dataset FROM offer_audience
        WHERE class = '*' AND dataset > :after ORDER BY dataset LIMIT :limit
    ) AS for_all
    UNION
    SELECT dataset FROM (
        SELECT DISTINCT dataset FROM offer_audience
        WHERE class = :viewer AND dataset > :after ORDER BY dataset LIMIT :limit
    ) AS for_viewer
    ORDER BY dataset LIMIT :limit
)
SELECT d.id, d.head, o.id AS offer, o.text, o.price
FROM visible AS v
JOIN dataset AS d ON d.id = v.dataset
JOIN offer_audience AS a ON a.dataset = v.dataset AND a.class IN ('*', :viewer)
JOIN offer AS o ON o.id = a.offer

-- name: visible_after
-- Ids only, from the index of audiences: the two classes of the viewer merged in order, ended by the limit.
SELECT dataset FROM offer_audience WHERE class = '*' AND dataset > :key
UNION
SELECT dataset FROM offer_audience WHERE class = :viewer AND dataset > :key
ORDER BY dataset LIMIT :limit

-- name: visible_from
SELECT dataset FROM offer_audience WHERE class = '*' AND dataset >= :key
UNION
SELECT dataset FROM offer_audience WHERE class = :viewer AND dataset >= :key
ORDER BY dataset LIMIT :limit

-- name: visible_before
SELECT dataset FROM offer_audience WHERE class = '*' AND dataset < :key
UNION
SELECT dataset FROM offer_audience WHERE class = :viewer AND dataset < :key
ORDER BY dataset DESC LIMIT :limit

-- name: visible_at
-- The place a number of datasets further on: an offset is counted on the index, once, and is a key from there on.
SELECT dataset FROM offer_audience WHERE class = '*' AND dataset > :key
UNION
SELECT dataset FROM offer_audience WHERE class = :viewer AND dataset > :key
ORDER BY dataset LIMIT 1 OFFSET :skip

-- name: term_after
SELECT dataset FROM dataset_term WHERE class = '*' AND name = :name AND value = :value AND dataset > :key
UNION
SELECT dataset FROM dataset_term WHERE class = :viewer AND name = :name AND value = :value AND dataset > :key
ORDER BY dataset LIMIT :limit

-- name: term_before
SELECT dataset FROM dataset_term WHERE class = '*' AND name = :name AND value = :value AND dataset < :key
UNION
SELECT dataset FROM dataset_term WHERE class = :viewer AND name = :name AND value = :value AND dataset < :key
ORDER BY dataset DESC LIMIT :limit

-- name: term_values
SELECT value FROM dataset_term WHERE dataset = :dataset AND class IN ('*', :viewer) AND name = :name

-- name: put_term
INSERT INTO dataset_term (class, name, value, dataset) VALUES (:class, :name, :value, :dataset)

-- name: clear_terms
DELETE FROM dataset_term WHERE dataset = :dataset

-- name: published
SELECT id, record_json FROM dataset WHERE state = 'published' AND id > :after ORDER BY id LIMIT :limit

-- name: visible_dataset
SELECT d.id, d.head, o.id AS offer, o.text, o.price
FROM offer_audience AS a
JOIN dataset AS d ON d.id = a.dataset
JOIN offer AS o ON o.id = a.offer
WHERE a.dataset = :id AND a.class IN ('*', :viewer)

-- name: offer
SELECT id, dataset, text, price_kind, decision, digest, state, superseded_by, terms_json, transforms_json
FROM offer WHERE id = :id

-- name: offer_classes
SELECT class FROM offer_audience WHERE offer = :offer ORDER BY class

-- name: put_offer
INSERT INTO offer (id, dataset, text, price, price_kind, decision, digest, state, superseded_by, terms_json, transforms_json)
VALUES (:id, :dataset, :text, :price, :price_kind, :decision, :digest, 'current', '', :terms_json, :transforms_json)
ON CONFLICT (id) DO UPDATE SET
    price = excluded.price, price_kind = excluded.price_kind, decision = excluded.decision, state = excluded.state,
    superseded_by = excluded.superseded_by

-- name: end_offers
-- The offers a dataset had; those it still has are put back in the same transaction.
UPDATE offer SET state = 'withdrawn' WHERE dataset = :dataset AND state = 'current'

-- name: supersede_offer
UPDATE offer SET state = 'superseded', superseded_by = :by WHERE id = :id AND dataset = :dataset AND state <> 'current'

-- name: clear_audience
DELETE FROM offer_audience WHERE dataset = :dataset

-- name: put_audience
INSERT INTO offer_audience (class, dataset, offer) VALUES (:class, :dataset, :offer)

-- name: put_document
INSERT INTO document (digest, kind, body) VALUES (:digest, :kind, :body) ON CONFLICT (digest) DO NOTHING

-- name: document
SELECT digest, kind, body FROM document WHERE digest = :digest

-- name: put_source
INSERT INTO source_file (dataset, path, size, mtime_ns, inode, sha256, encoding, delimiter, columns_json)
VALUES (:dataset, :path, :size, :mtime_ns, :inode, :sha256, :encoding, :delimiter, :columns_json)
ON CONFLICT (dataset) DO UPDATE SET
    path = excluded.path, size = excluded.size, mtime_ns = excluded.mtime_ns, inode = excluded.inode,
    sha256 = excluded.sha256, encoding = excluded.encoding, delimiter = excluded.delimiter,
    columns_json = excluded.columns_json

-- name: source
SELECT dataset, path, size, mtime_ns, inode, sha256, encoding, delimiter, columns_json FROM source_file
WHERE dataset = :dataset
