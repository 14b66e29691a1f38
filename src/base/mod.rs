//! Checked nouns: parsed once at the door, trusted from there on. Nothing here decides, waits or remembers.

pub mod country;
mod damage;
pub mod doors;
pub mod exit;
pub mod id;
pub mod language;
pub mod limits;
pub mod money;
pub mod phone;
pub mod secret;
pub mod slug;
pub mod text;
pub mod time;

pub use country::Country;
pub use exit::{Exit, Failure};
pub use id::{AttemptId, CallId, LeadId, Sid};
pub use language::Language;
pub use money::Money;
pub use phone::{NeverCalled, Phone, PhoneFault, PhoneKind, Prefix, ReadPhone};
pub use secret::Secret;
pub use slug::Slug;
pub use time::{Boot, Wall};
