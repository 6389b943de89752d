-- name: key
SELECT hash, label FROM management_key WHERE hash = :hash;

-- name: reply
SELECT request, status, body FROM management_reply WHERE key = :key;

-- name: keep_reply
INSERT INTO management_reply (key, request, status, body, at_us) VALUES (:key, :request, :status, :body, :at_us)
ON CONFLICT (key) DO NOTHING;

-- name: forget_replies
DELETE FROM management_reply WHERE at_us < :before_us;

-- name: negotiations
-- Last changed first; filters are '*' for all.
SELECT pid FROM negotiation
WHERE (updated, pid) < (:updated, :pid) AND (:state = '*' OR state = :state) AND (:role = '*' OR role = :role)
      AND (:counterparty = '*' OR counterparty = :counterparty) AND (:dataset = '*' OR dataset = :dataset)
ORDER BY updated DESC, pid DESC LIMIT :limit;

-- name: agreements
-- Newest first; filters are '*' for all, in_force is 1 for those in force only.
SELECT digest FROM agreement
WHERE (created, digest) < (:created, :digest) AND (:role = '*' OR role = :role)
      AND (:counterparty = '*' OR counterparty = :counterparty) AND (:dataset = '*' OR dataset = :dataset)
      AND (:in_force = 0 OR in_force <> '')
ORDER BY created DESC, digest DESC LIMIT :limit;

-- name: deliveries
-- Last changed first; filters are '*' for all, unfinished is 1 for those still under way only.
SELECT id FROM delivery
WHERE (updated, id) < (:updated, :id) AND (:role = '*' OR role = :role)
      AND (:agreement = '*' OR agreement = :agreement) AND (:unfinished = 0 OR state IN ('fetching', 'waiting'))
ORDER BY updated DESC, id DESC LIMIT :limit;

-- name: negotiation_counts
SELECT role, state, count(*) AS n FROM negotiation GROUP BY role, state ORDER BY role, state;

-- name: transfer_counts
SELECT role, state, count(*) AS n FROM transfer GROUP BY role, state ORDER BY role, state;

-- name: delivery_counts
SELECT role, state, count(*) AS n FROM delivery GROUP BY role, state ORDER BY role, state;

-- name: agreement_counts
SELECT role, count(*) AS n FROM agreement WHERE in_force <> '' GROUP BY role ORDER BY role;

-- name: dataset_counts
SELECT state, count(*) AS n FROM dataset GROUP BY state ORDER BY state;
