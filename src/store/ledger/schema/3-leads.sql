-- Schema 3, leads: imports that are taken up again and undone, tags, several numbers of one person, erasure.

-- `hash` and `settings`: which file, and how it was read. An open import of the same file, read the same way, goes on
-- behind its `rows_done`-th row; that number moves in the transaction that wrote the rows. The leads that an import
-- added have ids from `first_lead` to `last_lead` (others may lie between).
ALTER TABLE import ADD COLUMN hash BLOB CHECK (hash IS NULL OR length(hash) = 32);
ALTER TABLE import ADD COLUMN settings TEXT NOT NULL DEFAULT '';
ALTER TABLE import ADD COLUMN state TEXT NOT NULL DEFAULT 'done' CHECK (state IN ('open', 'done', 'undone'));
ALTER TABLE import ADD COLUMN rows_done INTEGER NOT NULL DEFAULT 0 CHECK (rows_done >= 0);
ALTER TABLE import ADD COLUMN counts TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(counts));
ALTER TABLE import ADD COLUMN ended_at INTEGER;
ALTER TABLE import ADD COLUMN first_lead INTEGER;
ALTER TABLE import ADD COLUMN last_lead INTEGER;
CREATE INDEX import_open ON import (campaign, hash) WHERE state = 'open';

-- What an import with --on-duplicate update found and left, as JSON objects of the columns: undo puts the first back
-- where the second still stands.
CREATE TABLE import_change (
    import INTEGER NOT NULL REFERENCES import (id),
    lead   INTEGER NOT NULL REFERENCES lead (id),
    before TEXT    NOT NULL CHECK (json_valid(before)),
    after  TEXT    NOT NULL CHECK (json_valid(after)),
    PRIMARY KEY (import, lead)
) STRICT, WITHOUT ROWID;
CREATE INDEX import_change_lead ON import_change (lead);

CREATE TABLE lead_tag (
    lead INTEGER NOT NULL REFERENCES lead (id),
    tag  TEXT    NOT NULL CHECK (length(tag) BETWEEN 1 AND 64),
    PRIMARY KEY (lead, tag)
) STRICT, WITHOUT ROWID;
CREATE INDEX lead_tag_name ON lead_tag (tag, lead);

-- Further numbers of a person, in the order of the file; the one that is dialed stands in `lead`.
CREATE TABLE other_phone (
    lead  INTEGER NOT NULL REFERENCES lead (id),
    place INTEGER NOT NULL CHECK (place >= 2),
    phone TEXT    NOT NULL CHECK (phone GLOB '+[0-9]*' AND substr(phone, 2) NOT GLOB '*[^0-9]*'
                       AND length(phone) BETWEEN 8 AND 16),
    label TEXT,
    PRIMARY KEY (lead, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX other_phone_number ON other_phone (phone);

-- Law 6 stays, with one exception: erasure puts a number of nobody (+0 and the lead's row) in the place of a person's.
-- No country code begins with 0.
DROP TRIGGER attempt_is_about_one_lead;
CREATE TRIGGER attempt_is_about_one_lead BEFORE UPDATE ON attempt
WHEN NEW.lead IS NOT OLD.lead OR NEW.campaign IS NOT OLD.campaign OR NEW.account IS NOT OLD.account
  OR NEW.id IS NOT OLD.id OR (NEW.phone IS NOT OLD.phone AND NEW.phone IS NOT printf('+0%011d', OLD.lead))
BEGIN SELECT RAISE(ABORT, 'law 6: an attempt keeps its lead'); END;
