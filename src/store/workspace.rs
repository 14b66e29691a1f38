//! The workspace's files: found, bounded, read. Their meaning is `core/config`'s.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::base::secret::SecretRef;
use crate::base::{Exit, Failure, Secret, Slug, limits};
use crate::core::agent::PromptText;
use crate::core::config::{
    Campaign, ConfigFault, ECHO, Mapping, NONE, WorkspaceConfig, parse_campaign, parse_workspace,
};

/// Engines that need no table in `ahoy.toml`.
const BUILT_IN_ENGINES: [&str; 2] = ["pico", "espeak"];

/// A folder with `ahoy.toml`, `campaigns/`, `cache/`.
#[derive(Debug, Clone)]
pub struct Workspace {
    /// The folder.
    pub root: PathBuf,
    /// Its checked `ahoy.toml`.
    pub config: WorkspaceConfig,
}

impl Workspace {
    /// Opens the workspace at `root`. A missing `ahoy.toml` is refused with the way to make one.
    pub fn open(root: &Path) -> Result<Workspace, Failure> {
        let file = root.join("ahoy.toml");
        let Some(text) = read_config(&file)? else {
            return Err(Failure::usage(format!("{} is no workspace: it has no ahoy.toml", root.display()))
                .next("run `ahoy init` to make one here, or go to its folder, or give --workspace DIR"));
        };
        let config = parse_workspace(&shown(&file), &text).map_err(|fault| Failure::usage(fault.to_string()))?;
        Ok(Workspace { root: root.to_owned(), config })
    }

    /// Reads one campaign.
    pub fn campaign(&self, name: &Slug) -> Result<Campaign, Failure> {
        let file = self.campaign_dir(name).join("campaign.toml");
        let Some(text) = read_config(&file)? else {
            let known: Vec<String> = self.campaign_names()?.iter().map(ToString::to_string).collect();
            let known = if known.is_empty() { "there are none yet".to_owned() } else { known.join(", ") };
            return Err(Failure::usage(format!("no campaign `{name}`: {} does not exist", shown(&file)))
                .next(format!("campaigns here: {known}")));
        };
        let mut campaign =
            parse_campaign(name.clone(), &shown(&file), &text).map_err(|fault| Failure::usage(fault.to_string()))?;
        self.check_engines(&campaign)?;
        self.agent(&mut campaign)?;
        self.check_pens(&campaign)?;
        // Here, not at the engine: `cache verify` must know a changed model without one.
        let models = self.config.engines.iter().filter_map(|(name, it)| Some((name.clone(), it.model.clone()?)));
        campaign.voice.engine_models = models.collect();
        let ssml = self.config.engines.iter().filter(|(_, engine)| engine.ssml);
        campaign.voice.ssml_engines = ssml.map(|(name, _)| name.clone()).collect();
        Ok(campaign)
    }

    /// Every engine that a campaign names is built in or has its `[engines.NAME]`.
    fn check_engines(&self, campaign: &Campaign) -> Result<(), Failure> {
        let named = campaign.voice.engines.values().map(|name| (name, "voice.engines"));
        for (name, key) in named.chain([(&campaign.voice.engine, "voice.engine")]) {
            if !BUILT_IN_ENGINES.contains(&name.as_str()) && !self.config.engines.contains_key(name) {
                let known: Vec<&str> =
                    BUILT_IN_ENGINES.into_iter().chain(self.config.engines.keys().map(String::as_str)).collect();
                let what = format!("no engine is named `{}`", crate::base::text::printable(name));
                return Err(Failure::usage(self.campaign_fault(campaign, key, &what)).next(format!(
                    "known are {}; others are made by [engines.NAME] in ahoy.toml (docs/CACHE.md)",
                    known.join(", ")
                )));
            }
        }
        Ok(())
    }

