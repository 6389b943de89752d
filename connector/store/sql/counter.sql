-- name: reserve
-- One more of a counter, unless it is used up: the whole decision is in this statement. Changes no row when it is.
INSERT INTO counter (agreement, counter, window_name, used)
SELECT :agreement, :counter, :window_name, 1 WHERE :most > 0
ON CONFLICT (agreement, counter) DO UPDATE SET used = counter.used + 1 WHERE counter.used < :most;

-- name: used
SELECT used FROM counter WHERE agreement = :agreement AND counter = :counter;

-- name: of_agreement
SELECT counter, window_name, used FROM counter WHERE agreement = :agreement ORDER BY window_name DESC, counter LIMIT :most;
