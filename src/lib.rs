//! ahoy: one cached greeting, playing the instant a person answers.
//!
//! The folders are floors. Imports go down only: `cli` → `run` → {`store`, `edge`, `show`} → `core` → `base`
//! (`tests/tidy.rs` checks it). `core` decides and never acts; `run` acts and never decides.
#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod base;
pub mod cli;
pub mod core;
pub mod edge;
pub mod run;
pub mod show;
pub mod store;
