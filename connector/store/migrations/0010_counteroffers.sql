-- What a person decides about: the offer that the one on the table answers, and why it was approved.

ALTER TABLE negotiation ADD COLUMN answers TEXT NOT NULL DEFAULT '{}';      -- JSON as sent, {} where there is none
ALTER TABLE negotiation ADD COLUMN approval TEXT NOT NULL DEFAULT '';       -- the reason a person gave, '' = none
CREATE INDEX negotiation_state ON negotiation (state, role, updated, pid);
