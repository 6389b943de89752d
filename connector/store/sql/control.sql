-- name: stop
INSERT INTO stop (participant, reason, at) VALUES (:participant, :reason, :at) ON CONFLICT (participant) DO NOTHING;

-- name: lift
DELETE FROM stop WHERE participant = :participant;

-- name: lift_all
DELETE FROM stop;

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

-- name: owe
INSERT INTO duty (delivery, action, agreement, counterparty, dataset, role, since, deadline, evidence)
VALUES (:delivery, :action, :agreement, :counterparty, :dataset, :role, :since, :deadline, :evidence)
ON CONFLICT (delivery, action) DO NOTHING;

-- name: duties
-- Open ones first, the nearest deadline before all; then what is fulfilled.
SELECT * FROM duty
WHERE (evidence <> '', deadline, delivery, action) > (:fulfilled, :deadline, :delivery, :action)
      AND (:counterparty = '*' OR counterparty = :counterparty)
      AND (:state = '*' OR (:state = 'fulfilled' AND evidence <> '') OR (:state = 'open' AND evidence = '' AND deadline >= :now)
           OR (:state = 'overdue' AND evidence = '' AND deadline < :now))
ORDER BY evidence <> '', deadline, delivery, action LIMIT :most;
