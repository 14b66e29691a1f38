//! The agent of a call to us, and whose voice it speaks with.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::{Desks, Live};
use crate::base::LeadId;
use crate::core::config::{Failing, VoiceOption};
use crate::core::inbound::Ticket;
use crate::run::agent::{AgentLine, Berth, Task};
use crate::run::clone::CloneState;
use crate::run::render::{About, prompt_for};

impl Desks {
    /// Opens the session of the agent, which the stream has already: what it tells waits there.
    pub(super) async fn bring_agent(
        self: Arc<Self>,
        live: &Live,
        lead: Option<LeadId>,
        tickets: &[Ticket],
        mut berth: Berth,
    ) {
        let line = &live.line;
        let Some(door) = &line.agent else { return berth.gone("the desk has no agent").await };
        let Some(slot) = door.slot() else { return berth.gone("every slot of its provider is taken").await };
        let person = match lead {
            Some(lead) => self.ledger.run(move |ledger| ledger.person(lead)).await.ok().flatten(),
            None => None,
        };
        let (name, mut variables) = person.map_or((None, BTreeMap::new()), |person| (person.name, person.variables));
        if let Some(ticket) = tickets.first() {
            variables.insert("ticket_kind".to_owned(), ticket.kind.clone());
            variables.insert("ticket_reference".to_owned(), ticket.reference.clone());
            variables.extend(ticket.note.clone().map(|note| ("ticket_note".to_owned(), note)));
        }
        let about = About { name: name.as_deref(), variables: &variables };
        let language = &live.taken.language;
        let prompt = prompt_for(&line.campaign, language, &about).unwrap_or_default();
        let transfers = line.campaign.transfer.is_some();
        let mut task = Task { prompt, language: language.to_string(), transfers, voice: None };
        if live.line.desk.option == VoiceOption::Switch {
            // At once, with its own voice; the caller's comes in a session beside it.
            if let Some(next) = berth.take_next() {
                self.runtime.spawn(Arc::clone(&self).bring_voice(live.clone(), next, task.clone()));
            }
        } else {
            let Ok(voice) = self.voice_for(live, &berth).await else {
                return berth.gone("there is no voice of the caller's").await;
            };
            task.voice = voice;
        }
        door.begin(berth, slot, &line.campaign.agent, line.campaign.vad, task);
    }

    /// The caller's own voice, waited for by notification, if the desk clones voices; `Err`: there is none, and the desk
    /// wants no other.
    async fn voice_for(&self, live: &Live, berth: &Berth) -> Result<Option<String>, ()> {
        let cloner = self.cloner.as_ref().filter(|_| live.line.desk.clone);
        let Some((cloner, caller)) = cloner.zip(live.taken.caller.as_ref()) else { return Ok(None) };
        let since = self.clock.boot();
        let mut state = cloner.want(caller, Some(live.taken.call));
        let made = loop {
            let now = state.borrow_and_update().clone();
            match now {
                CloneState::Ready { voice, .. } => break Ok(voice),
                CloneState::Failed { why } => break Err(why.to_string()),
                CloneState::Making => {}
            }
            tokio::select! {
                changed = state.changed() => if changed.is_err() {
                    break Err("the cloner has ended".to_owned());
                },
                () = live.own_voice.notified() => break Err("it was not there in time".to_owned()),
                // Their slot is somebody else's now; the voice is made to its end for their next call.
                () = berth.left() => return Err(()),
            }
        };
        let (told, took) = (made.as_ref().map(|_| ()).map_err(Clone::clone), self.clock.boot().since(since));
        self.runtime.spawn(Arc::clone(cloner).transferred(caller.clone(), live.taken.call, took, told));
        match made {
            Ok(voice) => Ok(Some(voice)),
            Err(_) if live.line.desk.failing == Failing::OwnVoice => Ok(None),
            Err(_) => Err(()),
        }
    }

    /// Opens a second session with the caller's own voice, when it is made; the call changes over to it when it may.
    async fn bring_voice(self: Arc<Self>, live: Live, mut next: oneshot::Sender<AgentLine>, task: Task) {
        let cloner = self.cloner.as_ref().filter(|_| live.line.desk.clone);
        let Some((cloner, caller)) = cloner.zip(live.taken.caller.as_ref()) else { return };
        let since = self.clock.boot();
        let mut state = cloner.want(caller, Some(live.taken.call));
        let settled = tokio::select! {
            settled = state.wait_for(|state| *state != CloneState::Making) => settled.map(|state| state.clone()),
            () = next.closed() => return,
        };
        let voice = match settled {
            Ok(CloneState::Ready { voice, .. }) => Ok(voice),
            Ok(CloneState::Failed { why }) => Err(why.to_string()),
            Ok(CloneState::Making) | Err(_) => Err("the cloner has ended".to_owned()),
        };
        let place = live.line.agent.as_ref().and_then(|door| Some((door, door.slot()?)));
        let taken = || "every slot of its provider is taken".to_owned();
        match voice.and_then(|voice| Ok((voice, place.ok_or_else(taken)?))) {
            Ok((voice, (door, slot))) => {
                let (line, berth) = door.line();
                let campaign = &live.line.campaign;
                door.begin(berth, slot, &campaign.agent, campaign.vad, Task { voice: Some(voice), ..task });
                // A call that is over has no use for it: its session ends with its line.
                let _the_call_is_over = next.send(line);
            }
            // The first session goes on.
            Err(why) => {
                let took = self.clock.boot().since(since);
                Arc::clone(cloner).transferred(caller.clone(), live.taken.call, took, Err(why)).await;
            }
        }
    }

    /// The events of the caller's clone learn that the call has changed over to it.
    pub(super) fn tell_of_switch(&self, live: &Live, switched_ms: Option<u64>) {
        if live.line.desk.option != VoiceOption::Switch {
            return;
        }
        let told = self.cloner.as_ref().zip(live.taken.caller.as_ref()).zip(switched_ms);
        if let Some(((cloner, caller), ms)) = told {
            let took = Duration::from_millis(ms);
            self.runtime.spawn(Arc::clone(cloner).transferred(caller.clone(), live.taken.call, took, Ok(())));
        }
    }
}
