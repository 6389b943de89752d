-- Which make of connector a member has shown itself to run: its peculiarities are known from the first message after a restart.

CREATE TABLE peer_make (
    participant TEXT NOT NULL PRIMARY KEY,
    make TEXT NOT NULL
);

-- Some makes agree twice in one negotiation.
CREATE INDEX agreement_negotiation ON agreement (negotiation);
