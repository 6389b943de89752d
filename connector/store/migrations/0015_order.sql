-- The order of a process's messages, told by when their tokens were made: the protocol gives them none.

ALTER TABLE inbox ADD COLUMN issued_us BIGINT NOT NULL DEFAULT 0;     -- 0 = the identity does not say
CREATE INDEX inbox_issued ON inbox (sender, process, issued_us);
