-- name: get
SELECT * FROM statement WHERE terms = :terms AND ref = :ref AND label = :label;

-- name: of_label
SELECT * FROM statement WHERE label = :label ORDER BY kind, ref, terms;

-- name: before
-- The last statement of the same subject before a period: labels of one calendar sort by time.
SELECT * FROM statement
WHERE terms = :terms AND ref = :ref AND label < :label AND state <> 'empty'
ORDER BY label DESC LIMIT 1;

-- name: put
INSERT INTO statement (terms, ref, label, kind, agreement, booked, state, digest, body, usage_root, told, closed, updated)
VALUES (:terms, :ref, :label, :kind, :agreement, :booked, :state, :digest, :body, :usage_root, :told, :closed,
        :updated)
ON CONFLICT (terms, ref, label) DO UPDATE SET
    state = excluded.state, digest = excluded.digest, body = excluded.body, usage_root = excluded.usage_root,
    told = excluded.told, updated = excluded.updated;

-- name: fixed
-- Whether a statement that others may have taken up covers the usage of this account in this period.
SELECT 1 AS found FROM statement
WHERE booked = :booked AND label = :label AND (ref = :ref OR kind = 'bundle')
  AND state IN ('proposed', 'matched', 'agreed')
LIMIT 1;

-- name: opinions
SELECT * FROM opinion WHERE terms = :terms AND ref = :ref AND label = :label ORDER BY participant;

-- name: opine
INSERT INTO opinion (terms, ref, label, participant, word, digest, usage_root, facts, at)
VALUES (:terms, :ref, :label, :participant, :word, :digest, :usage_root, :facts, :at)
ON CONFLICT (terms, ref, label, participant) DO UPDATE SET
    word = excluded.word, digest = excluded.digest, usage_root = excluded.usage_root, facts = excluded.facts,
    at = excluded.at;

-- name: seals
SELECT signatory, body, at FROM statement_seal WHERE statement = :statement ORDER BY signatory;

-- name: add_seal
INSERT INTO statement_seal (statement, signatory, body, at) VALUES (:statement, :signatory, :body, :at)
ON CONFLICT (statement, signatory) DO NOTHING;

-- name: newest_input
SELECT * FROM period_input WHERE terms = :terms AND label = :label ORDER BY number DESC LIMIT 1;

-- name: inputs
SELECT * FROM period_input WHERE label = :label ORDER BY terms, number;

-- name: add_input
INSERT INTO period_input (terms, label, number, digest, body, at) VALUES (:terms, :label, :number, :digest, :body, :at);

-- name: ledger_unheld
-- A ledger of this period that a partner says it holds and that we have not imported.
SELECT h.ledger FROM ledger_holder AS h
WHERE h.participant = :participant AND h.label = :label
  AND NOT EXISTS (SELECT 1 FROM ledger AS l WHERE l.digest = h.ledger)
LIMIT 1;
