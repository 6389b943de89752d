-- name: add
INSERT INTO outbox (message, rank, kind, process, trigger_name, destination, method, url, body, expects, becomes,
                    attempts, next_us, created_us, problem)
VALUES (:message, (SELECT coalesce(max(rank), 0) + 1 FROM outbox), :kind, :process, :trigger_name, :destination, :method,
        :url, :body, :expects, :becomes, 0, :next_us, :created_us, '');

-- name: due
-- What may leave now, oldest first, a few for each destination: a crowd for one must not hide what waits for another.
SELECT message, process, destination FROM (
    SELECT message, process, destination, next_us, rank,
           row_number() OVER (PARTITION BY destination ORDER BY next_us, rank) AS place
    FROM outbox WHERE next_us <= :now_us
) AS waiting WHERE place <= :each ORDER BY next_us, rank;

-- name: next_time
SELECT min(next_us) AS next_us FROM outbox WHERE next_us > :now_us;

-- name: get
SELECT * FROM outbox WHERE message = :message;

-- name: first_of_process
-- The message of a process that must be settled before the next one may leave.
SELECT * FROM outbox WHERE process = :process ORDER BY rank LIMIT 1;

-- name: remove
DELETE FROM outbox WHERE message = :message;

-- name: remove_process
DELETE FROM outbox WHERE process = :process;

-- name: remove_overtaken
-- A completion stays: it may have arrived, and an end counts whatever crossed with it.
DELETE FROM outbox WHERE process = :process AND expects NOT IN (:state, '*') AND becomes <> 'COMPLETED';

-- name: postpone
UPDATE outbox SET attempts = attempts + 1, next_us = :next_us, problem = :problem WHERE message = :message;

-- name: hasten
-- A message came from this destination: it is reachable, so what was postponed leaves now. What was
-- never tried waits for the pause that this peer needs.
UPDATE outbox SET next_us = :now_us WHERE destination = :destination AND next_us > :now_us AND attempts > 0;

-- name: depth
SELECT count(*) AS n FROM outbox;

-- name: waiting
SELECT destination, count(*) AS n, min(created_us) AS since_us, max(attempts) AS attempts, max(problem) AS problem
FROM outbox GROUP BY destination ORDER BY destination;
