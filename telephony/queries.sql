-- name: all_phones
-- Every telephone account.
SELECT user_name, ha1_md5, ha1_sha256, kind, number, display_name, fixed_contact FROM phones ORDER BY user_name;

-- name: save_phone
-- Add a telephone account or replace the one of that user name.
INSERT INTO phones (user_name, ha1_md5, ha1_sha256, kind, number, display_name, fixed_contact)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (user_name) DO UPDATE SET
    ha1_md5 = excluded.ha1_md5, ha1_sha256 = excluded.ha1_sha256, kind = excluded.kind, number = excluded.number,
    display_name = excluded.display_name, fixed_contact = excluded.fixed_contact;

-- name: delete_phone
-- Remove a telephone account and its registrations.
DELETE FROM phones WHERE user_name = $1;

-- name: live_registrations
-- Every binding that has not expired, with the seconds that are left.
SELECT user_name, contact, source_host, source_port, source_transport, listener, sip_call_id, cseq, q, path,
       instance, reg_id,
       extract(epoch FROM expires_at - now())::float8 AS seconds_left
FROM registrations WHERE expires_at > now() ORDER BY user_name, contact;

-- name: forget_registrations
-- Remove all bindings of these users.
DELETE FROM registrations WHERE user_name = ANY($1::text[]);

-- name: add_registration
-- Write one binding; the account may have been deleted meanwhile, then nothing is written.
INSERT INTO registrations
    (user_name, contact, source_host, source_port, source_transport, listener, sip_call_id, cseq, q, path, instance,
     reg_id, expires_at)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, now() + make_interval(secs => $13)
WHERE EXISTS (SELECT FROM phones WHERE user_name = $1);

-- name: outside_usage
-- What each agent's calls out of the house came to between two moments: calls that ended, and their price.
SELECT coalesce(agent, '') AS by, count(*)::int AS calls, coalesce(sum((details->>'price')::float8), 0) AS spend
FROM events WHERE kind = 'outside.ended' AND at >= $1 AND at < $2 GROUP BY 1 ORDER BY 1;

-- name: remembered_bans
-- Bans in force, and those that make the next one longer; times in seconds from now.
SELECT network, offence, times, extract(epoch FROM began_at - now())::float8 AS began,
       extract(epoch FROM ends_at - now())::float8 AS ends
FROM bans WHERE ends_at > now() - make_interval(secs => $1) ORDER BY began_at;

-- name: save_ban
-- Write one ban; a longer-lived one of the same source is replaced by it.
INSERT INTO bans (network, offence, times, began_at, ends_at)
VALUES ($1, $2, $3, now() + make_interval(secs => $4), now() + make_interval(secs => $5))
ON CONFLICT (network) DO UPDATE SET
    offence = excluded.offence, times = excluded.times, began_at = excluded.began_at, ends_at = excluded.ends_at;

-- name: forget_bans
-- Remove bans that ended so long ago that they count no more.
DELETE FROM bans WHERE ends_at < now() - make_interval(secs => $1);

-- name: lift_ban
-- Remove one ban; its network comes back where there was one.
DELETE FROM bans WHERE network = $1 RETURNING network;

-- name: bans_in_force
-- What an operator wants to see: who, why, since and until when.
SELECT network, offence, times, began_at, ends_at FROM bans WHERE ends_at > now() ORDER BY began_at;
