-- Schema 6, inbound. Calls that people make to us, and why they may be calling: their open tickets.

-- Of a call that somebody made to us (`attempt` is NULL): whose desk answered it, the carrier's account and id of it, our
-- number, the phrase that greeted them and its fingerprint, why it ended, and the message that they left.
ALTER TABLE call ADD COLUMN campaign INTEGER REFERENCES campaign (id);
ALTER TABLE call ADD COLUMN account TEXT;
ALTER TABLE call ADD COLUMN sid TEXT CHECK (sid IS NULL OR length(sid) BETWEEN 1 AND 128);
ALTER TABLE call ADD COLUMN called TEXT;
ALTER TABLE call ADD COLUMN phrase TEXT;
ALTER TABLE call ADD COLUMN greeting TEXT;
ALTER TABLE call ADD COLUMN cause TEXT;
ALTER TABLE call ADD COLUMN message_ms INTEGER;
-- How long the menu was heard before a key, and how long somebody waited for the agent after it.
ALTER TABLE call ADD COLUMN menu_ms INTEGER;
ALTER TABLE call ADD COLUMN waited_ms INTEGER;
CREATE UNIQUE INDEX call_sid ON call (account, sid) WHERE sid IS NOT NULL;
CREATE INDEX call_inbound ON call (campaign, answered_at) WHERE attempt IS NULL;

CREATE TABLE ticket (
    id         INTEGER PRIMARY KEY,
    reference  TEXT    NOT NULL UNIQUE CHECK (length(reference) BETWEEN 1 AND 64),
    phone      TEXT    NOT NULL CHECK (phone GLOB '+[0-9]*' AND substr(phone, 2) NOT GLOB '*[^0-9]*'
                            AND length(phone) BETWEEN 8 AND 16),
    kind       TEXT    NOT NULL CHECK (length(kind) BETWEEN 1 AND 64),
    note       TEXT,
    state      TEXT    NOT NULL CHECK (state IN ('open', 'closed')),
    opened_at  INTEGER NOT NULL,
    closed_at  INTEGER,
    CHECK ((state = 'closed') = (closed_at IS NOT NULL))
) STRICT;
CREATE INDEX ticket_open ON ticket (phone) WHERE state = 'open';

-- Counts changes of the table above: a desk that answers calls looks at one number to know whether to read it again.
CREATE TABLE ticket_version (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    changes INTEGER NOT NULL
) STRICT;
INSERT INTO ticket_version (one, changes) VALUES (1, 0);
CREATE TRIGGER ticket_added AFTER INSERT ON ticket
BEGIN UPDATE ticket_version SET changes = changes + 1; END;
CREATE TRIGGER ticket_changed AFTER UPDATE ON ticket
BEGIN UPDATE ticket_version SET changes = changes + 1; END;
CREATE TRIGGER ticket_gone AFTER DELETE ON ticket
BEGIN UPDATE ticket_version SET changes = changes + 1; END;
