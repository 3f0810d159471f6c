-- Our telephones: who may register, and where a registered one is to be found.

CREATE TABLE phones (
    user_name text PRIMARY KEY,
    ha1_md5 text NOT NULL DEFAULT '',
    ha1_sha256 text NOT NULL DEFAULT '',
    kind text NOT NULL DEFAULT 'agent' CHECK (kind IN ('agent', 'customer')),
    number text NOT NULL DEFAULT '',
    display_name text NOT NULL DEFAULT '',
    fixed_contact text NOT NULL DEFAULT ''
);
COMMENT ON TABLE phones IS 'Accounts of SIP telephones.';
COMMENT ON COLUMN phones.ha1_md5 IS 'MD5(user:realm:password) in hex, or empty: the phone cannot use MD5.';
COMMENT ON COLUMN phones.ha1_sha256 IS 'SHA-256(user:realm:password) in hex, or empty.';
COMMENT ON COLUMN phones.number IS 'The number that calls from this phone are shown with; empty: the user name.';
COMMENT ON COLUMN phones.fixed_contact IS 'A SIP URI that is always rung, for a phone that does not register; or empty.';

CREATE TABLE registrations (
    user_name text NOT NULL REFERENCES phones ON DELETE CASCADE,
    contact text NOT NULL,
    source_host text NOT NULL,
    source_port int NOT NULL,
    sip_call_id text NOT NULL DEFAULT '',
    cseq bigint NOT NULL DEFAULT 0,
    q float8 NOT NULL DEFAULT 1,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (user_name, contact)
);
COMMENT ON TABLE registrations IS 'Live bindings, so that a restarted server still knows where the phones are.';
COMMENT ON COLUMN registrations.source_host IS 'Where the REGISTER came from: calls go back over the same flow.';
