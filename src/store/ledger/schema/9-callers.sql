-- Schema 9, callers. A desk gives a new caller a lead's id from memory, before their row is written.

-- Ids up to `upto` are given away: whoever makes a lead goes on behind them. One that was promised and never written (a
-- crash) is nobody's for ever.
CREATE TABLE lead_reserved (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    upto INTEGER NOT NULL
) STRICT;
INSERT INTO lead_reserved (one, upto) VALUES (1, 0);

-- An id that was promised to a caller whose number a list brought meanwhile: the list's lead is theirs.
CREATE TABLE lead_alias (
    id   INTEGER PRIMARY KEY,
    lead INTEGER NOT NULL REFERENCES lead (id)
) STRICT;
CREATE INDEX lead_alias_lead ON lead_alias (lead);
