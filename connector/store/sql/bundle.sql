-- name: know
INSERT INTO bundle (terms, id, created) VALUES (:terms, :id, :created) ON CONFLICT (terms) DO NOTHING;

-- name: all
SELECT terms, id, created FROM bundle ORDER BY created, terms;

-- name: by_id
SELECT terms, id, created FROM bundle WHERE id = :id ORDER BY created, terms;

-- name: seals
SELECT signatory, body, at FROM bundle_seal WHERE terms = :terms ORDER BY signatory;

-- name: add_seal
INSERT INTO bundle_seal (terms, signatory, body, at) VALUES (:terms, :signatory, :body, :at)
ON CONFLICT (terms, signatory) DO NOTHING;
