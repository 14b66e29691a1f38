-- Schema 8, keys. A callee may ask for a call another time; call screeners and menus are machines of their own.

-- They pressed `[keys] callback`.
ALTER TABLE call ADD COLUMN call_back INTEGER NOT NULL DEFAULT 0 CHECK (call_back IN (0, 1));

-- A CHECK cannot be widened in place.
ALTER TABLE call RENAME COLUMN answerer TO answerer_of_4;
ALTER TABLE call ADD COLUMN answerer TEXT
    CHECK (answerer IN ('human', 'voicemail', 'full_box', 'screening', 'menu', 'fax', 'unsure'));
UPDATE call SET answerer = answerer_of_4 WHERE answerer_of_4 IS NOT NULL;
ALTER TABLE call DROP COLUMN answerer_of_4;
