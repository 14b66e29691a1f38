//! Rooms that remember: the ledger, the shelf of assets, call logs, CSV files, the workspace's files.

pub mod calllog;
pub mod export;
pub mod folders;
pub mod init;
pub mod leadfile;
pub mod ledger;
pub mod replay;
pub mod samples;
pub mod scratch;
pub mod shelf;
pub mod soundfile;
pub mod spend;
pub mod ticketfile;
pub mod workspace;
