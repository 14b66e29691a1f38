-- Schema 2, account. Carrier accounts and the numbers we call from: stops, pauses, measurements.

-- A stopped account: what kind of stop, and the attempts that show it (ids, JSON).
ALTER TABLE account ADD COLUMN kind TEXT NOT NULL DEFAULT 'double_dial'
    CHECK (kind IN ('credentials', 'suspended', 'funds', 'failure_rate', 'double_dial', 'surfaced', 'request'));
ALTER TABLE account ADD COLUMN attempts TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(attempts));
UPDATE account SET kind = 'surfaced' WHERE reason LIKE 'surfaced%';

-- The carrier's code where it ended a call because of our account: the try is not the lead's.
ALTER TABLE attempt ADD COLUMN account_code INTEGER;
-- What an account sent lately: a restart must not burst.
CREATE INDEX attempt_account ON attempt (account, intent_at);

-- A number that the carrier refuses to call from: not used before `until`, unless a person resumes it.
CREATE TABLE caller_rest (
    account TEXT    NOT NULL,
    caller  TEXT    NOT NULL,
    since   INTEGER NOT NULL,
    until   INTEGER NOT NULL CHECK (until > since),
    reason  TEXT    NOT NULL,
    PRIMARY KEY (account, caller)
) STRICT, WITHOUT ROWID;

-- A ready lead whose `due` is this very time waits for its calling hours to open; any other `due` is a retry's or a
-- cap's, whatever stands here. With a million leads waiting, who waits for what is then read from an index.
ALTER TABLE lead ADD COLUMN opens_at INTEGER;
CREATE INDEX lead_closed ON lead (campaign, due, id) WHERE state = 'ready' AND opens_at IS due;
CREATE INDEX lead_retry ON lead (campaign, due, id) WHERE state = 'ready' AND opens_at IS NOT due;
