-- name: lock_chain
-- One writer at a time adds to the chain; released at the end of the transaction.
SELECT pg_advisory_xact_lock(hashtext('recordings'));

-- name: last_link
-- The newest row of the chain.
SELECT * FROM recordings ORDER BY number DESC LIMIT 1;

-- name: add_link
-- Add a row to the chain.
INSERT INTO recordings (number, what, call_id, path, seconds, sha256, at, hash)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8);

-- name: links_from
-- A stretch of the chain in order.
SELECT * FROM recordings WHERE number >= $1 ORDER BY number LIMIT $2;

-- name: link_of_call
-- What was recorded as having happened to a call's recording.
SELECT * FROM recordings WHERE call_id = $1 AND what = $2;

-- name: sealed_among
-- Which of these calls have a sealed recording.
SELECT call_id FROM recordings WHERE what = 'sealed' AND call_id = ANY($1::text[]);

-- name: deleted_calls
-- The calls whose recordings were deleted.
SELECT call_id FROM recordings WHERE what = 'deleted';

-- name: kept_until
-- Recordings that were sealed at a moment or before and are still kept, oldest first.
SELECT * FROM recordings AS s
WHERE s.what = 'sealed' AND s.at <= $1
  AND NOT EXISTS (SELECT FROM recordings AS d WHERE d.call_id = s.call_id AND d.what = 'deleted')
ORDER BY s.number;
