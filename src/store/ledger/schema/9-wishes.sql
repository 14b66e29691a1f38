-- Schema 9, wishes. Callers who asked a desk for a call with their own voice, once it is made.

-- One row is a wish, made durable before it is promised. It becomes one call at most: the row moves in the unit that claims.
CREATE TABLE wish (
    call     BLOB    PRIMARY KEY REFERENCES call (id) CHECK (length(call) = 16),
    lead     INTEGER NOT NULL REFERENCES lead (id),
    state    TEXT    NOT NULL CHECK (state IN ('open', 'placed', 'dropped')),
    at       INTEGER NOT NULL,
    until    INTEGER NOT NULL CHECK (until > at),
    attempt  BLOB    UNIQUE REFERENCES attempt (id),
    reason   TEXT    CHECK (length(reason) BETWEEN 1 AND 64),
    ended_at INTEGER,
    CHECK ((state = 'placed') = (attempt IS NOT NULL)),
    CHECK ((state = 'dropped') = (reason IS NOT NULL)),
    CHECK ((state = 'open') = (ended_at IS NULL))
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX wish_open ON wish (lead) WHERE state = 'open';
CREATE INDEX wish_lead ON wish (lead);
CREATE TRIGGER wish_is_over BEFORE UPDATE ON wish
WHEN OLD.state != 'open' OR NEW.call IS NOT OLD.call OR NEW.lead IS NOT OLD.lead
BEGIN SELECT RAISE(ABORT, 'a wish becomes one call, or none'); END;