    /// Whoever a campaign names to write its calls down has a section of his own.
    fn check_pens(&self, campaign: &Campaign) -> Result<(), Failure> {
        let (transcribers, summarizers) = (&self.config.transcribers, &self.config.summarizers);
        let wanted = [
            ("transcript.engine", "transcribers", &campaign.after.transcript, transcribers),
            ("machine.words", "transcribers", &campaign.machines.words, transcribers),
            ("summary.engine", "summarizers", &campaign.after.summary, summarizers),
        ];
        for (key, section, name, known) in wanted {
            let Some(name) = name.as_ref().filter(|name| !known.contains_key(*name)) else { continue };
            let what =
                format!("no {} is named `{}`", section.trim_end_matches('s'), crate::base::text::printable(name));
            let known: Vec<&str> = known.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "there are none yet".to_owned() } else { known.join(", ") };
            return Err(Failure::usage(self.campaign_fault(campaign, key, &what))
                .next(format!("add [{section}.NAME] to ahoy.toml (docs/CALLS.md); known: {known}")));
        }
        Ok(())
    }

    /// The agent that a campaign names is there, and its prompt is read.
    fn agent(&self, campaign: &mut Campaign) -> Result<(), Failure> {
        let name = campaign.agent.name.clone();
        let provider = self.config.agents.contains_key(&name);
        if !provider && ![NONE, ECHO].contains(&name.as_str()) {
            let known: Vec<&str> =
                [NONE, ECHO].into_iter().chain(self.config.agents.keys().map(String::as_str)).collect();
            let what = format!("[agent] kind: no agent is named `{}`", crate::base::text::printable(&name));
            return Err(Failure::usage(self.campaign_fault(campaign, "agent.kind", &what)).next(format!(
                "known are {}; others are made by [agents.NAME] in ahoy.toml (docs/AGENTS.md)",
                known.join(", ")
            )));
        }
        if let Some(file) = campaign.agent.prompt_file.clone() {
            let path = self.campaign_dir(&campaign.name).join(&file);
            let fault = |what: String| Failure::usage(self.campaign_fault(campaign, "agent.prompt_file", &what));
            let text = read_config(&path)?.ok_or_else(|| fault(format!("{} does not exist", shown(&path))))?;
            let prompt = PromptText::read(&text).map_err(|why| fault(format!("{}: {why}", shown(&path))))?;
            campaign.agent.prompt = Some(prompt);
        }
        if provider && campaign.agent.prompt.is_none() {
            let what = "[agent] has no prompt: it would not know what to do";
            return Err(Failure::usage(self.campaign_fault(campaign, "agent", what))
                .next("write prompt = \"…\", or prompt_file = \"prompt.md\" (docs/AGENTS.md)"));
        }
        Ok(())
    }

    /// Names of all campaigns: the folders under `campaigns/` that hold a `campaign.toml`, sorted.
    pub fn campaign_names(&self) -> Result<Vec<Slug>, Failure> {
        let dir = self.root.join("campaigns");
        let mut names = Vec::new();
        let entries = match fs::read_dir(&dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(names),
            Err(error) => return Err(unreadable(&dir, &error)),
        };
        for entry in entries {
            let entry = entry.map_err(|error| unreadable(&dir, &error))?;
            if entry.path().join("campaign.toml").is_file()
                && let Some(name) = entry.file_name().to_str().and_then(|name| name.parse().ok())
            {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// The named campaigns, or all of them when none is named.
    pub fn campaigns(&self, named: &[Slug]) -> Result<Vec<Campaign>, Failure> {
        let names = if named.is_empty() { self.campaign_names()? } else { named.to_vec() };
        if names.is_empty() {
            return Err(Failure::usage("there is no campaign in this workspace")
                .next("run `ahoy init`, or make campaigns/NAME/campaign.toml (docs/CONFIG.md)"));
        }
        names.iter().map(|name| self.campaign(name)).collect()
    }

    /// A fault in a campaign's file, with its line: for rules that only a run can check.
    pub fn campaign_fault(&self, campaign: &Campaign, key: &str, what: &str) -> String {
        let file = self.campaign_dir(&campaign.name).join("campaign.toml");
        // The file was read before; if it is gone by now, the fault is told without its line.
        let text = read_config(&file).ok().flatten().unwrap_or_default();
        ConfigFault::about(&shown(&file), &text, key, what).to_string()
    }

    /// A campaign's folder.
    pub fn campaign_dir(&self, name: &Slug) -> PathBuf {
        self.root.join("campaigns").join(name.as_str())
    }

    /// The ledger file.
    pub fn ledger_path(&self) -> PathBuf {
        self.root.join(&self.config.ledger)
    }

    /// The folder of rendered audio.
    pub fn cache_dir(&self) -> PathBuf {
        self.root.join(&self.config.cache)
    }

    /// The mapping of a source of lead files. Errors (exit 2): none of that name, or one that cannot be read.
    pub fn mapping(&self, name: &Slug) -> Result<Mapping, Failure> {
        let path = self.mapping_path(name);
        let Some(text) = read_config(&path)? else {
            let what = format!("there is no mapping `{name}` ({})", shown(&path));
            return Err(Failure::usage(what).next("save one with `ahoy leads import FILE --save-mapping NAME`"));
        };
        Mapping::parse(&shown(&path), &text).map_err(|fault| Failure::usage(fault.to_string()))
    }

    /// Keeps a mapping; one of that name is replaced.
    pub fn save_mapping(&self, name: &Slug, mapping: &Mapping) -> Result<PathBuf, Failure> {
        let path = self.mapping_path(name);
        let failed = |error: std::io::Error| Failure::bug(format!("{}: {error}", shown(&path)));
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        super::folders::write_whole(&path, mapping.write().as_bytes())?;
        Ok(path)
    }

    fn mapping_path(&self, name: &Slug) -> PathBuf {
        self.root.join("mappings").join(format!("{name}.toml"))
    }

    /// A small file of a campaign, as bytes.
    pub fn campaign_file(&self, name: &Slug, file: &str) -> Result<Vec<u8>, Failure> {
        read_bounded(&self.campaign_dir(name).join(file), limits::LOCK_BYTES).map(String::into_bytes)
    }

    /// The folder of call logs.
    pub fn calls_dir(&self) -> PathBuf {
        self.root.join(&self.config.calls)
    }

    /// Reads a secret by its reference. The message on failure names the variable or file, never its content.
    pub fn secret(&self, wanted: &SecretRef, for_what: &str) -> Result<Secret, Failure> {
        let (text, source) = match wanted {
            SecretRef::Env(name) => (std::env::var(name).ok(), format!("environment variable {name}")),
            SecretRef::File(path) => {
                let path = self.root.join(path);
                (read_config(&path)?, format!("file {}", path.display()))
            }
        };
        let text = text.map(|text| text.trim_end_matches(['\r', '\n']).to_owned()).filter(|text| !text.is_empty());
        match text {
            Some(text) => Ok(Secret::new(text)),
            None => Err(Failure::new(Exit::Account, format!("{for_what}: {source} is not set or empty"))
                .next(format!("set it and run again (the secret belongs in the {source}, not in ahoy.toml)"))),
        }
    }
}

/// Puts another text in the place of a file, whole or not at all.
pub fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    put(path, text, path)
}

/// Puts a text at a place, whole or not at all. Whoever may read `like`, which is there, may read it.
pub fn put(path: &Path, text: &str, like: &Path) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::bug(format!("{} cannot be written: {error}", shown(path)));
    let folder = path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().prefix(".ahoy-").tempfile_in(folder).map_err(failed)?;
    std::io::Write::write_all(&mut file, text.as_bytes()).map_err(failed)?;
    let mode = fs::metadata(like).map_err(failed)?.permissions();
    file.as_file().set_permissions(mode).map_err(failed)?;
    file.as_file().sync_all().map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

/// A path as messages show it: without a leading `./`.
pub fn shown(path: &Path) -> String {
    path.strip_prefix(".").unwrap_or(path).display().to_string()
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("{} cannot be read: {error}", shown(path)))
}

