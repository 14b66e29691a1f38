-- Schema 2, report. What the figures need of a call.

-- When the media stream began, by our clock: together with answered_at it tells how long a person waited for our voice.
ALTER TABLE call ADD COLUMN stream_at INTEGER;
