//! The tests that mostly wait, for telephones, disks and clocks, in one program: they wait side by side, and the library is
//! linked once. What needs a program of its own stands beside this file: `agents`, `engines`, `model`, `pbx` (folders),
//! `tidy`, `vad`, `fuzz_corpus`. One file alone: `cargo test --test together doctor::`.

mod common;
mod disktools;
mod house;
mod serve_house;

#[path = "account.rs"]
mod account;
#[path = "cache.rs"]
mod cache;
#[path = "calls.rs"]
mod calls;
#[path = "campaign.rs"]
mod campaign;
#[path = "carrier.rs"]
mod carrier;
#[path = "carrier_spec.rs"]
mod carrier_spec;
#[path = "crash.rs"]
mod crash;
#[path = "dialects.rs"]
mod dialects;
#[path = "disk.rs"]
mod disk;
#[path = "doctor.rs"]
mod doctor;
#[path = "engine.rs"]
mod engine;
#[path = "gateway.rs"]
mod gateway;
#[path = "hand.rs"]
mod hand;
#[path = "hostile.rs"]
mod hostile;
#[path = "hostile_files.rs"]
mod hostile_files;
#[path = "inbound.rs"]
mod inbound;
#[path = "io_faults.rs"]
mod io_faults;
#[path = "leads.rs"]
mod leads;
#[path = "ledger_crash.rs"]
mod ledger_crash;
#[path = "machines.rs"]
mod machines;
#[path = "numbers.rs"]
mod numbers;
#[path = "orders.rs"]
mod orders;
#[path = "properties.rs"]
mod properties;
#[path = "reconcile.rs"]
mod reconcile;
#[path = "recordings.rs"]
mod recordings;
#[path = "replay.rs"]
mod replay;
#[path = "report.rs"]
mod report;
#[path = "rules.rs"]
mod rules;
#[path = "secrets.rs"]
mod secrets;
#[path = "serve.rs"]
mod serve;
#[path = "stall.rs"]
mod stall;
#[path = "suppression.rs"]
mod suppression;
#[path = "weather.rs"]
mod weather;
