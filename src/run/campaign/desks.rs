//! The engine's desks: opened before any campaign is dialed, so that their places are kept for people who call.

use std::sync::Arc;

use super::engine::Engine;
use super::lock;
use crate::base::Failure;
use crate::core::config::{AgentKind, Campaign, CloneProvider};
use crate::run::clone::Cloner;
use crate::run::inbound::{Behind, Desks, Opening};
use crate::run::render::load_kit;
use crate::store::workspace::Workspace;

/// What the engine's desks answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeskLook {
    /// Campaigns that have a desk.
    pub campaigns: Vec<String>,
    /// Calls at once.
    pub places: usize,
    /// Where the carrier has to ask what to do with a call.
    pub answer_url: String,
}

impl Engine {
    /// Opens the desk of every campaign that has one; `None`: there is none.
    ///
    /// Errors: as for a campaign (exit 13 for a phrase that is not on the shelf, 12 for an account), and two campaigns that
    /// answer one number.
    pub async fn open_desks(&self, ws: &Workspace) -> Result<Option<DeskLook>, Failure> {
        let all = ws.campaign_names()?.iter().map(|name| ws.campaign(name)).collect::<Result<Vec<_>, _>>()?;
        let with_desk: Vec<Campaign> = all.into_iter().filter(|campaign| campaign.inbound.is_some()).collect();
        if with_desk.is_empty() {
            return Ok(None);
        }
        super::check_rules(ws, &with_desk)?;
        let places = with_desk.iter().filter_map(|campaign| campaign.inbound.as_ref()).map(|desk| desk.places).sum();
        {
            let mut room = lock(&self.setup.room);
            *room = room.saturating_sub(places);
        }
        let cloner = self.voices(ws, &with_desk)?;
        let mut all = Vec::new();
        let mut accounts = self.accounts.lock().await;
        for campaign in with_desk {
            let kit = load_kit(ws, &campaign)?;
            let agent = self.agents.of(ws, &campaign)?;
            if !accounts.contains_key(&campaign.carrier) {
                let opened = self.open(ws, &campaign.carrier, &accounts).await?;
                accounts.insert(campaign.carrier.clone(), opened);
            }
            let shared = &accounts[&campaign.carrier].shared;
            let (carrier, account) = (Arc::clone(&shared.carrier), shared.account.clone());
            all.push(Behind { campaign, kit, carrier, account, agent });
        }
        drop(accounts);
        let campaigns = all.iter().map(|behind| behind.campaign.name.to_string()).collect();
        let setup = &self.setup;
        let opening = Opening {
            clock: Arc::clone(&setup.clock),
            ledger: setup.ledger.clone(),
            registry: setup.registry.clone(),
            urls: setup.urls.clone(),
            token_key: setup.token_key,
            seed: setup.seed,
            cloner,
        };
        self.facts.answer_with(opening.open(ws, all).await?);
        let answer_url = lock(&self.gateway).as_ref().map(|gateway| gateway.answer_url()).unwrap_or_default();
        Ok(Some(DeskLook { campaigns, places, answer_url }))
    }

    /// Whoever makes the voices that desks want.
    fn voices(&self, ws: &Workspace, desks: &[Campaign]) -> Result<Option<Arc<Cloner>>, Failure> {
        let wants = |campaign: &&Campaign| campaign.inbound.as_ref().is_some_and(|desk| desk.clone);
        let Some(wanting) = desks.iter().find(wants) else { return Ok(None) };
        let refuse = |what: &str, next: &str| {
            Err(Failure::usage(ws.campaign_fault(wanting, "inbound.clone", what)).next(next.to_owned()))
        };
        let Some(cloner) = self.cloner(ws)? else {
            return refuse(
                "[inbound] clone = true, and ahoy.toml has no [clone]",
                "docs/CLONES.md tells what it needs",
            );
        };
        for campaign in desks.iter().filter(wants) {
            let kind = ws.config.agents.get(&campaign.agent.name).map(|agent| agent.kind);
            let speaks = matches!(
                (cloner.provider(), kind),
                (CloneProvider::ElevenLabs, Some(AgentKind::ElevenLabs))
                    | (CloneProvider::OpenAi, Some(AgentKind::OpenAiRealtime))
                    | (CloneProvider::Gemini, Some(AgentKind::GeminiLive))
                    | (_, None)
            );
            if !speaks {
                return refuse(
                    "[inbound] clone = true, and its agent cannot speak with the voices that [clone] makes",
                    "use an agent of the service that makes them: elevenlabs, openai-realtime with openai, gemini-live with gemini",
                );
            }
        }
        Ok(Some(cloner))
    }

    /// The desks, if they are open.
    pub(crate) fn desks(&self) -> Option<Arc<Desks>> {
        self.facts.desks()
    }
}
