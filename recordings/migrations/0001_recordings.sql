-- What happened to recordings, as a chain: each row's hash covers the hash of the row before it. Rows are only added;
-- a recording that was deleted for its age keeps its row and gets a second one that says so.
CREATE TABLE recordings (
    number bigint PRIMARY KEY,            -- 1, 2, 3 … without gaps
    what text NOT NULL CHECK (what IN ('sealed', 'deleted')),
    call_id text NOT NULL,
    path text NOT NULL,                   -- below the vault's folder
    seconds double precision NOT NULL,
    sha256 text NOT NULL,                 -- of the file
    at timestamptz NOT NULL,
    hash text NOT NULL,                   -- of this row and the hash before it
    UNIQUE (call_id, what)
);

CREATE INDEX recordings_by_age ON recordings (at) WHERE what = 'sealed';
