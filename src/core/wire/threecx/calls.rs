//! Which participant at the route point is whose call. Pure.
//!
//! An order names nothing of ours, so a call whose answer was lost is known by its number and its time: a participant that
//! came after the order, whose other end has the number. There is one open attempt a number (law 4), so that is one call.

use std::collections::{HashMap, HashSet, VecDeque};

use super::{Participant, Stage, View};
use crate::base::{Boot, Sid, limits};

/// A participant by its id and its call's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Part {
    /// The participant's id.
    pub id: u64,
    /// The call's, where it was told.
    pub call: Option<u64>,
}

impl Part {
    /// Of a participant; `None`: it has no id.
    pub fn of(participant: &Participant) -> Option<Part> {
        participant.id.map(|id| Part { id, call: participant.callid })
    }
}

/// Whose a participant is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// A call of ours.
    Ours(Sid),
    /// Somebody calls us.
    Incoming,
    /// Another's: it was there before us, or was made by somebody else.
    Strangers,
    /// It was told to be gone before.
    Gone,
}

#[derive(Debug)]
struct Known {
    /// Digits of the other end, for a call whose participant is not known.
    to: String,
    part: Option<Part>,
    /// Participants that were seen before it was ordered are not it.
    after: u64,
    bound_at: Boot,
    token: Option<String>,
    /// Reminders in a row that did not name it.
    unnamed: u8,
    /// We asked for its end.
    cancelled: bool,
    /// Its participant was told to be gone before the answer to the order told that it is this call's.
    gone: bool,
}

/// A call that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Over {
    /// Its name.
    pub sid: Sid,
    /// We asked for its end.
    pub cancelled: bool,
}

/// Reminders that do not name a call before it is believed to be over: one may have been read before the call was ordered.
const UNNAMED: u8 = 4;

/// The calls.
#[derive(Debug, Default)]
pub struct Calls {
    known: HashMap<Sid, Known>,
    owners: HashMap<u64, Sid>,
    /// Others that are there: when they were first seen, counted.
    others: HashMap<u64, (Part, u64)>,
    /// Ids that are gone, the last of them, with the count at that moment.
    gone: VecDeque<(Part, u64)>,
    count: u64,
    /// What was there at the first look was there before us.
    looked: bool,
    /// Calls of which another end than ours is shown: whether all of these ends are connected.
    ends: HashMap<u64, bool>,
    sees_others: bool,
}

/// The digits of a number, without zeros of a prefix.
fn digits(number: &str) -> String {
    let digits: String = number.chars().filter(char::is_ascii_digit).collect();
    digits.trim_start_matches('0').to_owned()
}

/// Whether a number, as a telephone system shows it, can be this one: with or without its country.
fn same(one: &str, other: &str) -> bool {
    let (short, long) = if one.len() <= other.len() { (one, other) } else { (other, one) };
    short.len() >= 7 && long.ends_with(short)
}

impl Calls {
    /// An order is about to leave. `token`: opens its stream.
    pub fn ordered(&mut self, sid: Sid, number: &str, token: String) {
        let to = digits(number);
        // One open attempt a number: what is left of an earlier one is not there any more.
        self.known.retain(|_, known| known.part.is_some() || known.to != to);
        self.count += 1;
        let known = Known {
            to,
            part: None,
            after: self.count,
            bound_at: Boot(0),
            token: Some(token),
            unnamed: 0,
            cancelled: false,
            gone: false,
        };
        self.known.insert(sid, known);
    }

    /// The attempts that are open, of an earlier process perhaps, with their numbers.
    pub fn remind(&mut self, open: &HashMap<Sid, &str>) {
        self.known.retain(|sid, known| {
            known.unnamed = if open.contains_key(sid) { 0 } else { known.unnamed.saturating_add(1) };
            known.part.is_some() || known.unnamed < UNNAMED
        });
        for (sid, number) in open {
            if !self.known.contains_key(sid) && self.known.len() < limits::PBX_PARTICIPANTS {
                let (to, bound_at) = (digits(number), Boot(0));
                let known = Known {
                    to,
                    part: None,
                    after: 0,
                    bound_at,
                    token: None,
                    unnamed: 0,
                    cancelled: false,
                    gone: false,
                };
                self.known.insert(sid.clone(), known);
            }
        }
    }

    /// A participant is this call.
    pub fn bind(&mut self, sid: &Sid, part: Part, now: Boot) {
        if let Some(known) = self.known.get_mut(sid)
            && known.part.is_none()
        {
            (known.part, known.bound_at) = (Some(part), now);
            // Only since the order: an id may have been another call's before.
            let same = |gone: &Part| gone.id == part.id && (gone.call.is_none() || gone.call == part.call);
            known.gone = self.gone.iter().any(|(gone, at)| *at > known.after && same(gone));
            self.owners.insert(part.id, sid.clone());
            self.others.remove(&part.id);
        }
    }

