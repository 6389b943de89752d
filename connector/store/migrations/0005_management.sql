-- Answers of the management side to changing requests, by the caller's idempotency key.

CREATE TABLE management_reply (
    key TEXT PRIMARY KEY NOT NULL,
    request TEXT NOT NULL,              -- digest of method, address and body
    status BIGINT NOT NULL,
    body BLOB NOT NULL,
    at_us BIGINT NOT NULL
);
CREATE INDEX management_reply_age ON management_reply (at_us);
