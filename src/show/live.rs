//! What happens in a running engine, as lines: one for everything that happens to a call, in the order of its happening.

use std::collections::HashMap;

use crate::base::text::printable;
use crate::base::{AttemptId, Boot, LeadId, Wall, limits};
use crate::core::dial::note::Note;

use super::screen::Screen;

/// Turns notes into lines. Remembers whose call is whose, as long as it lives; bounded.
#[derive(Debug, Default)]
pub struct Live {
    calls: HashMap<AttemptId, (LeadId, String)>,
    /// Words that are not about one call are the screen's.
    screen: Screen,
}

impl Live {
    /// The line of a note, safe to print; `None` if there is nothing to say.
    pub fn line(&mut self, at: Wall, note: &Note) -> Option<String> {
        let what = match note {
            Note::Dialed { attempt, lead, campaign } => self.opened(*attempt, *lead, campaign, "dialed"),
            Note::Inherited { attempt, lead, campaign } => self.opened(*attempt, *lead, campaign, "open from before"),
            Note::Placed(attempt) => self.of(*attempt, "placed"),
            Note::Ringing(attempt) => self.of(*attempt, "ringing"),
            Note::Answered(attempt) => self.of(*attempt, "answered"),
            Note::Speaking(attempt) => self.of(*attempt, "speaking"),
            Note::Unknown(attempt) => self.of(*attempt, "unknown: the answer was lost, the carrier is asked"),
            Note::FirstAudio(attempt, us) => {
                self.of(*attempt, &format!("first sound {}.{:03} ms after the stream began", us / 1_000, us % 1_000))
            }
            Note::Ended { attempt, outcome, over } => {
                let lead = if *over { "" } else { "; the lead is called again" };
                let line = self.of(*attempt, &format!("ended: {outcome}{lead}"));
                self.calls.remove(attempt);
                line
            }
            // What is told once a minute or once at all there is told here by the same rule: the screen's time is ours.
            Note::Begin { .. }
            | Note::Throttled
            | Note::Paused(..)
            | Note::AccountStopped(_)
            | Note::AccountResumed(_)
            | Note::Stopping(_)
            | Note::Say(_) => {
                let now = Boot(u64::try_from(at.0).unwrap_or(0).saturating_mul(1_000));
                self.screen.take(now, note)?
            }
        };
        Some(format!("{}  {what}", at.rfc3339()))
    }

    fn opened(&mut self, attempt: AttemptId, lead: LeadId, campaign: &str, what: &str) -> String {
        if self.calls.len() < limits::SCREEN_CALLS {
            self.calls.insert(attempt, (lead, printable(campaign)));
        }
        self.of(attempt, what)
    }

    fn of(&self, attempt: AttemptId, what: &str) -> String {
        match self.calls.get(&attempt) {
            Some((lead, campaign)) => format!("{campaign}  lead {lead}  {attempt}  {what}"),
            // Dialed before we listened.
            None => format!("{attempt}  {what}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::dial::Outcome;

    #[test]
    fn every_word_about_a_call_is_a_line_with_its_lead_and_hostile_names_stay_names() {
        let (mut live, attempt) = (Live::default(), AttemptId::mint(1, [1; 10]));
        let evil = "c\u{1b}[2J\u{202e}".to_owned();
        let mut line = |note| live.line(Wall(0), &note);
        let dialed = line(Note::Dialed { attempt, lead: LeadId(7), campaign: evil }).expect("a line");
        assert!(dialed.contains("lead 7") && dialed.ends_with("dialed"), "{dialed}");
        assert!(!dialed.chars().any(|ch| ch.is_control() || ch == '\u{202e}'), "{dialed:?}");
        for note in [Note::Placed(attempt), Note::Ringing(attempt), Note::Answered(attempt), Note::Speaking(attempt)] {
            assert!(line(note).expect("a line").contains("lead 7"));
        }
        let ended = line(Note::Ended { attempt, outcome: Outcome::Busy, over: false }).expect("a line");
        assert!(ended.contains("lead 7") && ended.ends_with("busy; the lead is called again"), "{ended}");
        let late = line(Note::FirstAudio(attempt, 1_234)).expect("a line");
        assert!(!late.contains("lead") && late.contains("1.234 ms"), "it is forgotten: {late}");
        let said = line(Note::Say("one\u{7}".to_owned())).expect("a line");
        assert!(!said.contains('\u{7}'));
    }
}
