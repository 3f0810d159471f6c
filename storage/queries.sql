-- name: add_events
-- Append a batch in its order. An event whose id is already there was committed before its connection died: skip it.
INSERT INTO events (id, kind, at, call_id, agent, details)
SELECT id, kind, at, call_id, agent, details::jsonb
FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::text[], $5::text[], $6::text[])
    WITH ORDINALITY AS batch (id, kind, at, call_id, agent, details, n)
ORDER BY n
ON CONFLICT (id) DO NOTHING;
