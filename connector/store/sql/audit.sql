-- name: next_seq
SELECT coalesce(max(seq) + 1, 0) AS seq FROM audit_entry;

-- name: append
INSERT INTO audit_entry (seq, ts, type, peer, agreement, policy, decision, body, leaf)
VALUES (:seq, :ts, :type, :peer, :agreement, :policy, :decision, :body, :leaf);

-- name: append_detail
INSERT INTO audit_detail (seq, salt, body) VALUES (:seq, :salt, :body);

-- name: append_process
INSERT INTO audit_process (seq, process) VALUES (:seq, :process);

-- name: erase_process
DELETE FROM audit_process WHERE seq = :seq;

-- name: erase
DELETE FROM audit_detail WHERE seq = :seq;

-- name: sealed
-- The last checkpoint, beside the number of records there are now.
SELECT (SELECT coalesce(max(seq) + 1, 0) FROM audit_entry) AS entries, newest.size, c.note
FROM (SELECT coalesce(max(size), 0) AS size FROM audit_checkpoint) AS newest
LEFT JOIN audit_checkpoint AS c ON c.size = newest.size;

-- name: leaves
SELECT leaf AS hash FROM audit_entry WHERE seq >= :start AND seq < :end ORDER BY seq;

-- name: nodes
SELECT hash FROM audit_node WHERE level = :level AND idx >= :start AND idx < :end ORDER BY idx;

-- name: add_node
INSERT INTO audit_node (level, idx, hash) VALUES (:level, :idx, :hash);

-- name: add_checkpoint
INSERT INTO audit_checkpoint (size, note) VALUES (:size, :note);

-- name: show
SELECT e.seq, e.body, d.body AS details
FROM audit_entry AS e LEFT JOIN audit_detail AS d ON d.seq = e.seq
WHERE e.seq = :seq;

-- name: after
SELECT e.seq, e.body, d.body AS details
FROM audit_entry AS e LEFT JOIN audit_detail AS d ON d.seq = e.seq
WHERE e.seq > :after
ORDER BY e.seq LIMIT :limit;

-- name: search
-- Newest first. Three statements, because each walks an index of its own; the other conditions are tested row by row.
SELECT e.seq, e.body, d.body AS details
FROM audit_entry AS e LEFT JOIN audit_detail AS d ON d.seq = e.seq
WHERE e.seq > :after AND e.seq < :before
  AND e.ts >= :since AND e.ts < :until
  AND (:type = '' OR e.type = :type OR substr(e.type, 1, length(:type) + 1) = :type || '.')
  AND (:policy = '' OR e.policy = :policy)
  AND (:decision = '' OR e.decision = :decision)
  AND (:text = '' OR lower(e.body) LIKE :text ESCAPE '!' OR lower(d.body) LIKE :text ESCAPE '!')
ORDER BY e.seq DESC LIMIT :limit;

-- name: search_peer
SELECT e.seq, e.body, d.body AS details
FROM audit_entry AS e LEFT JOIN audit_detail AS d ON d.seq = e.seq
WHERE e.peer = :peer AND e.peer <> '' AND e.seq > :after AND e.seq < :before
  AND e.ts >= :since AND e.ts < :until
  AND (:type = '' OR e.type = :type OR substr(e.type, 1, length(:type) + 1) = :type || '.')
  AND (:policy = '' OR e.policy = :policy)
  AND (:decision = '' OR e.decision = :decision)
  AND (:text = '' OR lower(e.body) LIKE :text ESCAPE '!' OR lower(d.body) LIKE :text ESCAPE '!')
ORDER BY e.seq DESC LIMIT :limit;

-- name: search_agreement
SELECT e.seq, e.body, d.body AS details
FROM audit_entry AS e LEFT JOIN audit_detail AS d ON d.seq = e.seq
WHERE e.agreement = :agreement AND e.agreement <> '' AND e.seq > :after AND e.seq < :before
  AND (:peer = '' OR e.peer = :peer)
  AND e.ts >= :since AND e.ts < :until
  AND (:type = '' OR e.type = :type OR substr(e.type, 1, length(:type) + 1) = :type || '.')
  AND (:policy = '' OR e.policy = :policy)
  AND (:decision = '' OR e.decision = :decision)
  AND (:text = '' OR lower(e.body) LIKE :text ESCAPE '!' OR lower(d.body) LIKE :text ESCAPE '!')
ORDER BY e.seq DESC LIMIT :limit;

-- name: export_entries
SELECT e.seq, e.body, e.leaf, d.salt, d.body AS details
FROM audit_entry AS e LEFT JOIN audit_detail AS d ON d.seq = e.seq
WHERE e.seq >= :start AND e.seq < :end
ORDER BY e.seq;

-- name: export_checkpoints
SELECT size, note FROM audit_checkpoint WHERE size > :start AND size <= :end ORDER BY size;
