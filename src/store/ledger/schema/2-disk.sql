-- Schema 2, disk. The ledger's own health.

-- One row while a process dials; it is taken out at a clean end. Found at a start, it tells of an unclean one.
CREATE TABLE dialing (
    one   INTEGER PRIMARY KEY CHECK (one = 1),
    pid   INTEGER NOT NULL,
    since INTEGER NOT NULL
) STRICT;
