//! Bytes ↔ our words, no sockets: media messages, TwiML, signatures, REST forms.

pub mod ahead;
pub mod ari;
pub mod audiosocket;
pub mod chan_websocket;
pub mod dialect;
pub mod ed25519;
pub mod form;
pub mod leg;
pub mod media;
pub mod ours;
pub mod recordings;
pub mod signature;
pub mod telling;
pub mod telnyx;
pub mod threecx;
pub mod token;
pub mod twilio;
pub mod twiml;
