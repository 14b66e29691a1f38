-- Schema 4, queue: a new lead is written into two indexes, where it was five. One finds a number in every campaign and in
-- one; the other is the queue. The rest hold only leads that something has happened to. What a lead refers to is looked at
-- when its transaction ends: a statement of many leads then needs no journal of its own.

CREATE TABLE lead_new (
    id         INTEGER PRIMARY KEY,
    campaign   INTEGER NOT NULL REFERENCES campaign (id) DEFERRABLE INITIALLY DEFERRED,
    import     INTEGER NOT NULL REFERENCES import (id) DEFERRABLE INITIALLY DEFERRED,
    line       INTEGER NOT NULL CHECK (line >= 1),
    phone      TEXT    NOT NULL CHECK (phone GLOB '+[0-9]*' AND substr(phone, 2) NOT GLOB '*[^0-9]*'
                            AND length(phone) BETWEEN 8 AND 16),
    name       TEXT,
    language   TEXT,
    country    TEXT,
    timezone   TEXT,
    consent    TEXT,
    variables  TEXT    NOT NULL DEFAULT '{}' CHECK (json_valid(variables)),
    state      TEXT    NOT NULL CHECK (state IN ('ready', 'held', 'done', 'blocked', 'review')),
    due        INTEGER,
    attempt    BLOB    REFERENCES attempt (id) DEFERRABLE INITIALLY DEFERRED,
    reason     TEXT,
    tries      INTEGER NOT NULL DEFAULT 0 CHECK (tries >= 0),
    caller     TEXT,
    created_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    opens_at   INTEGER,
    UNIQUE (phone, campaign),
    CHECK ((state = 'ready') = (due IS NOT NULL)),
    CHECK ((state = 'held') = (attempt IS NOT NULL)),
    CHECK ((state IN ('done', 'blocked', 'review')) = (reason IS NOT NULL))
) STRICT;
INSERT INTO lead_new (id, campaign, import, line, phone, name, language, country, timezone, consent, variables, state, due,
                      attempt, reason, tries, caller, created_at, changed_at, opens_at)
    SELECT id, campaign, import, line, phone, name, language, country, timezone, consent, variables, state, due,
           attempt, reason, tries, caller, created_at, changed_at, opens_at FROM lead ORDER BY id;
DROP TABLE lead;
ALTER TABLE lead_new RENAME TO lead;

CREATE INDEX lead_due ON lead (campaign, due, id) WHERE state = 'ready';
CREATE INDEX lead_state ON lead (campaign, state, reason) WHERE state != 'ready';
-- A ready lead whose `due` is this very time waits for its calling hours to open (schema 2).
CREATE INDEX lead_closed ON lead (campaign, due, id) WHERE state = 'ready' AND opens_at IS due;
-- Any other `due` is a retry's or a cap's. A lead that was never put off is due since it was made.
CREATE INDEX lead_retry ON lead (campaign, due, id)
    WHERE state = 'ready' AND opens_at IS NOT due AND due IS NOT created_at;
