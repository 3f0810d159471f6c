-- name: story_of_call
-- Everything that happened to one call, in the order of the log.
SELECT kind, at, call_id, agent, details
FROM events
WHERE call_id = $1
ORDER BY seq;

-- name: latest_stories
-- The stories of the calls that came in last, newest call first.
WITH latest AS (
    SELECT call_id, max(seq) AS invited
    FROM events
    WHERE kind = 'call.invited' AND call_id IS NOT NULL
    GROUP BY call_id
    ORDER BY invited DESC
    LIMIT $1
)
SELECT e.kind, e.at, e.call_id, e.agent, e.details
FROM latest
JOIN events AS e USING (call_id)
ORDER BY latest.invited DESC, e.seq;
