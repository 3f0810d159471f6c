-- Who answers calls. What an agent is doing at the moment is in the log of events, not here.
CREATE TABLE agents (
    id     text PRIMARY KEY CHECK (id <> ''),
    name   text NOT NULL,
    phone  text NOT NULL UNIQUE CHECK (phone <> ''),  -- the user name under which the phone registers
    active boolean NOT NULL DEFAULT true              -- false: has left; the past calls keep the name
);

CREATE TABLE agent_skills (
    agent       text NOT NULL REFERENCES agents ON DELETE CASCADE,
    skill       text NOT NULL CHECK (skill <> ''),
    proficiency int NOT NULL DEFAULT 3 CHECK (proficiency BETWEEN 1 AND 5),  -- 1 learning, 5 expert
    PRIMARY KEY (agent, skill)
);
