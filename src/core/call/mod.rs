//! One stream: playout, voice activity, barge-in, keys, hand-over.
