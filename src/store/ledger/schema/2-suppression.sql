-- Schema 2, suppression: Who must never be called: keyed hashes and prefixes.

-- The key of the hashes lies beside the ledger in a file; here is only what tells whether it is the right one.
CREATE TABLE suppression_key (
    one         INTEGER PRIMARY KEY CHECK (one = 1),
    fingerprint BLOB    NOT NULL CHECK (length(fingerprint) = 32)
) STRICT;

-- Ranges of numbers, in clear: they are no person's.
CREATE TABLE suppression_prefix (
    prefix TEXT    PRIMARY KEY CHECK (prefix GLOB '+[0-9]*' AND substr(prefix, 2) NOT GLOB '*[^0-9]*'
                        AND length(prefix) BETWEEN 2 AND 16),
    reason TEXT    NOT NULL,
    source TEXT    NOT NULL,
    at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Do-not-call files of others (a national registry, a client's list): what was read, and how old it is.
-- `complete` = 0: reading goes on, or was broken off; its numbers bind already, its age counts for nothing.
CREATE TABLE dnc_file (
    id          INTEGER PRIMARY KEY,
    country     TEXT    NOT NULL CHECK (length(country) = 2),
    source      TEXT    NOT NULL,
    dated       INTEGER NOT NULL,
    imported_at INTEGER NOT NULL,
    rows        INTEGER NOT NULL DEFAULT 0 CHECK (rows >= 0),
    complete    INTEGER NOT NULL DEFAULT 0 CHECK (complete IN (0, 1))
) STRICT;
CREATE TABLE dnc_number (
    file  INTEGER NOT NULL REFERENCES dnc_file (id),
    phone BLOB    NOT NULL CHECK (length(phone) = 32),
    PRIMARY KEY (file, phone)
) STRICT, WITHOUT ROWID;
