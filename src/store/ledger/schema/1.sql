-- Schema 1. Times are milliseconds since 1970, UTC. Ids of attempts and calls are the 16 bytes of a UUID.
-- docs/LEDGER.md tells each table's purpose, who moves a row on, and what a crash leaves there.

CREATE TABLE meta (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    token_key  BLOB    NOT NULL CHECK (length(token_key) = 32),
    created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE campaign (
    id         INTEGER PRIMARY KEY,
    name       TEXT    NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 64 AND name NOT GLOB '*[^a-z0-9_-]*'),
    state      TEXT    NOT NULL CHECK (state IN ('running', 'paused', 'stopped')),
    changed_at INTEGER NOT NULL
) STRICT;

CREATE TABLE import (
    id         INTEGER PRIMARY KEY,
    campaign   INTEGER NOT NULL REFERENCES campaign (id),
    file       TEXT    NOT NULL,
    at         INTEGER NOT NULL
) STRICT;

CREATE TABLE lead (
    id         INTEGER PRIMARY KEY,
    campaign   INTEGER NOT NULL REFERENCES campaign (id),
    import     INTEGER NOT NULL REFERENCES import (id),
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
    UNIQUE (campaign, phone),
    CHECK ((state = 'ready') = (due IS NOT NULL)),
    CHECK ((state = 'held') = (attempt IS NOT NULL)),
    CHECK ((state IN ('done', 'blocked', 'review')) = (reason IS NOT NULL))
) STRICT;
CREATE INDEX lead_due ON lead (campaign, due, id) WHERE state = 'ready';
CREATE INDEX lead_phone ON lead (phone);
CREATE INDEX lead_state ON lead (campaign, state, reason);

CREATE TABLE attempt (
    id            BLOB    PRIMARY KEY CHECK (length(id) = 16),
    campaign      INTEGER NOT NULL REFERENCES campaign (id),
    lead          INTEGER NOT NULL REFERENCES lead (id),
    phone         TEXT    NOT NULL,
    caller        TEXT    NOT NULL,
    account       TEXT    NOT NULL,
    language      TEXT    NOT NULL,
    greeting      TEXT    NOT NULL,
    policy        TEXT    NOT NULL CHECK (json_valid(policy)),
    owner         BLOB    NOT NULL CHECK (length(owner) = 16),
    intent_at     INTEGER NOT NULL,
    send_by       INTEGER NOT NULL CHECK (send_by >= intent_at),
    release_after INTEGER NOT NULL CHECK (release_after >= send_by),
    state         TEXT    NOT NULL CHECK (state IN ('intent', 'unknown', 'placed', 'ringing', 'answered', 'bridged',
                                                    'ended', 'rejected', 'not_placed', 'zombie')),
    sid           TEXT    CHECK (length(sid) BETWEEN 1 AND 128),
    end_source    TEXT,
    end_status    TEXT,
    outcome       TEXT,
    uses          INTEGER NOT NULL DEFAULT 1 CHECK (uses IN (0, 1)),
    closed_at     INTEGER,
    asked         INTEGER NOT NULL DEFAULT 0,
    last_asked    INTEGER,
    CHECK (state NOT IN ('placed', 'ringing', 'answered', 'bridged', 'ended', 'zombie') OR sid IS NOT NULL),
    CHECK (state NOT IN ('ended', 'rejected', 'not_placed') OR outcome IS NOT NULL),
    CHECK ((end_source IS NULL) = (end_status IS NULL))
) STRICT, WITHOUT ROWID;
-- Law 4, last line of defence: at most one open attempt per lead, and per phone number over all campaigns.
CREATE UNIQUE INDEX attempt_open_lead ON attempt (lead)
    WHERE state IN ('intent', 'unknown', 'placed', 'ringing', 'answered', 'bridged');
CREATE UNIQUE INDEX attempt_open_phone ON attempt (phone)
    WHERE state IN ('intent', 'unknown', 'placed', 'ringing', 'answered', 'bridged');
CREATE UNIQUE INDEX attempt_sid ON attempt (account, sid) WHERE sid IS NOT NULL;
CREATE INDEX attempt_zombie ON attempt (intent_at) WHERE state = 'zombie' AND end_status IS NULL;
CREATE INDEX attempt_phone ON attempt (phone, intent_at);
CREATE INDEX attempt_lead ON attempt (lead, intent_at);
CREATE INDEX attempt_when ON attempt (campaign, intent_at);

