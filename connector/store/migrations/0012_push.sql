-- Data that we send by ourselves: when the receiver had taken everything, and which transfers are still to be served.

ALTER TABLE transfer ADD COLUMN delivered TEXT NOT NULL DEFAULT '';         -- RFC 3339, '' = not (yet)
CREATE INDEX transfer_push ON transfer (state) WHERE format = 'HttpData-PUSH' AND delivered = '';
