-- name: add
INSERT INTO lineage (product, change, owner, input, agreement, delivery, version, manifest, received, missing)
VALUES (:product, :change, :owner, :input, :agreement, :delivery, :version, :manifest, :received, :missing);

-- name: of_product
-- The inputs of the newest version that had any.
SELECT * FROM lineage
WHERE product = :product AND change = (SELECT max(change) FROM lineage WHERE product = :product)
ORDER BY input, owner;

-- name: licences
-- Agreements of ours as consumer about a dataset, the newest first.
SELECT digest FROM agreement WHERE dataset = :dataset AND role = 'consumer' AND in_force <> ''
ORDER BY created DESC, digest LIMIT :limit;

-- name: last_delivery
-- The newest whole delivery to us under an agreement.
SELECT id FROM delivery
WHERE agreement = :agreement AND role = 'consumer' AND state IN ('verified', 'received')
ORDER BY updated DESC, epoch DESC LIMIT 1;

-- name: sales
-- Agreements of ours as provider about a dataset, the newest first, with what was delivered whole under each.
SELECT a.digest, count(d.id) AS deliveries, coalesce(max(d.updated), '') AS last,
       coalesce(sum(CASE WHEN d.row_count > 0 THEN d.row_count ELSE 0 END), 0) AS row_count
FROM agreement AS a
LEFT JOIN delivery AS d ON d.agreement = a.digest AND d.role = 'provider' AND d.state = 'received'
WHERE a.dataset = :dataset AND a.role = 'provider' AND a.in_force <> ''
GROUP BY a.digest, a.created ORDER BY a.created DESC, a.digest LIMIT :limit;
