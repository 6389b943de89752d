-- What a person or a remedy has stopped, and what is still owed after a delivery.

CREATE TABLE stop (            -- the kill switch: nothing moves with this partner
    participant TEXT PRIMARY KEY NOT NULL,  -- '*' = with anybody
    reason TEXT NOT NULL,
    at TEXT NOT NULL
);

CREATE TABLE hold (            -- an agreement under which nothing moves because a prohibition was breached
    agreement TEXT PRIMARY KEY NOT NULL,    -- digest
    action TEXT NOT NULL,                   -- what was done although it is prohibited
    reason TEXT NOT NULL,
    at TEXT NOT NULL
);

CREATE TABLE duty (            -- what the consumer owes for one delivery, on both sides
    delivery TEXT NOT NULL,
    action TEXT NOT NULL,
    agreement TEXT NOT NULL,                -- digest
    counterparty TEXT NOT NULL,
    dataset TEXT NOT NULL,
    role TEXT NOT NULL,                     -- ours: the consumer is who owes it
    since TEXT NOT NULL,
    deadline TEXT NOT NULL,                 -- '~' = none
    evidence TEXT NOT NULL,                 -- digest of what fulfils it, '' while it is open
    PRIMARY KEY (delivery, action)
);
CREATE INDEX duty_deadline ON duty (evidence, deadline, delivery, action);
