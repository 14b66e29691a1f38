//! Phrases and the assets made from them: phrase book, fingerprint, lock file, plan, audio checks.
