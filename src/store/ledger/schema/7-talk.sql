-- Schema 7, talk. What a call's agent, its transcript and its summary cost; artefacts that belong to no known call.

-- What the agent's usage cost by the dated table, millionths of a US dollar; NULL: no agent, or its call still runs.
ALTER TABLE call ADD COLUMN agent_cost INTEGER;
-- What a transcript or summary cost, all tries together.
ALTER TABLE task ADD COLUMN cost INTEGER NOT NULL DEFAULT 0;

-- Artefacts (recordings so far) about attempts that this ledger does not know, or about another call than the attempt's:
-- listed, never attached. `subject`: the carrier's id of the artefact.
CREATE TABLE stray_artefact (
    subject TEXT    NOT NULL CHECK (length(subject) BETWEEN 1 AND 128),
    kind    TEXT    NOT NULL CHECK (kind IN ('recording')),
    attempt BLOB    NOT NULL CHECK (length(attempt) = 16),
    why     TEXT    NOT NULL CHECK (why IN ('unknown_attempt', 'another_call', 'second')),
    at      INTEGER NOT NULL,
    PRIMARY KEY (subject, attempt)
) STRICT, WITHOUT ROWID;
