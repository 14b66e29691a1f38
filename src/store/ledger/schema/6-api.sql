-- Schema 6, api: keys of requests that placed calls, so that a repeated request places none. Keyed hashes: a key or a body
-- may hold a number. A row goes when it is older than a day and another key comes.

CREATE TABLE api_key (
    key     BLOB    PRIMARY KEY CHECK (length(key) = 32),
    request BLOB    NOT NULL CHECK (length(request) = 32),
    attempt BLOB    NOT NULL REFERENCES attempt (id),
    at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX api_key_at ON api_key (at);
CREATE INDEX api_key_attempt ON api_key (attempt);
