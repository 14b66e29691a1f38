-- Schema 6, cloned voices.

-- A caller's voice at a service. `label`: what it is called there, keyed, so that a lost answer's voice is found again.
-- `sent_at`: an upload left whose answer has not come: nobody may upload again before the horizon (core/clone/step).
CREATE TABLE clone (
    id         INTEGER PRIMARY KEY,
    phone      TEXT    NOT NULL CHECK (phone GLOB '+[0-9]*' AND length(phone) BETWEEN 8 AND 16),
    provider   TEXT    NOT NULL CHECK (provider IN ('elevenlabs', 'openai', 'gemini')),
    state      TEXT    NOT NULL CHECK (state IN ('making', 'ready', 'failed')),
    label      TEXT    NOT NULL CHECK (length(label) BETWEEN 1 AND 64),
    voice      TEXT    CHECK (length(voice) BETWEEN 1 AND 128),
    sample     TEXT    NOT NULL CHECK (length(sample) = 64),
    consent    TEXT    NOT NULL CHECK (length(consent) >= 1),
    consent_on INTEGER NOT NULL,
    reason     TEXT,
    sent_at    INTEGER,
    made_at    INTEGER,
    used_at    INTEGER NOT NULL,
    expires_at INTEGER,
    UNIQUE (phone, provider),
    CHECK ((state = 'ready') = (voice IS NOT NULL)),
    CHECK ((voice IS NULL) = (made_at IS NULL)),
    CHECK ((voice IS NULL) = (expires_at IS NULL)),
    CHECK (voice IS NULL OR sent_at IS NULL)
) STRICT;
CREATE INDEX clone_used ON clone (provider, used_at) WHERE state = 'ready';

-- A voice that is to be deleted at its service: nobody's number, so that it outlives the erasure of a person. `voice` NULL:
-- its upload's answer was lost; `until`: when it will not come any more.
CREATE TABLE clone_leaving (
    id         INTEGER PRIMARY KEY,
    provider   TEXT    NOT NULL CHECK (provider IN ('elevenlabs', 'openai', 'gemini')),
    label      TEXT    NOT NULL,
    voice      TEXT,
    until      INTEGER NOT NULL,
    why        TEXT    NOT NULL,
    since      INTEGER NOT NULL,
    due        INTEGER NOT NULL,
    tries      INTEGER NOT NULL DEFAULT 0,
    fault      TEXT
) STRICT;
CREATE INDEX clone_leaving_due ON clone_leaving (provider, due);

-- What happened to clones. `call`: the call that waited, if one did (its row may be written later than this). `clone` NULL:
-- none was begun.
CREATE TABLE clone_event (
    id         INTEGER PRIMARY KEY,
    clone      INTEGER REFERENCES clone (id) ON DELETE CASCADE,
    call       BLOB    CHECK (length(call) = 16),
    at         INTEGER NOT NULL,
    kind       TEXT    NOT NULL CHECK (kind IN ('ready', 'failed', 'transfer')),
    took_ms    INTEGER NOT NULL CHECK (took_ms >= 0),
    cached     INTEGER NOT NULL DEFAULT 0 CHECK (cached IN (0, 1)),
    fault      TEXT,
    error      TEXT,
    CHECK ((kind = 'ready') <= (fault IS NULL)),
    CHECK ((kind = 'failed') <= (fault IS NOT NULL))
) STRICT;
CREATE INDEX clone_event_call ON clone_event (call) WHERE call IS NOT NULL;
CREATE INDEX clone_event_clone ON clone_event (clone, at) WHERE clone IS NOT NULL;
