-- name: get
SELECT * FROM transfer WHERE pid = :pid;

-- name: state
SELECT state FROM transfer WHERE pid = :pid;

-- name: by_peer
SELECT * FROM transfer WHERE counterparty = :counterparty AND peer_pid = :peer_pid;

-- name: by_idempotency
SELECT * FROM transfer WHERE idempotency = :idempotency;

-- name: insert
INSERT INTO transfer (pid, role, counterparty, peer_pid, address, state, agreement, dataset, format, purpose,
                      suspended_by, data_address, code, reason, idempotency, started, delivered, created, updated)
VALUES (:pid, :role, :counterparty, :peer_pid, :address, :state, :agreement, :dataset, :format, :purpose,
        :suspended_by, :data_address, :code, :reason, :idempotency, :started, :delivered, :created, :updated);

-- name: update
UPDATE transfer SET peer_pid = :peer_pid, state = :state, suspended_by = :suspended_by, data_address = :data_address,
       code = :code, reason = :reason, started = :started, delivered = :delivered, updated = :updated
WHERE pid = :pid;

-- name: to_push
-- Pushes of ours whose bytes may move and have not been taken whole.
SELECT pid FROM transfer
WHERE format = 'HttpData-PUSH' AND delivered = '' AND state = 'STARTED' AND role = 'provider' AND suspended_by = ''
      AND code = ''
ORDER BY created;

-- name: page
SELECT * FROM transfer
WHERE (updated, pid) < (:updated, :pid) AND (:state = '*' OR state = :state) AND (:role = '*' OR role = :role)
      AND (:agreement = '*' OR agreement = :agreement)
ORDER BY updated DESC, pid DESC LIMIT :limit;
