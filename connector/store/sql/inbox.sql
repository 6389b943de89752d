-- name: reply
-- The recorded answer to a message that was accepted before.
SELECT status, reply, at_us FROM inbox WHERE sender = :sender AND message = :message;

-- name: latest
-- The last accepted message of a process: a repeat without @id counts only while it is this one.
SELECT message FROM inbox WHERE sender = :sender AND process = :process ORDER BY at_us DESC LIMIT 1;

-- name: record
INSERT INTO inbox (sender, message, process, status, reply, at_us, issued_us)
VALUES (:sender, :message, :process, :status, :reply, :at_us, :issued_us);

-- name: last_issued
-- When a sender was last heard in a process, by its own clock: the token of its newest accepted message, its newest answer.
SELECT max(issued_us) AS issued_us FROM (
    SELECT max(issued_us) AS issued_us FROM inbox WHERE sender = :sender AND process = :process
    UNION ALL SELECT answered_us FROM answered WHERE sender = :sender AND process = :process
) AS heard;

-- name: answered
INSERT INTO answered (sender, process, answered_us, at_us) VALUES (:sender, :process, :answered_us, :at_us)
ON CONFLICT (sender, process) DO UPDATE SET answered_us = max(answered_us, excluded.answered_us), at_us = excluded.at_us;

-- name: prune_answered
DELETE FROM answered WHERE at_us < :before_us;

-- name: prune
DELETE FROM inbox WHERE at_us < :before_us;

-- name: use_token
-- Zero rows changed: this token has been used.
INSERT INTO token_used (issuer, jti, expires_us) VALUES (:issuer, :jti, :expires_us)
ON CONFLICT (issuer, jti) DO NOTHING;

-- name: prune_tokens
DELETE FROM token_used WHERE expires_us < :before_us;