    /// Somebody calls us: from now on the participant is this call.
    pub fn take_in(&mut self, sid: &Sid, part: Part, now: Boot) {
        let known = Known {
            to: String::new(),
            part: None,
            after: 0,
            bound_at: now,
            token: None,
            unnamed: 0,
            cancelled: false,
            gone: false,
        };
        self.known.insert(sid.clone(), known);
        self.bind(sid, part, now);
    }

    /// There is no such call, or it is over.
    pub fn forget(&mut self, sid: &Sid) {
        if let Some(part) = self.known.remove(sid).and_then(|known| known.part) {
            self.owners.remove(&part.id);
        }
    }

    /// Whose this participant of our extension is.
    pub fn whose(&mut self, participant: &Participant, now: Boot) -> Whose {
        let Some(part) = Part::of(participant) else { return Whose::Strangers };
        if let Some(sid) = self.owners.get(&part.id).cloned() {
            let known = self.known.get(&sid).and_then(|known| known.part);
            if known.is_none_or(|known| known.call.is_none() || part.call.is_none() || known.call == part.call) {
                return Whose::Ours(sid);
            }
            // The id is another call's now: the telephone system has begun to count anew.
            self.forget(&sid);
        }
        if self.gone.iter().any(|(gone, _)| *gone == part) {
            return Whose::Gone;
        }
        self.count += 1;
        let (new, first) = match self.others.get(&part.id) {
            Some((_, first)) => (false, *first),
            None => (true, self.count),
        };
        let number = digits(&participant.party_caller_id);
        let fits = |known: &&Known| known.part.is_none() && first > known.after && same(&known.to, &number);
        let mut fitting = self.known.iter().filter(|(_, known)| fits(known)).map(|(sid, _)| sid.clone());
        if let (Some(sid), None) = (fitting.next(), fitting.next()) {
            self.bind(&sid, part, now);
            return Whose::Ours(sid);
        }
        if new && self.others.len() < limits::PBX_PARTICIPANTS {
            self.others.insert(part.id, (part, first));
        }
        let incoming = new && self.looked && participant.stage() != Stage::Dialing;
        if incoming { Whose::Incoming } else { Whose::Strangers }
    }

    /// A participant is gone: which call is over by that.
    pub fn gone(&mut self, id: u64) -> Option<Over> {
        let other = self.others.remove(&id).map(|(part, _)| part);
        match self.owners.get(&id).cloned() {
            Some(sid) => self.over(&sid),
            None => {
                self.bury(other.unwrap_or(Part { id, call: None }));
                None
            }
        }
    }

    /// A call is over. Once.
    pub fn over(&mut self, sid: &Sid) -> Option<Over> {
        let known = self.known.remove(sid)?;
        if let Some(part) = known.part {
            self.owners.remove(&part.id);
            self.bury(part);
        }
        Some(Over { sid: sid.clone(), cancelled: known.cancelled })
    }

    fn bury(&mut self, part: Part) {
        if self.gone.len() >= limits::PBX_GONE {
            self.gone.pop_front();
        }
        self.count += 1;
        self.gone.push_back((part, self.count));
    }

    /// Calls whose end was told before it was known that it was theirs. Each once.
    pub fn ended_early(&mut self) -> Vec<Over> {
        let early: Vec<Sid> = self.known.iter().filter(|(_, known)| known.gone).map(|(sid, _)| sid.clone()).collect();
        early.iter().filter_map(|sid| self.over(sid)).collect()
    }

    /// We ask for its end.
    pub fn cancel(&mut self, sid: &Sid) {
        if let Some(known) = self.known.get_mut(sid) {
            known.cancelled = true;
        }
    }

    /// The call of a participant.
    pub fn owner(&self, id: u64) -> Option<Sid> {
        self.owners.get(&id).cloned()
    }

    /// Takes in what was seen at one moment: gives the calls whose participant was known since before `asked` and is not
    /// there.
    pub fn look(&mut self, dn: &str, view: &View, asked: Boot) -> Vec<Sid> {
        self.looked = true;
        self.sees_others = view.dns.iter().any(|(other, _)| other != dn);
        self.ends.clear();
        for other in view.participants.iter().filter(|it| it.dn != dn) {
            let Some(call) = other.callid else { continue };
            let connected = other.stage() == Stage::Connected;
            self.ends.entry(call).and_modify(|all| *all &= connected).or_insert(connected);
        }
        let there: HashSet<u64> = view.participants.iter().filter(|it| it.dn == dn).filter_map(|it| it.id).collect();
        self.others.retain(|id, _| there.contains(id));
        let missing = self
            .known
            .iter()
            .filter(|(_, known)| known.part.is_some_and(|part| !there.contains(&part.id)) && known.bound_at < asked);
        missing.map(|(sid, _)| sid.clone()).collect()
    }

