-- When a counterparty answered the last message of ours that can be said in turns, by its own clock: what it said before that,
-- and comes later, is out of date.
CREATE TABLE answered (
    sender TEXT NOT NULL,
    process TEXT NOT NULL,
    answered_us BIGINT NOT NULL,
    at_us BIGINT NOT NULL,
    PRIMARY KEY (sender, process)
);
CREATE INDEX answered_at ON answered (at_us);
