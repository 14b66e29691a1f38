//! The shelf of assets: `cache/ab/<fingerprint>.wav` and its `.json`.
