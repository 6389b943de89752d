-- name: get
SELECT * FROM agreement WHERE digest = :digest;

-- name: by_id
SELECT * FROM agreement WHERE counterparty = :counterparty AND id = :id;

-- name: for_dataset
SELECT * FROM agreement
WHERE counterparty = :counterparty AND dataset = :dataset AND role = :role AND in_force <> ''
ORDER BY created DESC;

-- name: of_negotiation
SELECT * FROM agreement WHERE negotiation = :negotiation ORDER BY created, digest;

-- name: in_force
SELECT * FROM agreement WHERE in_force <> '' ORDER BY created, digest;

-- name: insert
INSERT INTO agreement (digest, id, negotiation, role, counterparty, dataset, offer, policy, body, in_force, created)
VALUES (:digest, :id, :negotiation, :role, :counterparty, :dataset, :offer, :policy, :body, '', :created);

-- name: enforce
UPDATE agreement SET in_force = :in_force WHERE digest = :digest AND in_force = '';

-- name: lapse
UPDATE agreement SET in_force = '' WHERE digest = :digest;

-- name: page
SELECT * FROM agreement WHERE (created, digest) < (:created, :digest) ORDER BY created DESC, digest DESC LIMIT :limit;

-- name: seals
SELECT * FROM seal WHERE agreement = :agreement ORDER BY signatory;

-- name: add_seal
INSERT INTO seal (agreement, signatory, body, at) VALUES (:agreement, :signatory, :body, :at)
ON CONFLICT (agreement, signatory) DO NOTHING;

-- name: seal_of
SELECT * FROM seal WHERE agreement = :agreement AND signatory = :signatory;
