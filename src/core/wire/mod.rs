//! Bytes ↔ our words, no sockets: media messages, TwiML, signatures, REST forms.

pub mod dialect;
pub mod form;
pub mod media;
pub mod recordings;
pub mod signature;
pub mod token;
pub mod twilio;
pub mod twiml;
