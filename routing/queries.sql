-- name: agents
-- The agents who work here, with their skills as one JSON object each, by id.
SELECT a.id, a.name, a.phone, coalesce(jsonb_object_agg(s.skill, s.proficiency) FILTER (WHERE s.skill IS NOT NULL),
                                       '{}'::jsonb) AS skills
FROM agents AS a
LEFT JOIN agent_skills AS s ON s.agent = a.id
WHERE a.active
GROUP BY a.id
ORDER BY a.id;

-- name: put_agent
-- Add an agent, or change the name and phone of one; who had left is back.
INSERT INTO agents (id, name, phone)
VALUES ($1, $2, $3)
ON CONFLICT (id) DO UPDATE SET name = excluded.name, phone = excluded.phone, active = true;

-- name: drop_skills
-- Forget the skills of an agent.
DELETE FROM agent_skills WHERE agent = $1;

-- name: add_skill
-- Give an agent a skill.
INSERT INTO agent_skills (agent, skill, proficiency) VALUES ($1, $2, $3);

-- name: retire_agent
-- The agent works here no longer.
UPDATE agents SET active = false WHERE id = $1;

-- name: history
-- What happened to queues and agents from $1 on, oldest first, after what last decided each agent's presence before.
WITH presence AS (
    SELECT DISTINCT ON (agent, kind) seq
    FROM events
    WHERE at < $1 AND kind IN ('agent.presence', 'agent.paused', 'agent.ready') AND agent IS NOT NULL
    ORDER BY agent, kind, seq DESC
)
SELECT kind, at, call_id, agent, details
FROM events
WHERE seq IN (SELECT seq FROM presence) OR (at >= $1 AND (kind LIKE 'queue.%' OR kind LIKE 'agent.%'))
ORDER BY seq;
