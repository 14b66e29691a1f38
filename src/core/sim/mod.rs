//! What the embedded carrier and its callees do, from a seed and a number.
