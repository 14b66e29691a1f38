//! `Authorization: Bearer …`: whether it is our token, in a time that does not tell how much of it fits.

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::base::Secret;

/// Characters that a token must have at least: fewer can be tried out.
pub const TOKEN_CHARS: usize = 16;

/// The SHA-256 of our token: all that is kept of it.
#[derive(Clone)]
pub struct TokenHash([u8; 32]);

/// The token has fewer than [`TOKEN_CHARS`] characters, or some that cannot stand in a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the token must have at least {TOKEN_CHARS} characters, all of them printable ASCII")]
pub struct WeakToken;

impl TokenHash {
    /// Of our token.
    pub fn of(token: &Secret) -> Result<TokenHash, WeakToken> {
        let text = token.reveal();
        if text.len() < TOKEN_CHARS || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(WeakToken);
        }
        Ok(TokenHash(Sha256::digest(text).into()))
    }

    /// Whether the value of an `Authorization` header shows the token. Hashes are compared, all of their bytes.
    pub fn fits(&self, header: Option<&str>) -> bool {
        let (scheme, shown) = header.and_then(|header| header.split_once(' ')).unwrap_or_default();
        let hash: [u8; 32] = Sha256::digest(shown.trim()).into();
        bool::from(self.0.ct_eq(&hash)) && scheme.eq_ignore_ascii_case("bearer")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_behind_its_scheme_fits() {
        let hash = TokenHash::of(&Secret::new("0123456789abcdef".to_owned())).expect("long enough");
        assert!(hash.fits(Some("Bearer 0123456789abcdef")) && hash.fits(Some("bearer 0123456789abcdef")));
        for wrong in [
            "0123456789abcdef",
            "Basic 0123456789abcdef",
            "Bearer 0123456789abcde",
            "Bearer 0123456789abcdeff",
            "Bearer 0123456789ABCDEF",
            "Bearer ",
            "Bearer",
            "",
        ] {
            assert!(!hash.fits(Some(wrong)), "{wrong:?}");
        }
        assert!(!hash.fits(None));
    }

    #[test]
    fn a_short_token_is_none() {
        for weak in ["", "0123456789abcde", "0123456789abcde\u{e9}\u{e9}", "0123456789 abcdef"] {
            assert!(TokenHash::of(&Secret::new(weak.to_owned())).is_err(), "{weak}");
        }
    }
}
