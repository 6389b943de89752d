-- name: insert
INSERT INTO delivery (id, role, transfer, agreement, counterparty, dataset, columns, state, epoch, version, transform,
                      size, chunk, root, row_count, counted, verified, manifest, receipt, path, code, reason,
                      idempotency, created, updated)
VALUES (:id, :role, :transfer, :agreement, :counterparty, :dataset, :columns, :state, :epoch, :version, :transform,
        :size, :chunk, :root, :row_count, :counted, :verified, :manifest, :receipt, :path, :code, :reason,
        :idempotency, :created, :updated);

-- name: update
-- Everything that may still change.
UPDATE delivery SET state = :state, epoch = :epoch, version = :version, transform = :transform, size = :size,
       chunk = :chunk, root = :root, row_count = :row_count, verified = :verified, manifest = :manifest,
       receipt = :receipt, path = :path, code = :code, reason = :reason, updated = :updated
WHERE id = :id;

-- name: get
SELECT * FROM delivery WHERE id = :id;

-- name: of_transfer
-- The deliveries of one transfer in the order of their epochs.
SELECT * FROM delivery WHERE transfer = :transfer ORDER BY epoch, created;

-- name: by_idempotency
SELECT * FROM delivery WHERE idempotency = :idempotency;

-- name: unfinished
-- Deliveries to us that a restart must take up again.
SELECT * FROM delivery WHERE role = 'consumer' AND state IN ('fetching', 'waiting', 'verified') ORDER BY created;

-- name: received_of_size
-- What we received whole and of this size: candidates for being the same bytes.
SELECT * FROM delivery WHERE role = 'consumer' AND size = :size AND state IN ('verified', 'received');

-- name: page
SELECT * FROM delivery
WHERE (updated, id) < (:updated, :id) AND (:role = '*' OR role = :role) AND (:state = '*' OR state = :state)
      AND (:transfer = '*' OR transfer = :transfer) AND (:agreement = '*' OR agreement = :agreement)
ORDER BY updated DESC, id DESC LIMIT :most;

-- name: add_key
INSERT INTO pseudonym_key (agreement, secret) VALUES (:agreement, :secret) ON CONFLICT (agreement) DO NOTHING;

-- name: key
SELECT secret FROM pseudonym_key WHERE agreement = :agreement;
