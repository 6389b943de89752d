-- name: add
-- Once for ever: a second record of the same id changes nothing.
INSERT INTO metered (id, terms, ref, occurred_us, occurred, unit, accepted, rejected, evidence, source, leaf)
VALUES (:id, :terms, :ref, :occurred_us, :occurred, :unit, :accepted, :rejected, :evidence, :source, :leaf)
ON CONFLICT (id) DO NOTHING;

-- name: get
SELECT * FROM metered WHERE id = :id;

-- name: account
-- Sums of an account in a period, and its leaves one after the other in the order of their ids: one answer for each account.
-- Leaves are joined in the order in which rows are visited, and the index named here is in the order of ids within an account.
SELECT count(*) AS records, coalesce(sum(accepted), 0) AS accepted, coalesce(sum(rejected), 0) AS rejected,
       CAST(coalesce(group_concat(leaf, ''), '') AS BLOB) AS leaves
FROM metered INDEXED BY metered_account
WHERE terms = :terms AND ref = :ref AND occurred_us >= :start_us AND occurred_us < :end_us;

-- name: page
SELECT * FROM metered
WHERE terms = :terms AND ref = :ref AND id > :after AND occurred_us >= :start_us AND occurred_us < :end_us
ORDER BY id LIMIT :most;

-- name: ledger
SELECT * FROM ledger WHERE digest = :digest;

-- name: ledgers
SELECT * FROM ledger WHERE :label = '*' OR label = :label ORDER BY label DESC, at DESC, digest;

-- name: add_ledger
INSERT INTO ledger (digest, label, path, row_count, at) VALUES (:digest, :label, :path, :row_count, :at);

-- name: add_ledger_account
INSERT INTO ledger_account (terms, ref, label, ledger) VALUES (:terms, :ref, :label, :ledger)
ON CONFLICT (terms, ref, label, ledger) DO NOTHING;

-- name: ledgers_of_account
SELECT ledger FROM ledger_account WHERE terms = :terms AND ref = :ref AND label = :label ORDER BY ledger;

-- name: accounts_of_ledger
SELECT DISTINCT terms, ref FROM ledger_account WHERE ledger = :ledger ORDER BY terms, ref;

-- name: holds
INSERT INTO ledger_holder (ledger, participant, label, row_count, at)
VALUES (:ledger, :participant, :label, :row_count, :at)
ON CONFLICT (ledger, participant) DO NOTHING;

-- name: holders
SELECT participant FROM ledger_holder WHERE ledger = :ledger ORDER BY participant;

-- name: held_by
SELECT ledger FROM ledger_holder WHERE participant = :participant AND label = :label ORDER BY ledger;

-- name: state
INSERT INTO stated (terms, ref, label, name, value, at) VALUES (:terms, :ref, :label, :name, :value, :at)
ON CONFLICT (terms, ref, label, name) DO UPDATE SET value = excluded.value, at = excluded.at;

-- name: stated
SELECT value FROM stated WHERE terms = :terms AND ref = :ref AND label = :label AND name = :name;

-- name: stated_of_label
SELECT * FROM stated WHERE label = :label ORDER BY terms, ref, name;
