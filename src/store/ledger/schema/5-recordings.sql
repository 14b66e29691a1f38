-- Schema 5, recordings. What comes after a call: its carrier's recording, and what it cost.

-- `subject`: the carrier's id of the recording. `since`: when it was asked for. `reason`: why there is none.
ALTER TABLE task ADD COLUMN subject TEXT CHECK (subject IS NULL OR length(subject) BETWEEN 1 AND 128);
ALTER TABLE task ADD COLUMN since INTEGER NOT NULL DEFAULT 0;
ALTER TABLE task ADD COLUMN reason TEXT;
CREATE INDEX task_due ON task (kind, due) WHERE state = 'waiting';

-- What the carrier charged, millionths of a US dollar; NULL until it has told.
ALTER TABLE call ADD COLUMN price INTEGER;
