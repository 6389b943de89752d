-- name: negotiation
SELECT pid FROM negotiation WHERE pid = :pid
UNION ALL
SELECT pid FROM negotiation WHERE peer_pid = :pid AND peer_pid <> '';

-- name: transfer
SELECT pid FROM transfer WHERE pid = :pid
UNION ALL
SELECT pid FROM transfer WHERE peer_pid = :pid AND peer_pid <> '';

-- name: begins_negotiation
-- Identifiers that begin so: every one of them sorts from the beginning itself up to the one that follows it.
SELECT pid FROM negotiation WHERE pid >= :first AND pid < :last ORDER BY pid LIMIT 2;

-- name: begins_transfer
SELECT pid FROM transfer WHERE pid >= :first AND pid < :last ORDER BY pid LIMIT 2;

-- name: begins_peer_negotiation
SELECT pid FROM negotiation WHERE peer_pid >= :first AND peer_pid < :last ORDER BY pid LIMIT 2;

-- name: begins_peer_transfer
SELECT pid FROM transfer WHERE peer_pid >= :first AND peer_pid < :last ORDER BY pid LIMIT 2;

-- name: begins_agreement
SELECT negotiation AS pid FROM agreement WHERE digest >= :first AND digest < :last ORDER BY digest LIMIT 2;

-- name: first
-- Others may write to a process that is not theirs: they are refused, and it is no part of the story.
SELECT e.seq, e.body, d.body AS details
FROM audit_process AS p JOIN audit_entry AS e ON e.seq = p.seq LEFT JOIN audit_detail AS d ON d.seq = p.seq
WHERE p.process = :process AND (:peer = '' OR e.peer = '' OR e.peer = :peer) ORDER BY p.seq LIMIT :limit;

-- name: last
SELECT e.seq, e.body, d.body AS details
FROM audit_process AS p JOIN audit_entry AS e ON e.seq = p.seq LEFT JOIN audit_detail AS d ON d.seq = p.seq
WHERE p.process = :process AND p.seq > :after AND (:peer = '' OR e.peer = '' OR e.peer = :peer)
ORDER BY p.seq DESC LIMIT :limit;

-- name: count
SELECT count(*) AS n FROM audit_process WHERE process = :process;

-- name: outgoing
SELECT message, trigger_name, destination, url, attempts, next_us, created_us, problem
FROM outbox WHERE process = :process ORDER BY rank;

-- name: outgoing_to
SELECT message, kind, process, trigger_name, destination, url, attempts, next_us, created_us, problem
FROM outbox WHERE destination = :destination ORDER BY rank LIMIT :limit;

-- name: unanswered
-- Processes of ours that a partner has acknowledged and not moved since.
SELECT pid, updated FROM negotiation
WHERE counterparty = :counterparty AND role = 'consumer' AND state = 'REQUESTED' AND agreement = ''
ORDER BY updated LIMIT :limit;
