//! The attempt's token: its id and a MAC, part of every URL and stream parameter given to the carrier, so that a
//! callback finds its attempt even when the answer to the POST was lost, and nobody can name an attempt by guessing.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::base::AttemptId;

/// The ledger's key for tokens, 32 random bytes made with the ledger.
pub type TokenKey = [u8; 32];

/// The token of an attempt: 32 hex digits of its id, a dash, 32 hex digits of the MAC.
pub fn mint(key: &TokenKey, attempt: AttemptId) -> String {
    format!("{}-{}", attempt.0.as_simple(), hex(&mac(key, attempt)))
}

/// The attempt that a token names; `None` if it was not made with this key.
pub fn verify(key: &TokenKey, token: &str) -> Option<AttemptId> {
    let (id, given) = token.split_once('-')?;
    if id.len() != 32 || given.len() != 32 {
        return None;
    }
    let attempt = AttemptId(uuid::Uuid::try_parse(id).ok()?);
    let right: bool = hex(&mac(key, attempt)).as_bytes().ct_eq(given.as_bytes()).into();
    right.then_some(attempt)
}

fn mac(key: &TokenKey, attempt: AttemptId) -> [u8; 16] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(b"ahoy attempt token 1");
    mac.update(attempt.0.as_bytes());
    let full = mac.finalize().into_bytes();
    full[..16].try_into().expect("SHA-256 has 32 bytes")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_names_its_attempt_and_cannot_be_guessed() {
        let attempt = AttemptId::mint(1_790_000_000_000, [7; 10]);
        let token = mint(&[1; 32], attempt);
        assert_eq!(verify(&[1; 32], &token), Some(attempt));
        assert_eq!(verify(&[2; 32], &token), None);
        for at in 0..token.len() {
            let mut forged = token.clone().into_bytes();
            forged[at] = if forged[at] == b'0' { b'1' } else { b'0' };
            let forged = String::from_utf8(forged).expect("ASCII");
            assert_eq!(verify(&[1; 32], &forged), None, "{at}");
        }
        assert_eq!(verify(&[1; 32], ""), None);
    }
}
