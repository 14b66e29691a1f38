//! What a caller is called where their number must not stand: in file names, and at the service.

use std::fmt;
use std::str::FromStr;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::base::Phone;
use crate::core::wire::token::TokenKey;

/// A caller's keyed name: 32 hex digits, which nobody without the ledger's key can make of a number, or turn back.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallerName(String);

impl CallerName {
    /// The name of a number under a ledger's key.
    pub fn of(key: &TokenKey, caller: &Phone) -> CallerName {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
        mac.update(b"ahoy caller name 1");
        mac.update(&caller.as_number().to_be_bytes());
        CallerName(mac.finalize().into_bytes()[..16].iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What their voice is called at the service: made of the name and of the sample, so that a voice whose answer was
    /// lost is found again, and one of another sample is not taken for it.
    pub fn label(&self, sample: &str) -> String {
        format!("ahoy-{}-{}", &self.0[..20], sample.get(..8).unwrap_or(sample))
    }
}

impl FromStr for CallerName {
    type Err = ();
    fn from_str(text: &str) -> Result<CallerName, ()> {
        let hex = text.len() == 32 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if hex { Ok(CallerName(text.to_owned())) } else { Err(()) }
    }
}

impl fmt::Display for CallerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_same_for_one_key_and_holds_no_digit_run_of_the_number() {
        let phone: Phone = "+359888123456".parse().expect("a number");
        let name = CallerName::of(&[1; 32], &phone);
        assert_eq!(name, CallerName::of(&[1; 32], &phone));
        assert_ne!(name, CallerName::of(&[2; 32], &phone));
        assert_ne!(name, CallerName::of(&[1; 32], &"+359888123457".parse().expect("a number")));
        assert!(!name.as_str().contains("888123"));
        assert_eq!(name.as_str().parse(), Ok(name.clone()));
        let (one, other) = (name.label("0123456789ab"), name.label("ff23456789ab"));
        assert!(one != other && one.starts_with("ahoy-") && one.ends_with("-01234567"), "{one}");
        for bad in ["", "../x", &name.as_str().to_uppercase(), "0123"] {
            assert!(bad.parse::<CallerName>().is_err(), "{bad}");
        }
    }
}
