-- Schema 4, machines: who answered, and whether our message stands on their machine.

ALTER TABLE call ADD COLUMN answerer TEXT CHECK (answerer IN ('human', 'voicemail', 'full_box', 'fax', 'unsure'));
ALTER TABLE call ADD COLUMN message_left INTEGER NOT NULL DEFAULT 0 CHECK (message_left IN (0, 1));