-- Law 6: what an attempt is about never changes.
CREATE TRIGGER attempt_is_about_one_lead BEFORE UPDATE ON attempt
WHEN NEW.lead IS NOT OLD.lead OR NEW.phone IS NOT OLD.phone OR NEW.campaign IS NOT OLD.campaign
  OR NEW.account IS NOT OLD.account OR NEW.id IS NOT OLD.id
BEGIN SELECT RAISE(ABORT, 'law 6: an attempt keeps its lead'); END;
CREATE TRIGGER attempt_keeps_its_call BEFORE UPDATE ON attempt
WHEN OLD.sid IS NOT NULL AND NEW.sid IS NOT OLD.sid
BEGIN SELECT RAISE(ABORT, 'an attempt keeps its call'); END;

-- What became of an attempt, as the media side saw it. Recording, transcript and summary hang here.
CREATE TABLE call (
    id             BLOB    PRIMARY KEY CHECK (length(id) = 16),
    attempt        BLOB    UNIQUE REFERENCES attempt (id),
    lead           INTEGER REFERENCES lead (id),
    answered_at    INTEGER,
    ended_at       INTEGER,
    duration_s     INTEGER,
    first_audio_us INTEGER,
    heard_ms       INTEGER,
    barged_in      INTEGER NOT NULL DEFAULT 0 CHECK (barged_in IN (0, 1)),
    barge_tail_ms  INTEGER,
    opted_out      INTEGER NOT NULL DEFAULT 0 CHECK (opted_out IN (0, 1)),
    machine        INTEGER CHECK (machine IN (0, 1)),
    unheard        INTEGER NOT NULL DEFAULT 0 CHECK (unheard IN (0, 1)),
    keys           TEXT,
    folder         TEXT,
    duration_ms    INTEGER,
    language       TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX call_lead ON call (lead);
CREATE TRIGGER call_keeps_its_lead BEFORE UPDATE ON call
WHEN (OLD.lead IS NOT NULL AND NEW.lead IS NOT OLD.lead) OR (OLD.attempt IS NOT NULL AND NEW.attempt IS NOT OLD.attempt)
BEGIN SELECT RAISE(ABORT, 'law 6: a call keeps its lead'); END;

-- What the carrier said, for ever. `orphan`: about an attempt that this ledger does not know.
CREATE TABLE fact (
    id      INTEGER PRIMARY KEY,
    attempt BLOB    NOT NULL CHECK (length(attempt) = 16),
    orphan  INTEGER NOT NULL CHECK (orphan IN (0, 1)),
    source  TEXT    NOT NULL,
    key     TEXT    NOT NULL,
    sid     TEXT    NOT NULL,
    status  TEXT    NOT NULL,
    at      INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    body    TEXT    NOT NULL,
    UNIQUE (source, key)
) STRICT;
CREATE INDEX fact_attempt ON fact (attempt, id);
CREATE INDEX fact_orphan ON fact (id) WHERE orphan = 1;
CREATE TRIGGER fact_is_for_ever_update BEFORE UPDATE ON fact
BEGIN SELECT RAISE(ABORT, 'law 5: a fact is kept as it was told'); END;
CREATE TRIGGER fact_is_for_ever_delete BEFORE DELETE ON fact
BEGIN SELECT RAISE(ABORT, 'law 5: a fact is kept for ever'); END;

-- Who must never be called. Keyed hashes, so that the list outlives the erasure of a person's data.
CREATE TABLE suppression (
    phone  BLOB    PRIMARY KEY CHECK (length(phone) = 32),
    reason TEXT    NOT NULL,
    source TEXT    NOT NULL,
    at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE account (
    name       TEXT    PRIMARY KEY,
    stopped_at INTEGER NOT NULL,
    reason     TEXT    NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE alarm (
    attempt BLOB    NOT NULL REFERENCES attempt (id),
    kind    TEXT    NOT NULL,
    sid     TEXT    NOT NULL,
    account TEXT    NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (attempt, kind, sid)
) STRICT, WITHOUT ROWID;

CREATE TABLE task (
    call  BLOB    NOT NULL REFERENCES call (id),
    kind  TEXT    NOT NULL CHECK (kind IN ('recording', 'transcript', 'summary')),
    state TEXT    NOT NULL CHECK (state IN ('waiting', 'done', 'missing')),
    due   INTEGER,
    tries INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (call, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    id      INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL,
    what    TEXT    NOT NULL,
    subject TEXT    NOT NULL,
    detail  TEXT    NOT NULL
) STRICT;
CREATE TRIGGER audit_is_for_ever_update BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
CREATE TRIGGER audit_is_for_ever_delete BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit is append-only'); END;
