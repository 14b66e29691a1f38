//! Rooms that draw: bars, tables, JSON lines. Nothing here decides.
