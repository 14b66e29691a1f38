-- Schema 2, rules. The audit becomes a chain; a campaign keeps why it paused itself, and how many attempts it may make.

-- Rows from before have no link: the first link hangs on all of them (core/audit).
ALTER TABLE audit ADD COLUMN prev BLOB CHECK (prev IS NULL OR length(prev) = 32);
ALTER TABLE audit ADD COLUMN hash BLOB CHECK (hash IS NULL OR length(hash) = 32);

ALTER TABLE campaign ADD COLUMN pause_reason TEXT;
ALTER TABLE campaign ADD COLUMN most_attempts INTEGER CHECK (most_attempts IS NULL OR most_attempts > 0);
