//! Bytes ↔ our words, no sockets: media messages, TwiML, signatures, REST forms.

pub mod token;
