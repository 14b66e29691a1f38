//! Sound → probability of speech per chunk → speech segments.