    /// Whether other extensions are shown: then one look more tells whether the callee's own end is connected.
    pub fn sees_others(&self) -> bool {
        self.sees_others
    }

    /// Whether somebody has answered, by our own end and by all other ends of the call that are shown. Where the callee's own
    /// end is shown (an extension of the same system), ours alone proves nothing.
    pub fn answered(&self, own: &Participant) -> bool {
        let others = own.callid.and_then(|call| self.ends.get(&call)).copied().unwrap_or(true);
        own.stage() == Stage::Connected && others
    }

    /// The participant of a call.
    pub fn part(&self, sid: &Sid) -> Option<Part> {
        self.known.get(sid)?.part
    }

    /// Opens the stream of a call.
    pub fn token(&self, sid: &Sid) -> Option<String> {
        self.known.get(sid)?.token.clone()
    }

    /// The call that a word of another program is about, by its id or by its number.
    pub fn named(&self, call: Option<u64>, number: &str) -> Option<Sid> {
        let number = digits(number);
        let fits = |known: &Known| match (known.part.and_then(|part| part.call), call) {
            (Some(own), Some(told)) => own == told,
            (_, _) => same(&known.to, &number),
        };
        let mut found = self.known.iter().filter(|(_, known)| fits(known)).map(|(sid, _)| sid.clone());
        found.next().filter(|_| found.next().is_none())
    }

