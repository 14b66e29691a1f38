//! Bytes ↔ our words, no sockets: media messages, TwiML, signatures, REST forms.

pub mod dialect;
pub mod ed25519;
pub mod form;
pub mod media;
pub mod recordings;
pub mod signature;
pub mod telnyx;
pub mod token;
pub mod twilio;
pub mod twiml;
