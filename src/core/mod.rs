//! Rooms that decide. Pure and synchronous: no clock, no chance, no I/O; all they need are arguments.

pub mod agent;
pub mod api;
pub mod asset;
pub mod audit;
pub mod call;
pub mod clone;
pub mod config;
pub mod control;
pub mod cost;
pub mod dial;
pub mod ear;
pub mod figures;
pub mod inbound;
pub mod lead;
pub mod replay;
pub mod report;
pub mod rules;
pub mod sim;
pub mod sound;
pub mod vad;
pub mod wire;
