//! Rooms that draw: bars, tables, JSON lines. Nothing here decides.

pub mod cache;
pub mod calls;
pub mod campaign;
pub mod campaign_report;
pub mod clones;
pub mod cost;
pub mod demo;
pub mod findings;
pub mod frame;
pub mod html;
pub mod labelling;
pub mod leads;
pub mod live;
pub mod person;
pub mod progress;
pub mod replay;
pub mod report;
pub mod rules;
pub mod screen;
pub mod status;
pub mod suppress;
pub mod table;
pub mod words;
