//! Telnyx's webhook signature: ed25519 over the time and the raw body. It does not cover the URL, so the token in the URL's
//! path is what binds an event to its attempt; a repeat within the window changes nothing, because facts are idempotent.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use sha2::{Digest, Sha256};

use crate::base::{Secret, Wall};

/// Header of the signature: base64 of 64 bytes.
pub const HEADER: &str = "telnyx-signature-ed25519";
/// Header of the time that was signed: seconds since 1970, decimal.
pub const TIME_HEADER: &str = "telnyx-timestamp";
/// A webhook older, or further ahead, than this is refused. Unit: s.
const WINDOW_S: u64 = 300;

/// The key that webhooks are checked with. Not a secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

/// The text is no base64 of 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an ed25519 public key is base64 of 32 bytes")]
pub struct BadKey;

impl FromStr for PublicKey {
    type Err = BadKey;
    fn from_str(text: &str) -> Result<PublicKey, BadKey> {
        let bytes = STANDARD.decode(text.trim()).map_err(|_| BadKey)?;
        bytes.try_into().map(PublicKey).map_err(|_| BadKey)
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

/// What a webhook shows of its signature; absent parts are refused.
#[derive(Debug, Clone, Copy)]
pub struct Shown<'a> {
    /// Value of [`HEADER`].
    pub signature: Option<&'a str>,
    /// Value of [`TIME_HEADER`].
    pub timestamp: Option<&'a str>,
}

impl PublicKey {
    /// Whether a webhook with this raw body was signed for this time, and the time is near `now`.
    pub fn verify(&self, shown: Shown<'_>, body: &[u8], now: Wall) -> bool {
        let (Some(signature), Some(timestamp)) = (shown.signature, shown.timestamp) else { return false };
        let Ok(seconds) = timestamp.parse::<i64>() else { return false };
        if now.0.div_euclid(1_000).abs_diff(seconds) > WINDOW_S {
            return false;
        }
        let Ok(signature) = STANDARD.decode(signature) else { return false };
        UnparsedPublicKey::new(&ED25519, self.0).verify(&signed_text(timestamp, body), &signature).is_ok()
    }
}

fn signed_text(timestamp: &str, body: &[u8]) -> Vec<u8> {
    [timestamp.as_bytes(), b"|", body].concat()
}

/// The embedded carrier's key, made from its token: it protects nothing real.
pub struct SigningKey(Ed25519KeyPair);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey")
    }
}

impl SigningKey {
    /// The key of a token: the same token gives the same key.
    pub fn of(token: &Secret) -> SigningKey {
        let seed = Sha256::digest(token.reveal().as_bytes());
        SigningKey(Ed25519KeyPair::from_seed_unchecked(&seed).expect("a seed has 32 bytes"))
    }

    /// What its signatures are checked with.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.public_key().as_ref().try_into().expect("a public key has 32 bytes"))
    }

    /// Both headers of a webhook: time and signature.
    pub fn sign(&self, body: &[u8], now: Wall) -> (String, String) {
        let timestamp = now.0.div_euclid(1_000).to_string();
        let signature = STANDARD.encode(self.0.sign(&signed_text(&timestamp, body)).as_ref());
        (timestamp, signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_body_at_this_time_by_this_key_is_believed() {
        let key = SigningKey::of(&Secret::new("a".to_owned()));
        let public: PublicKey = key.public().to_string().parse().expect("its own text");
        let now = Wall(1_700_000_000_000);
        let (time, sign) = key.sign(b"CallSid=v3", now);
        let shown = |signature, timestamp| Shown { signature, timestamp };
        let right = shown(Some(sign.as_str()), Some(time.as_str()));
        assert!(public.verify(right, b"CallSid=v3", now));
        assert!(public.verify(right, b"CallSid=v3", Wall(now.0 + 300_999)));
        assert!(!public.verify(right, b"CallSid=v3", Wall(now.0 + 301_000)), "too old");
        assert!(!public.verify(right, b"CallSid=v3", Wall(now.0 - 301_000)), "from the future");
        assert!(!public.verify(right, b"CallSid=v4", now));
        assert!(!public.verify(shown(Some(&sign), Some("1700000001")), b"CallSid=v3", now), "another time");
        for bad in [shown(None, Some(&time)), shown(Some(&sign), None), shown(Some("%"), Some(&time))] {
            assert!(!public.verify(bad, b"CallSid=v3", now));
        }
        assert!(!SigningKey::of(&Secret::new("b".to_owned())).public().verify(right, b"CallSid=v3", now));
    }

    /// RFC 8032, section 7.1, test 2: another implementation's key and signature.
    #[test]
    fn the_curve_is_the_standards() {
        let hex = |text: &str| -> Vec<u8> {
            (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).expect("hex")).collect()
        };
        let pair = Ed25519KeyPair::from_seed_unchecked(&hex(
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        ))
        .expect("32 bytes");
        let public = hex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
        assert_eq!(pair.public_key().as_ref(), public);
        let signed = "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
                      085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
        assert_eq!(pair.sign(&[0x72]).as_ref(), hex(signed));
    }

    #[test]
    fn a_key_that_is_none_is_refused() {
        assert_eq!("".parse::<PublicKey>(), Err(BadKey));
        assert_eq!("AAAA".parse::<PublicKey>(), Err(BadKey));
        assert_eq!("not base64!".parse::<PublicKey>(), Err(BadKey));
    }
}
