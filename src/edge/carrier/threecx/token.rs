//! The access token: one question for it at a time, renewed before it ages, and after a refusal.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::RequestBuilder;
use tokio::sync::Mutex;

use crate::base::limits::TOKEN_RENEW;
use crate::base::{Boot, Secret};
use crate::core::wire::threecx::Given;
use crate::edge::carrier::AskFault;

/// A token.
pub(super) struct Token {
    pub secret: Secret,
    /// Counts the tokens of this process.
    pub serial: u64,
    renew_at: Boot,
}

impl Token {
    /// The request with the token.
    pub fn on(&self, request: RequestBuilder) -> RequestBuilder {
        request.bearer_auth(self.secret.reveal())
    }

    /// The header's value, for the event socket.
    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.secret.reveal())
    }
}

/// The token that we have.
#[derive(Default)]
pub(super) struct Purse {
    held: Mutex<Option<Arc<Token>>>,
    /// The last serial that was refused, and the last that worked for an order.
    refused: AtomicU64,
    worked: AtomicU64,
}

impl Purse {
    /// A token other than the one that was refused. Whoever waits while it is asked for gets the same.
    pub async fn token(
        &self,
        refused: Option<u64>,
        now: impl Fn() -> Boot,
        ask: impl Future<Output = Result<Given, AskFault>>,
    ) -> Result<Arc<Token>, AskFault> {
        if let Some(serial) = refused {
            self.refused(serial);
        }
        let mut held = self.held.lock().await;
        let good = |token: &&Arc<Token>| now() < token.renew_at && token.serial > self.refused.load(Ordering::Acquire);
        if let Some(token) = held.as_ref().filter(good) {
            return Ok(Arc::clone(token));
        }
        let serial = held.as_ref().map_or(0, |token| token.serial) + 1;
        let asked = now();
        let given = ask.await?;
        // A minute before it would end; one that is said to hold less is asked for each time.
        let life = given.expires_in.map_or(TOKEN_RENEW, |said| Duration::from_secs(said.saturating_sub(60)));
        let token = Arc::new(Token { secret: given.token, serial, renew_at: asked + life.min(TOKEN_RENEW) });
        *held = Some(Arc::clone(&token));
        Ok(token)
    }

    /// It was refused: it is not used again.
    pub fn refused(&self, serial: u64) {
        self.refused.fetch_max(serial, Ordering::AcqRel);
    }

    /// An order was taken with it.
    pub fn worked(&self, serial: u64) {
        self.worked.fetch_max(serial, Ordering::AcqRel);
    }

    /// Whether the token before this one was refused too, so that another would not help.
    pub fn is_fresh(&self, serial: u64) -> bool {
        let refused = self.refused.load(Ordering::Acquire);
        refused + 1 == serial && refused > 0 && self.worked.load(Ordering::Acquire) < serial
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    #[tokio::test]
    async fn one_question_at_a_time_renewed_by_age_and_after_a_refusal() {
        let (purse, asked, now) = (Purse::default(), AtomicU32::new(0), AtomicU64::new(0));
        let clock = || Boot(now.load(Ordering::Relaxed));
        let ask = || async {
            let count = asked.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Ok(Given { token: Secret::new(format!("t{count}")), expires_in: Some(3_600) })
        };
        let both = futures_util::future::join(purse.token(None, clock, ask()), purse.token(None, clock, ask())).await;
        assert_eq!((both.0.expect("one").serial, both.1.expect("the same").serial), (1, 1));
        assert_eq!(asked.load(Ordering::Relaxed), 1);
        now.store(24 * 60 * 1_000_000, Ordering::Relaxed);
        assert_eq!(purse.token(None, clock, ask()).await.expect("held").serial, 1);
        now.store(25 * 60 * 1_000_000, Ordering::Relaxed);
        assert_eq!(purse.token(None, clock, ask()).await.expect("renewed before 30 min").serial, 2);
        assert!(!purse.is_fresh(2));
        assert_eq!(purse.token(Some(2), clock, ask()).await.expect("a new one").serial, 3);
        // Whoever was refused with the old one at the same time does not ask again.
        assert_eq!(purse.token(Some(2), clock, ask()).await.expect("held").serial, 3);
        assert!(purse.is_fresh(3), "refused again: another would not help");
        purse.worked(3);
        assert!(!purse.is_fresh(3));
        assert_eq!(asked.load(Ordering::Relaxed), 3);
    }
}
