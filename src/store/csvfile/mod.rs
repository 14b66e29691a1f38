//! CSV files in and out, streamed.
