-- name: get
SELECT * FROM negotiation WHERE pid = :pid;

-- name: state
SELECT state FROM negotiation WHERE pid = :pid;

-- name: by_peer
SELECT * FROM negotiation WHERE counterparty = :counterparty AND peer_pid = :peer_pid;

-- name: by_idempotency
SELECT * FROM negotiation WHERE idempotency = :idempotency;

-- name: insert
INSERT INTO negotiation (pid, role, counterparty, peer_pid, address, state, dataset, offer, offered_by, answers, agreement,
                         approval, code, reason, idempotency, created, updated)
VALUES (:pid, :role, :counterparty, :peer_pid, :address, :state, :dataset, :offer, :offered_by, :answers, :agreement,
        :approval, :code, :reason, :idempotency, :created, :updated);

-- name: update
UPDATE negotiation SET peer_pid = :peer_pid, state = :state, offer = :offer, offered_by = :offered_by,
       answers = :answers, agreement = :agreement, approval = :approval, code = :code, reason = :reason, updated = :updated
WHERE pid = :pid;

-- name: page
SELECT * FROM negotiation
WHERE (updated, pid) < (:updated, :pid) AND (:state = '*' OR state = :state) AND (:role = '*' OR role = :role)
ORDER BY updated DESC, pid DESC LIMIT :limit;

-- name: waiting
-- What a person of ours must answer: nobody has agreed to it, and no message of ours about it is under way. Longest first.
SELECT * FROM negotiation AS n
WHERE ((n.role = 'provider' AND n.state IN ('REQUESTED', 'ACCEPTED')) OR (n.role = 'consumer' AND n.state = 'OFFERED'))
      AND n.agreement = '' AND (n.updated, n.pid) > (:updated, :pid)
      AND NOT EXISTS (SELECT 1 FROM outbox AS o WHERE o.process = n.pid)
ORDER BY n.updated, n.pid LIMIT :limit;