    /// Calls that are held in memory, and participants that are none of ours.
    pub fn len(&self) -> (usize, usize) {
        (self.known.len(), self.others.len() + self.gone.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sid(text: &str) -> Sid {
        text.parse().expect("a sid")
    }

    fn at(id: u64, call: u64, number: &str, status: &str) -> Participant {
        Participant {
            id: Some(id),
            callid: Some(call),
            status: status.to_owned(),
            dn: "800".to_owned(),
            party_caller_id: number.to_owned(),
            party_did: String::new(),
        }
    }

    fn seen(participants: &[Participant]) -> View {
        let dns = vec![("800".to_owned(), "Wroutepoint".to_owned())];
        View { dns, participants: participants.to_vec() }
    }

    fn looked() -> Calls {
        let mut calls = Calls::default();
        calls.look("800", &seen(&[]), Boot(0));
        calls
    }

    #[test]
    fn an_end_that_is_told_before_the_answer_to_the_order_is_that_calls_end_and_no_older_ones() {
        let mut calls = looked();
        let part = Part { id: 7, call: Some(7) };
        // An earlier call had the id.
        assert_eq!(calls.gone(7), None);
        calls.ordered(sid("a"), "+442079460001", "t".into());
        calls.bind(&sid("a"), part, Boot(1));
        assert_eq!(calls.ended_early(), []);
        assert_eq!(calls.gone(7), Some(Over { sid: sid("a"), cancelled: false }));
        // Told in the moment between.
        calls.ordered(sid("b"), "+442079460002", "t".into());
        assert_eq!(calls.gone(8), None);
        calls.bind(&sid("b"), Part { id: 8, call: Some(8) }, Boot(2));
        assert_eq!(calls.ended_early(), [Over { sid: sid("b"), cancelled: false }]);
        assert_eq!((calls.ended_early(), calls.part(&sid("b"))), (Vec::new(), None), "once");
    }

    #[test]
    fn a_call_whose_answer_was_lost_is_known_by_its_number_and_its_time() {
        let mut calls = looked();
        let earlier = at(1, 1, "02079460001", "Connected");
        assert_eq!(calls.whose(&earlier, Boot(1)), Whose::Incoming);
        calls.ordered(sid("a"), "+442079460001", "t".into());
        // Who was there before the order is not its call, however often it is told of.
        assert_eq!(calls.whose(&earlier, Boot(2)), Whose::Strangers);
        assert_eq!(calls.whose(&at(2, 2, "+442079460001", "Dialing"), Boot(3)), Whose::Ours(sid("a")));
        assert_eq!((calls.part(&sid("a")).map(|it| it.id), calls.token(&sid("a"))), (Some(2), Some("t".into())));
        // A second one to the number is somebody else's.
        assert_eq!(calls.whose(&at(3, 3, "+442079460001", "Dialing"), Boot(4)), Whose::Strangers);
        // Both numbers end alike, and two orders may be meant: nobody's.
        calls.ordered(sid("b"), "+442079460002", "t".into());
        calls.ordered(sid("c"), "+12079460002", "t".into());
        assert_eq!(calls.whose(&at(4, 4, "02079460002", "Dialing"), Boot(5)), Whose::Strangers);
    }

    #[test]
    fn what_an_earlier_process_made_is_found_again_and_not_answered_as_a_caller() {
        let mut calls = Calls::default();
        let old = at(9, 9, "00442079460001", "Connected");
        assert_eq!(calls.whose(&old, Boot(1)), Whose::Strangers, "it was there before us");
        calls.look("800", &seen(std::slice::from_ref(&old)), Boot(1));
        calls.remind(&HashMap::from([(sid("a"), "+442079460001")]));
        assert_eq!(calls.whose(&old, Boot(2)), Whose::Ours(sid("a")));
        assert_eq!(calls.token(&sid("a")), None, "nobody of ours can speak on it");
    }

    #[test]
    fn what_is_gone_stays_gone_and_a_number_that_is_counted_anew_is_another_call() {
        let mut calls = looked();
        calls.ordered(sid("a"), "+442079460001", "t".into());
        let call = at(2, 2, "+442079460001", "Dialing");
        assert_eq!(calls.whose(&call, Boot(1)), Whose::Ours(sid("a")));
        assert_eq!(calls.gone(2), Some(Over { sid: sid("a"), cancelled: false }));
        assert_eq!(calls.whose(&at(2, 2, "+442079460001", "Connected"), Boot(2)), Whose::Gone, "told late");
        assert_eq!(calls.gone(2), None, "told twice");
        calls.ordered(sid("b"), "+442079460001", "t".into());
        assert_eq!(calls.whose(&at(2, 7, "+442079460001", "Dialing"), Boot(3)), Whose::Ours(sid("b")));
        assert_eq!(calls.whose(&at(2, 8, "+15005550009", "Ringing"), Boot(4)), Whose::Incoming, "the id is new");
    }

    #[test]
    fn an_answer_is_one_only_when_every_end_that_is_shown_is_connected() {
        let mut calls = looked();
        let own = at(2, 2, "101", "Connected");
        assert!(calls.answered(&own));
        let mut callee = at(3, 2, "800", "Ringing");
        callee.dn = "101".to_owned();
        let mut view = seen(&[own.clone(), callee]);
        view.dns.push(("101".to_owned(), "Wextension".to_owned()));
        calls.look("800", &view, Boot(1));
        assert!(calls.sees_others() && !calls.answered(&own), "the callee's own end rings");
        view.participants[1].status = "Connected".to_owned();
        calls.look("800", &view, Boot(2));
        assert!(calls.answered(&own));
        assert!(!calls.answered(&at(2, 2, "101", "Dialing")));
    }

    #[test]
    fn a_look_tells_what_is_missing_but_not_what_came_after_it_was_asked_for() {
        let mut calls = looked();
        calls.ordered(sid("a"), "+442079460001", "t".into());
        calls.bind(&sid("a"), Part { id: 2, call: None }, Boot(10));
        assert_eq!(calls.look("800", &seen(&[]), Boot(9)), [], "it was bound after the question");
        assert_eq!(calls.look("800", &seen(&[]), Boot(11)), [sid("a")]);
        let there = [at(2, 2, "x", "Dialing")];
        assert_eq!(calls.look("800", &seen(&there), Boot(12)), []);
    }

    #[test]
    fn an_order_that_is_open_no_more_takes_nobodys_call() {
        let mut calls = looked();
        calls.ordered(sid("a"), "+442079460001", "t".into());
        for _ in 1..UNNAMED {
            calls.remind(&HashMap::new());
        }
        assert_eq!(calls.len().0, 1, "a reminder may be older than the order");
        calls.remind(&HashMap::new());
        let caller = at(5, 5, "+442079460001", "Ringing");
        assert_eq!(calls.whose(&caller, Boot(1)), Whose::Incoming, "they call back");
    }

    #[test]
    fn a_storm_of_strangers_is_bounded() {
        let mut calls = looked();
        for id in 0..20_000 {
            calls.whose(&at(id, id, "+15005550001", "Ringing"), Boot(id));
            if id % 2 == 0 {
                calls.gone(id);
            }
        }
        let (known, rest) = calls.len();
        assert_eq!(known, 0);
        assert!(rest <= limits::PBX_PARTICIPANTS + limits::PBX_GONE, "{rest}");
    }

    #[test]
    fn another_programs_word_is_about_one_call_or_none() {
        let mut calls = looked();
        calls.ordered(sid("a"), "+442079460001", "t".into());
        calls.ordered(sid("b"), "+442079460002", "t".into());
        calls.bind(&sid("a"), Part { id: 2, call: Some(77) }, Boot(1));
        assert_eq!(calls.named(Some(77), ""), Some(sid("a")));
        assert_eq!(calls.named(None, "020 7946 0002"), Some(sid("b")));
        assert_eq!(calls.named(None, "0002"), None, "too short to be a number");
    }
}
