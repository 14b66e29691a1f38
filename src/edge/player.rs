//! Plays a sound file on this machine's loudspeaker, by whatever player is installed.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

/// Programs that play a WAV, with their quiet flags, in the order they are looked for.
const PLAYERS: [(&str, &[&str]); 5] = [
    ("paplay", &[]),
    ("aplay", &["-q"]),
    ("play", &["-q"]),
    ("ffplay", &["-nodisp", "-autoexit", "-loglevel", "error"]),
    ("afplay", &[]),
];

/// Why nothing was heard.
#[derive(Debug, thiserror::Error)]
pub enum PlayFault {
    /// No player is on the PATH.
    #[error("no sound player is installed (looked for paplay, aplay, play, ffplay, afplay)")]
    NoPlayer,
    /// The player did not run or gave up.
    #[error("{player}: {why}")]
    Failed {
        /// Which one.
        player: String,
        /// What it said.
        why: String,
    },
}

/// A program that plays sound files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Player {
    /// Its name in messages.
    pub name: String,
    program: PathBuf,
    flags: Vec<String>,
}

impl Player {
    /// The first of the known programs that is installed.
    pub fn find() -> Result<Player, PlayFault> {
        let known = PLAYERS.iter().find_map(|(name, flags)| on_path(name).map(|program| (*name, program, *flags)));
        let (name, program, flags) = known.ok_or(PlayFault::NoPlayer)?;
        let flags = flags.iter().map(|it| (*it).to_owned()).collect();
        Ok(Player { name: name.to_owned(), program, flags })
    }

    /// A command as a person writes it, `mpv --really-quiet`; the file's name comes behind it. `None`: it is empty.
    pub fn of(command: &str) -> Option<Player> {
        let mut words = command.split_whitespace().map(str::to_owned);
        let name = words.next()?;
        Some(Player { program: PathBuf::from(&name), name, flags: words.collect() })
    }

    /// Plays a file to its end, in silence otherwise. Dropping the future stops the player.
    pub async fn play(&self, file: &Path) -> Result<(), PlayFault> {
        self.run(file, Stdio::null()).await
    }

    async fn run(&self, file: &Path, words: Stdio) -> Result<(), PlayFault> {
        let failed = |why: String| PlayFault::Failed { player: self.name.clone(), why };
        let status = Command::new(&self.program)
            .args(&self.flags)
            .arg(file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(words)
            .kill_on_drop(true)
            .status()
            .await
            .map_err(|error| failed(error.to_string()))?;
        if status.success() { Ok(()) } else { Err(failed(format!("ended with {status}"))) }
    }
}

/// Plays a file to its end by the player of this machine, whose complaints are printed. Dropping the future stops it.
pub async fn play(file: &Path) -> Result<(), PlayFault> {
    Player::find()?.run(file, Stdio::inherit()).await
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file())
}
