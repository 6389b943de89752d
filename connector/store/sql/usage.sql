-- name: add
-- Once for ever: a second final receipt of the same delivery changes nothing.
INSERT INTO usage (id, delivery, role, agreement, counterparty, dataset, transfer, epoch, occurred, accepted, rejected,
                   bytes, manifest, receipt)
VALUES (:id, :delivery, :role, :agreement, :counterparty, :dataset, :transfer, :epoch, :occurred, :accepted, :rejected,
        :bytes, :manifest, :receipt)
ON CONFLICT (id) DO NOTHING;

-- name: page
SELECT * FROM usage
WHERE (occurred, id) < (:occurred, :id) AND (:agreement = '*' OR agreement = :agreement)
ORDER BY occurred DESC, id DESC LIMIT :most;
