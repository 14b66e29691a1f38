//! What add-ons of a 3CX post. Their words are hints: they move no call, they let the telephone system be looked at now, and
//! stand in the log of the call that they name.

use std::sync::atomic::Ordering;

use super::House;
use crate::base::limits;
use crate::core::wire::threecx::hook::read;
use crate::run::gateway::Posts;

impl Posts for House {
    fn fits(&self, token: &str) -> bool {
        self.place.hook.as_ref().is_some_and(|(hash, _)| hash.fits(Some(&format!("Bearer {token}"))))
    }

    fn post(&self, body: &[u8]) -> u16 {
        let Some((_, fields)) = &self.place.hook else { return 403 };
        let Some(post) = read(fields, body) else { return 400 };
        self.wanted.store(true, Ordering::Release);
        let named = self.pbx.calls().named(post.call, &post.number);
        let Some(attempt) = named.and_then(|sid| self.attempt_of(&sid)) else { return 200 };
        let room = self.board.lines().get_mut(&attempt).is_some_and(|line| {
            line.more.hook_lines += 1;
            line.more.hook_lines <= limits::HOOK_LINES
        });
        if room {
            self.board.streams.hinted(attempt, post.heard.as_str());
        }
        200
    }
}
