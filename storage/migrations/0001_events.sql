-- The log of everything that happened to a call or an agent; all state can be rebuilt from it.
CREATE TABLE events (
    seq bigserial PRIMARY KEY,        -- the order in which the log wrote them; readers sort by it
    id uuid NOT NULL UNIQUE,          -- given when the event was made: a second writing of it changes nothing
    kind text NOT NULL,
    at timestamptz NOT NULL,
    call_id text,
    agent text,
    details jsonb NOT NULL DEFAULT '{}'
);

CREATE INDEX events_of_call ON events (call_id, seq) WHERE call_id IS NOT NULL;
CREATE INDEX events_of_agent ON events (agent, seq) WHERE agent IS NOT NULL;
CREATE INDEX events_of_kind ON events (kind, seq);
CREATE INDEX events_at ON events (at);
