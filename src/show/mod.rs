//! Rooms that draw: bars, tables, JSON lines. Nothing here decides.

pub mod cache;
pub mod calls;
pub mod campaign;
pub mod demo;
pub mod leads;
pub mod progress;
pub mod report;
pub mod suppress;
pub mod table;
pub mod words;
