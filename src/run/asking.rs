//! Asks one account's carrier about attempts and calls, and writes down what the answers prove. It decides neither when
//! to ask (`core/dial/sweep`) nor what follows for a run: it gives back what the ledger settled.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::base::{AttemptId, Boot, Phone, Sid, Wall, limits};
use crate::core::dial::CallStatus;
use crate::core::dial::asking::AskPace;
use crate::core::dial::attempt::{Input, Source, State};
use crate::core::dial::horizon::{Horizon, Slowest};
use crate::core::dial::sweep::{self, Ask, Open, Standing};
use crate::edge::carrier::{AskFault, Carrier, ContractCard, Ending, ListQuery, Listed, Listing, RemoteCall};
use crate::run::clock::Clock;
use crate::run::ledger::LedgerHandle;
use crate::store::ledger::{
    CarrierFact, Evidence, FactResult, Ledger, LedgerFault, OpenAttempt, Settled, UnwantedCall,
};

mod named;
mod shown;

use shown::Shown;

/// How far back the carrier's list is read: a live call made before is seen though its clock differs.
const LIST_BACK: Duration = Duration::from_secs(3_600);

/// Why a question came to nothing.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Unasked {
    /// The carrier gave no answer that counts.
    #[error(transparent)]
    Carrier(#[from] AskFault),
    /// The answer could not be written down.
    #[error(transparent)]
    Ledger(#[from] LedgerFault),
}

/// Questions that one request answers.
#[derive(Debug, Clone)]
pub enum Question {
    /// Which calls are between these numbers?
    List(OpenAttempt, Ask),
    /// Where does this call stand?
    Fetch(OpenAttempt),
    /// Which calls did this number make? For many attempts at once.
    Bulk(Phone, Vec<(OpenAttempt, Ask)>),
}

impl Question {
    fn attempts(&self) -> Vec<AttemptId> {
        match self {
            Question::List(entry, _) | Question::Fetch(entry) => vec![entry.attempt],
            Question::Bulk(_, entries) => entries.iter().map(|(entry, _)| entry.attempt).collect(),
        }
    }
}

/// What this process knows about asking for an attempt.
#[derive(Debug, Clone, Copy)]
struct Asked {
    /// Since when it has been known with no request of ours in flight: the horizon counts from here.
    first_seen: Boot,
    last: Option<Wall>,
}

#[derive(Debug, Default)]
struct Inside {
    pace: AskPace,
    asked: HashMap<AttemptId, Asked>,
    in_flight: HashSet<AttemptId>,
    /// Attempts whose own request may still leave this process, or be answered.
    ordering: HashSet<AttemptId>,
    ending: HashSet<Sid>,
    slowest: Slowest,
    /// The longest wait in the carrier's queue that the last answers told of, of calls made lately.
    queue_ms: Option<u64>,
}

/// One account, as the one who asks about it.
pub struct Asker {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Where answers are written.
    pub ledger: LedgerHandle,
    /// Who is asked.
    pub carrier: Arc<dyn Carrier>,
    /// Name and account id, as attempts have it.
    pub account: String,
    /// `release_horizon` of the carrier.
    pub configured: Duration,
    /// Whether it reaches no people.
    pub loopback: bool,
    inside: Mutex<Inside>,
    questions: Arc<Semaphore>,
    endings: Arc<Semaphore>,
}

/// Leave to ask one question; it is given back when dropped.
pub struct Leave {
    asker: Arc<Asker>,
    attempts: Vec<AttemptId>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Leave {
    fn drop(&mut self) {
        let mut inside = self.asker.inside();
        for attempt in &self.attempts {
            inside.in_flight.remove(attempt);
        }
    }
}

/// The time in which an attempt's request may leave or be answered. When it is over, the horizon counts anew: a process
/// that was stopped in between sent late, and the carrier's list must be given its time from then on.
pub struct Ordering {
    asker: Arc<Asker>,
    attempt: AttemptId,
}

impl Drop for Ordering {
    fn drop(&mut self) {
        let over = Asked { first_seen: self.asker.clock.boot(), last: None };
        let mut inside = self.asker.inside();
        inside.asked.insert(self.attempt, over);
        inside.ordering.remove(&self.attempt);
    }
}

impl Asker {
    /// Nothing is decided about this attempt until what became of its request is written down.
    pub fn ordering(self: &Arc<Self>, attempt: AttemptId) -> Ordering {
        self.inside().ordering.insert(attempt);
        Ordering { asker: Arc::clone(self), attempt }
    }

    /// One who has asked nothing yet.
    pub fn new(
        clock: Arc<dyn Clock>,
        ledger: LedgerHandle,
        carrier: Arc<dyn Carrier>,
        account: &str,
        configured: Duration,
        loopback: bool,
    ) -> Asker {
        Asker {
            clock,
            ledger,
            carrier,
            account: account.to_owned(),
            configured,
            loopback,
            inside: Mutex::default(),
            questions: Arc::new(Semaphore::new(limits::QUESTIONS_AT_ONCE)),
            endings: Arc::new(Semaphore::new(limits::ENDINGS_AT_ONCE)),
        }
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The contract.
    pub fn card(&self) -> &ContractCard {
        self.carrier.card()
    }

    /// How long an unknown attempt is waited for, by all that was seen so far.
    pub fn horizon(&self) -> Horizon {
        Horizon::of(self.configured, self.loopback, &self.card().bounds, &self.inside().slowest)
    }

    /// Open attempts and calls that must end, with what was learned since the last look.
    pub async fn look(&self) -> Result<(Vec<OpenAttempt>, Vec<UnwantedCall>), LedgerFault> {
        let account = self.account.clone();
        let (open, unwanted, slowest) = self
            .ledger
            .run(move |ledger| {
                let open = ledger.open_attempts(Some(&account))?;
                Ok::<_, LedgerFault>((open, ledger.unwanted_calls(Some(&account))?, ledger.slowest(&account)?))
            })
            .await?;
        let numbers: Vec<_> = open.iter().map(|entry| (entry.attempt, &entry.phone)).collect();
        self.carrier.remind(&numbers);
        let mut inside = self.inside();
        inside.slowest = inside.slowest.max(slowest);
        let still: HashSet<AttemptId> = open.iter().map(|entry| entry.attempt).collect();
        inside.asked.retain(|attempt, _| still.contains(attempt));
        Ok((open, unwanted))
    }

    /// What to do about an open attempt now. `in_hand`: this process made it.
    pub fn next(&self, entry: &OpenAttempt, in_hand: bool, ring_timeout: Duration) -> Ask {
        let now = self.clock.boot();
        let (asked, in_flight, horizon) = {
            let mut inside = self.inside();
            let in_flight = inside.ordering.contains(&entry.attempt);
            let asked = *inside.asked.entry(entry.attempt).or_insert(Asked { first_seen: now, last: None });
            (asked, in_flight, Horizon::of(self.configured, self.loopback, &self.card().bounds, &inside.slowest).total)
        };
        let standing = match entry.state {
            State::Intent => Standing::Intent,
            State::Unknown => Standing::Unknown,
            State::Placed | State::Ringing | State::Answered | State::Bridged => Standing::Placed,
            State::Ended | State::Rejected | State::NotPlaced | State::Zombie => Standing::Placed,
        };
        let open = Open {
            intent_at: entry.intent_at,
            send_by: entry.send_by,
            // A horizon that was raised since the claim holds for it too.
            release_after: entry.release_after.max(entry.intent_at + horizon),
            in_hand,
            in_flight,
            standing,
            ring_timeout,
            last_asked: asked.last,
            known_for: now.since(asked.first_seen),
        };
        sweep::next(&open, self.clock.wall())
    }

    /// Due questions in as few requests as they need: many attempts of one caller number are one list.
    pub fn questions(&self, due: Vec<(OpenAttempt, Ask)>) -> Vec<Question> {
        let due: Vec<_> = {
            let inside = self.inside();
            due.into_iter().filter(|(entry, _)| !inside.in_flight.contains(&entry.attempt)).collect()
        };
        let mut callers: Vec<Phone> = Vec::new();
        for (entry, _) in &due {
            if !callers.contains(&entry.caller) {
                callers.push(entry.caller.clone());
            }
        }
        let mut questions = Vec::new();
        let mut rest = due;
        for caller in callers {
            let (of_caller, others): (Vec<_>, Vec<_>) = rest.into_iter().partition(|(entry, _)| entry.caller == caller);
            rest = others;
            if of_caller.len() > limits::ASK_SINGLY && self.lists() {
                questions.push(Question::Bulk(caller, of_caller));
                continue;
            }
            questions.extend(of_caller.into_iter().map(|(entry, ask)| match ask {
                Ask::Fetch => Question::Fetch(entry),
                Ask::At(_) | Ask::Orphaned | Ask::List { .. } => Question::List(entry, ask),
            }));
        }
        questions
    }

    /// Leave to ask a question now; `None`: the account's pace or its open questions do not allow it yet.
    pub fn leave(self: &Arc<Self>, question: &Question) -> Option<Leave> {
        let permit = Arc::clone(&self.questions).try_acquire_owned().ok()?;
        let attempts = question.attempts();
        let mut inside = self.inside();
        inside.pace.take(self.clock.boot()).ok()?;
        inside.in_flight.extend(attempts.iter().copied());
        drop(inside);
        Some(Leave { asker: Arc::clone(self), attempts, _permit: permit })
    }

    /// Asks, writes the answer down, and gives back what it settled.
    pub async fn ask(&self, question: Question, _leave: &Leave) -> Result<Vec<Settled>, Unasked> {
        match question {
            Question::List(entry, ask) if self.carrier.own_sid(entry.attempt).is_some() => {
                let past = matches!(ask, Ask::List { may_release: true });
                self.by_name(&entry, past).await
            }
            Question::List(entry, ask) if !self.lists() => {
                let past = matches!(ask, Ask::List { may_release: true });
                Ok(self.without_list(&entry, past).await?.into_iter().collect())
            }
            Question::List(entry, ask) => {
                let query =
                    ListQuery { from: &entry.caller, to: Some(&entry.phone), since: entry.intent_at - LIST_BACK };
                let answer = self.list(query).await;
                self.judge(&[(entry.clone(), ask)], answer).await
            }
            Question::Bulk(caller, entries) => {
                let oldest = entries.iter().map(|(entry, _)| entry.intent_at).min().unwrap_or(self.clock.wall());
                let answer = self.list(ListQuery { from: &caller, to: None, since: oldest - LIST_BACK }).await;
                self.judge(&entries, answer).await
            }
            Question::Fetch(entry) => self.fetch(&entry).await,
        }
    }

    /// One list, with the moment it was asked for. The pace learns from it.
    async fn list(&self, query: ListQuery<'_>) -> (Wall, Result<Listed, AskFault>) {
        let asked_at = self.clock.wall();
        let since = query.since;
        let answer = self.carrier.list(query).await;
        if let Err(fault) = &answer {
            tracing::warn!(%fault, account = %self.account, since = %since, "the carrier could not be asked for a list");
        }
        self.felt(&answer);
        (asked_at, answer)
    }

    /// The same list, for those who only look (`ahoy reconcile`, the check at the start).
    pub async fn calls_of(&self, caller: &Phone, since: Wall) -> Result<Listed, AskFault> {
        self.list(ListQuery { from: caller, to: None, since }).await.1
    }

    fn felt<T>(&self, answer: &Result<T, AskFault>) {
        let now = self.clock.boot();
        let mut inside = self.inside();
        match answer {
            Ok(_) | Err(AskFault::Gone | AskFault::Account { .. }) => inside.pace.answered(),
            Err(AskFault::Throttled { after }) => inside.pace.throttled(now, *after),
            Err(AskFault::Failed { .. }) => inside.pace.failed(now),
        }
    }

    /// What a list proves about each of these attempts.
    async fn judge(
        &self,
        entries: &[(OpenAttempt, Ask)],
        (asked_at, answer): (Wall, Result<Listed, AskFault>),
    ) -> Result<Vec<Settled>, Unasked> {
        let listed = match answer {
            Ok(listed) => listed,
            Err(fault) => {
                for (entry, _) in entries {
                    self.asked(entry, asked_at).await?;
                }
                return Err(Unasked::Carrier(fault));
            }
        };
        let answered_at = self.clock.wall();
        self.saw_queues(&listed.calls).await?;
        let ours = self.owners(&listed.calls).await?;
        let mut settled = Vec::new();
        for (entry, ask) in entries {
            let shown = Shown::of(entry, &listed.calls, &ours);
            let evidence = Evidence {
                asked_at,
                answered_at,
                since: entry.intent_at - LIST_BACK,
                pages: listed.pages,
                calls: shown.between,
                sids: shown.sids,
            };
            match ask {
                Ask::Fetch if shown.mine.is_empty() => settled.extend(self.fetch(entry).await?),
                Ask::List { may_release } if shown.mine.is_empty() => {
                    let released = self.not_shown(entry, *may_release && !shown.strangers, evidence).await?;
                    settled.extend(released);
                }
                Ask::Fetch | Ask::List { .. } | Ask::At(_) | Ask::Orphaned => {}
            }
            if shown.strangers && shown.mine.is_empty() {
                // Somebody else's call, or ours by a clock that differs: nobody is rung into it.
                tracing::warn!(attempt = %entry.attempt, "not released: a live call between its numbers is nobody's");
            }
            // Earliest first: it is adopted, further ones are an alarm and are ended.
            for call in shown.mine {
                settled.extend(self.told(entry.attempt, call, Source::Listing).await?);
            }
            self.asked(entry, asked_at).await?;
        }
        Ok(settled)
    }

    /// A complete list shows no call of this attempt.
    async fn not_shown(
        &self,
        entry: &OpenAttempt,
        may_release: bool,
        evidence: Evidence,
    ) -> Result<Option<Settled>, LedgerFault> {
        let (attempt, now) = (entry.attempt, self.clock.wall());
        if may_release && self.lists_all() {
            return self.write(move |ledger| ledger.release(attempt, &evidence, now)).await.map(Some);
        }
        if may_release {
            tracing::warn!(%attempt, "the carrier's list is no proof of absence: a person must find out");
            return self.write(move |ledger| ledger.give_up(attempt, now)).await.map(Some);
        }
        self.write(move |ledger| ledger.not_listed(attempt, evidence.asked_at)).await?;
        Ok(None)
    }

    /// A carrier without a list gives no evidence: after the horizon a person must find out what became of the order.
    async fn without_list(&self, entry: &OpenAttempt, past_horizon: bool) -> Result<Option<Settled>, LedgerFault> {
        let (attempt, now) = (entry.attempt, self.clock.wall());
        self.asked(entry, now).await?;
        if !past_horizon {
            return Ok(None);
        }
        tracing::warn!(%attempt, "the carrier has no list of calls: a person must find out");
        self.write(move |ledger| ledger.give_up(attempt, now)).await.map(Some)
    }

    /// Whether this carrier can be asked which calls exist.
    pub fn lists(&self) -> bool {
        match self.card().listing {
            Listing::ByNumber | Listing::Finds => true,
            Listing::Never => false,
        }
    }

    /// Whether a call that a complete list does not show is not there.
    fn lists_all(&self) -> bool {
        self.card().listing == Listing::ByNumber
    }

    /// Which attempts the listed calls belong to, by their ids.
    async fn owners(&self, calls: &[RemoteCall]) -> Result<HashMap<Sid, AttemptId>, LedgerFault> {
        let sids: Vec<Sid> = calls.iter().map(|call| call.sid.clone()).collect();
        let account = self.account.clone();
        self.write(move |ledger| {
            let mut owners = HashMap::new();
            for sid in &sids {
                if let Some(owner) = ledger.attempt_of_sid(&account, sid)? {
                    owners.insert(sid.clone(), owner);
                }
            }
            Ok(owners)
        })
        .await
    }

    /// Where does this call stand?
    async fn fetch(&self, entry: &OpenAttempt) -> Result<Vec<Settled>, Unasked> {
        let Some(sid) = entry.sid.clone() else { return Ok(Vec::new()) };
        let at = self.clock.wall();
        let answer = self.carrier.fetch(&sid).await;
        self.felt(&answer);
        let settled = match answer {
            Ok(call) => {
                self.saw_queues(std::slice::from_ref(&call)).await?;
                self.told(entry.attempt, call, Source::Fetch).await?
            }
            // A carrier whose calls we name forgets them: how it ended was told by an event, or nobody knows.
            Err(AskFault::Gone) if self.carrier.own_sid(entry.attempt).is_some() => Some(self.lost_sight(entry).await?),
            // A list that lags does not know a call yet.
            Err(AskFault::Gone) if !self.lists_all() && at < entry.intent_at + self.horizon().total => None,
            // The carrier knows its own calls: one that it does not know is over.
            Err(AskFault::Gone) => self.told_gone(entry.attempt, sid).await?,
            Err(fault) => {
                tracing::warn!(%fault, account = %self.account, "the carrier could not be asked about a call");
                self.asked(entry, at).await?;
                return Err(Unasked::Carrier(fault));
            }
        };
        self.asked(entry, at).await?;
        Ok(settled.into_iter().collect())
    }

    async fn told_gone(&self, attempt: AttemptId, sid: Sid) -> Result<Option<Settled>, LedgerFault> {
        self.fact(CarrierFact {
            attempt,
            key: format!("{sid}:gone"),
            sid,
            source: Source::Fetch,
            status: CallStatus::Failed,
            at: self.clock.wall(),
            duration_s: None,
            body: "the carrier knows no such call".to_owned(),
        })
        .await
    }

    /// Writes down what the carrier says about a call of an attempt.
    pub async fn told(
        &self,
        attempt: AttemptId,
        call: RemoteCall,
        source: Source,
    ) -> Result<Option<Settled>, LedgerFault> {
        self.fact(CarrierFact {
            attempt,
            key: format!("{}:{}", call.sid, call.status),
            sid: call.sid,
            source,
            status: call.status,
            at: self.clock.wall(),
            duration_s: call.duration_s,
            body: String::new(),
        })
        .await
    }

    async fn fact(&self, fact: CarrierFact) -> Result<Option<Settled>, LedgerFault> {
        let now = self.clock.wall();
        let result = self.write(move |ledger| ledger.fact(&fact, now)).await?;
        Ok(match result {
            FactResult::Folded(settled) => Some(settled),
            FactResult::Repeat | FactResult::Orphan => None,
        })
    }

    /// An intent past its deadline whose owner is gone is unknown from now on.
    pub async fn orphaned(&self, attempt: AttemptId) -> Result<Settled, LedgerFault> {
        let now = self.clock.wall();
        self.write(move |ledger| ledger.settle(attempt, Input::OwnerGone, now)).await
    }

    /// Ends a call that must end, and asks how it stands. `None`: it is being ended already.
    pub async fn end(&self, unwanted: &UnwantedCall) -> Result<Option<Settled>, Unasked> {
        if !self.end_call(&unwanted.sid, Ending::HangUp).await? {
            return Ok(None);
        }
        let (account, sid) = (self.account.clone(), unwanted.sid.clone());
        self.write(move |ledger| ledger.ending(&account, &sid)).await?;
        let answer = self.carrier.fetch(&unwanted.sid).await;
        self.felt(&answer);
        match answer {
            Ok(call) => Ok(self.told(unwanted.attempt, call, Source::Fetch).await?),
            Err(AskFault::Gone) => {
                let (account, sid, now) = (self.account.clone(), unwanted.sid.clone(), self.clock.wall());
                self.write(move |ledger| ledger.unwanted_gone(&account, &sid, now)).await?;
                Ok(self.told_gone(unwanted.attempt, unwanted.sid.clone()).await?)
            }
            Err(fault) => Err(Unasked::Carrier(fault)),
        }
    }

    /// Ends a call; false if that is under way already, or too many are.
    pub async fn end_call(&self, sid: &Sid, ending: Ending) -> Result<bool, AskFault> {
        let Ok(_permit) = self.endings.try_acquire() else { return Ok(false) };
        if !self.inside().ending.insert(sid.clone()) {
            return Ok(false);
        }
        let ended = self.carrier.end(sid, ending).await;
        self.inside().ending.remove(sid);
        ended.map(|()| true)
    }

    async fn asked(&self, entry: &OpenAttempt, at: Wall) -> Result<(), LedgerFault> {
        if let Some(asked) = self.inside().asked.get_mut(&entry.attempt) {
            asked.last = Some(at);
        }
        let attempt = entry.attempt;
        self.write(move |ledger| ledger.asked(attempt, at)).await
    }

    /// The longest wait in the carrier's queue that answers have told of since this was last asked, of calls made lately:
    /// the pace follows it.
    pub fn take_queue(&self) -> Option<u64> {
        self.inside().queue_ms.take()
    }

    /// Keeps the longest time that the carrier held a call in its own queue.
    async fn saw_queues(&self, calls: &[RemoteCall]) -> Result<(), LedgerFault> {
        let lately = self.clock.wall() - limits::QUEUE_NEWS;
        let news = calls.iter().filter(|call| call.created >= lately).filter_map(|call| call.queue_ms).max();
        {
            let mut inside = self.inside();
            inside.queue_ms = inside.queue_ms.max(news);
        }
        let queue_ms = calls.iter().filter_map(|call| call.queue_ms).max().unwrap_or(0);
        let slowest = Slowest { queue_ms, ..Slowest::default() };
        {
            let mut inside = self.inside();
            if inside.slowest.max(slowest) == inside.slowest {
                return Ok(());
            }
            inside.slowest = inside.slowest.max(slowest);
        }
        let account = self.account.clone();
        self.write(move |ledger| ledger.saw(&account, &slowest)).await
    }

    /// Writes, again where another process holds the ledger for a moment.
    pub async fn write<T: Send + 'static>(
        &self,
        unit: impl Fn(&mut Ledger) -> Result<T, LedgerFault> + Send + Sync + 'static,
    ) -> Result<T, LedgerFault> {
        let unit = Arc::new(unit);
        for _ in 1..limits::LEDGER_TRIES {
            let again = Arc::clone(&unit);
            match self.ledger.run(move |ledger| again(ledger)).await {
                Err(LedgerFault::Busy | LedgerFault::QueueFull) => self.clock.sleep(Duration::from_secs(1)).await,
                done => return done,
            }
        }
        self.ledger.run(move |ledger| unit(ledger)).await
    }
}

#[cfg(test)]
mod tests;
