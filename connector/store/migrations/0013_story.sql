-- What a process has gone through: the audit records about it by its identifier, and processes by the counterparty's.

CREATE TABLE audit_process (   -- erased together with the details it was taken from
    seq BIGINT PRIMARY KEY NOT NULL,
    process TEXT NOT NULL               -- our pid; the sender's own where a refused message never became a process
);
CREATE INDEX audit_process_story ON audit_process (process, seq);

-- Records of earlier versions. An engine that is filled by this program from the beginning has none.
INSERT INTO audit_process (seq, process)
SELECT seq, coalesce(nullif(json_extract(body, '$.pid'), ''), nullif(json_extract(body, '$.transfer'), ''))
FROM audit_detail
WHERE coalesce(nullif(json_extract(body, '$.pid'), ''), nullif(json_extract(body, '$.transfer'), '')) IS NOT NULL;

CREATE INDEX negotiation_peer_pid ON negotiation (peer_pid);
CREATE INDEX transfer_peer_pid ON transfer (peer_pid);
