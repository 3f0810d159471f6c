-- Phones that registered through proxies or by an instance id, and sources that may not talk to us for a while.

ALTER TABLE registrations
    ADD COLUMN path text[] NOT NULL DEFAULT '{}',
    ADD COLUMN instance text NOT NULL DEFAULT '',
    ADD COLUMN reg_id int NOT NULL DEFAULT 0;
COMMENT ON COLUMN registrations.path IS 'Route headers of requests to this contact, the nearest proxy first (RFC 3327).';
COMMENT ON COLUMN registrations.instance IS 'The telephone itself, whatever its address (RFC 5626), or empty.';

CREATE TABLE bans (
    network text PRIMARY KEY,
    offence text NOT NULL,
    times int NOT NULL,
    began_at timestamptz NOT NULL DEFAULT now(),
    ends_at timestamptz NOT NULL
);
COMMENT ON TABLE bans IS 'Sources whose SIP is not answered until ends_at; a later row of the same source lasts longer.';
COMMENT ON COLUMN bans.network IS 'An IPv4 address, or the /64 of an IPv6 address.';
COMMENT ON COLUMN bans.times IS 'How often it has been banned, which says how long the next ban is.';
