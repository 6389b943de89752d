-- name: stop
INSERT INTO stop (participant, reason, at) VALUES (:participant, :reason, :at) ON CONFLICT (participant) DO NOTHING;

-- name: lift
DELETE FROM stop WHERE participant = :participant;

-- name: stops
SELECT * FROM stop ORDER BY participant;

-- name: stopped
-- Whether anything is stopped with a partner: by its name, or with everybody.
SELECT * FROM stop WHERE participant IN (:participant, '*') ORDER BY participant DESC LIMIT 1;

-- name: hold
INSERT INTO hold (agreement, action, reason, at) VALUES (:agreement, :action, :reason, :at)
ON CONFLICT (agreement) DO NOTHING;

-- name: release
DELETE FROM hold WHERE agreement = :agreement;

-- name: held
SELECT * FROM hold WHERE agreement = :agreement;

-- name: holds
SELECT * FROM hold ORDER BY at DESC, agreement;

-- name: running
-- Transfers that have not ended, of one partner or of all, under one agreement or any.
SELECT pid FROM transfer
WHERE state NOT IN ('COMPLETED', 'TERMINATED') AND (:counterparty = '*' OR counterparty = :counterparty)
      AND (:agreement = '*' OR agreement = :agreement)
ORDER BY created, pid;

-- name: hand
INSERT INTO handed (agreement, sha256, counterparty) VALUES (:agreement, :sha256, :counterparty)
ON CONFLICT (agreement, sha256) DO NOTHING;

-- name: passed_on
-- Datasets that a member shows as its own, whose file is what it has from us, and the agreements it has it under.
SELECT e.dataset, h.agreement
FROM handed AS h JOIN entry_content AS c ON c.sha256 = h.sha256 JOIN current_entry AS e ON e.number = c.entry
WHERE h.counterparty = :participant AND e.participant = :participant AND e.owner = :participant
ORDER BY e.dataset, h.agreement;

-- name: made_of
-- Datasets that a member shows as its own and says it made from one of `owner`, and its agreements about that one.
SELECT DISTINCT e.dataset, a.digest AS agreement
FROM entry_derivation AS x JOIN current_entry AS e ON e.number = x.entry
JOIN agreement AS a ON a.dataset = x.dataset AND a.role = 'provider' AND a.counterparty = e.participant
WHERE x.owner = :owner AND e.participant = :participant AND e.owner = :participant AND a.in_force <> ''
ORDER BY e.dataset, a.digest;

-- name: sight
INSERT INTO sighting (agreement, action, dataset, at) VALUES (:agreement, :action, :dataset, :at)
ON CONFLICT (agreement, action, dataset) DO NOTHING;

-- name: owe
INSERT INTO duty (delivery, action, agreement, counterparty, dataset, role, since, deadline, evidence, fulfilled)
VALUES (:delivery, :action, :agreement, :counterparty, :dataset, :role, :since, :deadline, :evidence, :fulfilled)
ON CONFLICT (delivery, action) DO NOTHING;

-- name: duties
-- Open ones first, the nearest deadline before all; then what is fulfilled.
SELECT * FROM duty
WHERE (fulfilled, deadline, delivery, action) > (:fulfilled, :deadline, :delivery, :action)
      AND (:counterparty = '*' OR counterparty = :counterparty)
      AND (:state = '*' OR (:state = 'fulfilled' AND fulfilled = 1) OR (:state = 'open' AND fulfilled = 0 AND deadline >= :now)
           OR (:state = 'overdue' AND fulfilled = 0 AND deadline < :now))
ORDER BY fulfilled, deadline, delivery, action LIMIT :most;