/// Reads a configuration file of at most [`limits::CONFIG_BYTES`]; `None` if it does not exist.
pub fn read_config(path: &Path) -> Result<Option<String>, Failure> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(path, &error)),
    };
    let mut bytes = Vec::new();
    file.take(limits::CONFIG_BYTES + 1).read_to_end(&mut bytes).map_err(|error| unreadable(path, &error))?;
    if bytes.len() as u64 > limits::CONFIG_BYTES {
        return Err(Failure::usage(format!("{} is larger than {} bytes", shown(path), limits::CONFIG_BYTES)));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failure::usage(format!("{} is not UTF-8 text (byte {at})", shown(path)))
    })?;
    Ok(Some(text.trim_start_matches('\u{feff}').to_owned()))
}

/// Reads a text file of at most `most` bytes.
pub fn read_bounded(path: &Path, most: u64) -> Result<String, Failure> {
    let file = fs::File::open(path).map_err(|error| unreadable(path, &error))?;
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).map_err(|error| unreadable(path, &error))?;
    if bytes.len() as u64 > most {
        return Err(Failure::usage(format!("{} is larger than {most} bytes", shown(path))));
    }
    String::from_utf8(bytes).map_err(|_| Failure::usage(format!("{} is not UTF-8 text", shown(path))))
}
