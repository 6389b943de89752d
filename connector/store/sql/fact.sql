-- name: get
SELECT value FROM fact WHERE name = :name;

-- name: set
INSERT INTO fact (name, value) VALUES (:name, :value) ON CONFLICT (name) DO UPDATE SET value = excluded.value;

-- name: peer
SELECT document, fetched FROM peer WHERE participant = :participant;

-- name: set_peer
INSERT INTO peer (participant, document, fetched) VALUES (:participant, :document, :fetched)
ON CONFLICT (participant) DO UPDATE SET document = excluded.document, fetched = excluded.fetched;

-- name: keys
SELECT hash, label, created FROM management_key ORDER BY created, hash;

-- name: key
SELECT label FROM management_key WHERE hash = :hash;

-- name: add_key
INSERT INTO management_key (hash, label, created) VALUES (:hash, :label, :created) ON CONFLICT (hash) DO NOTHING;

-- name: makes
SELECT participant, make FROM peer_make;

-- name: set_make
INSERT INTO peer_make (participant, make) VALUES (:participant, :make)
ON CONFLICT (participant) DO UPDATE SET make = excluded.make;
