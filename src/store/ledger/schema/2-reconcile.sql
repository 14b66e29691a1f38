-- Schema 2, reconcile. What the carrier's lists told: evidence, second calls, calls of others.

-- When a complete list last showed no call of this attempt: how long lists lag is learned from it.
ALTER TABLE attempt ADD COLUMN not_listed_at INTEGER;

-- A call is found by its id alone where its carrier was renamed in ahoy.toml.
CREATE INDEX attempt_call ON attempt (sid) WHERE sid IS NOT NULL;

-- Why an attempt was released: the list that showed no call of it.
CREATE TABLE evidence (
    attempt     BLOB    PRIMARY KEY REFERENCES attempt (id),
    asked_at    INTEGER NOT NULL,
    answered_at INTEGER NOT NULL CHECK (answered_at >= asked_at),
    since       INTEGER NOT NULL,
    pages       INTEGER NOT NULL CHECK (pages >= 1),
    calls       INTEGER NOT NULL CHECK (calls >= 0),
    sids        TEXT    NOT NULL CHECK (json_valid(sids))
) STRICT, WITHOUT ROWID;
CREATE TRIGGER evidence_is_for_ever_update BEFORE UPDATE ON evidence
BEGIN SELECT RAISE(ABORT, 'evidence is kept as it was seen'); END;

-- Calls that must end: second calls of an attempt, and zombies. Ended again each sweep until the carrier says it is over.
CREATE TABLE unwanted_call (
    account  TEXT    NOT NULL,
    sid      TEXT    NOT NULL CHECK (length(sid) BETWEEN 1 AND 128),
    attempt  BLOB    NOT NULL REFERENCES attempt (id),
    why      TEXT    NOT NULL CHECK (why IN ('second', 'zombie')),
    found_at INTEGER NOT NULL,
    status   TEXT    NOT NULL,
    tries    INTEGER NOT NULL DEFAULT 0,
    over_at  INTEGER,
    PRIMARY KEY (account, sid)
) STRICT, WITHOUT ROWID;
CREATE INDEX unwanted_call_open ON unwanted_call (account) WHERE over_at IS NULL;
INSERT INTO unwanted_call (account, sid, attempt, why, found_at, status)
    SELECT account, sid, id, 'zombie', intent_at, 'queued' FROM attempt WHERE state = 'zombie' AND end_status IS NULL;

-- The slowest that was ever seen at an account, ms: the horizon follows from it.
CREATE TABLE slowest (
    account     TEXT    PRIMARY KEY,
    answer_ms   INTEGER NOT NULL DEFAULT 0,
    unlisted_ms INTEGER NOT NULL DEFAULT 0,
    queue_ms    INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

-- Calls from our numbers that no attempt of this ledger made: of another system, or of a ledger that this one is an older
-- copy of. They count towards the caps of their number, which stands here as a keyed hash.
CREATE TABLE foreign_call (
    account  TEXT    NOT NULL,
    sid      TEXT    NOT NULL CHECK (length(sid) BETWEEN 1 AND 128),
    phone    BLOB    NOT NULL CHECK (length(phone) = 32),
    made_at  INTEGER NOT NULL,
    status   TEXT    NOT NULL,
    seen_at  INTEGER NOT NULL,
    PRIMARY KEY (account, sid)
) STRICT, WITHOUT ROWID;
CREATE INDEX foreign_call_sid ON foreign_call (sid);
CREATE INDEX foreign_call_phone ON foreign_call (phone, made_at);
