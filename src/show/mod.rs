//! Rooms that draw: bars, tables, JSON lines. Nothing here decides.

pub mod campaign;
pub mod progress;
pub mod table;
