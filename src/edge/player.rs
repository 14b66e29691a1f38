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

/// Plays a file to its end. Dropping the future stops the player.
pub async fn play(file: &Path) -> Result<(), PlayFault> {
    let (player, program, flags) = PLAYERS
        .iter()
        .find_map(|(name, flags)| on_path(name).map(|program| (*name, program, *flags)))
        .ok_or(PlayFault::NoPlayer)?;
    let failed = |why: String| PlayFault::Failed { player: player.to_owned(), why };
    let status = Command::new(program)
        .args(flags)
        .arg(file)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .status()
        .await
        .map_err(|error| failed(error.to_string()))?;
    if status.success() { Ok(()) } else { Err(failed(format!("ended with {status}"))) }
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file())
}
