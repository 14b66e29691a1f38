//! The call log: `events.jsonl` and a two-channel `audio.wav`, readable while the call runs.
