//! Pieces of sound on this machine's loudspeaker, beside whatever else the program does.

use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::base::Failure;
use crate::edge::player::{PlayFault, Player};

/// A loudspeaker that plays one piece at a time.
pub struct Loudspeaker {
    runtime: Runtime,
    player: Option<Player>,
    playing: Option<JoinHandle<Result<(), String>>>,
}

impl Loudspeaker {
    /// Opens it with this command, or with a player that is installed. Without one it is there and mute. Errors: the command
    /// is empty (exit 2), no runtime.
    pub fn open(command: Option<&str>) -> Result<Loudspeaker, Failure> {
        let player = match command {
            None => Player::find().ok(),
            Some(command) => Some(Player::of(command).ok_or_else(|| Failure::usage("--player is empty"))?),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(|error| Failure::bug(format!("no runtime: {error}")))?;
        Ok(Loudspeaker { runtime, player, playing: None })
    }

    /// Who plays; or why nobody does.
    pub fn player(&self) -> Result<&str, String> {
        self.player.as_ref().map(|it| it.name.as_str()).ok_or_else(|| PlayFault::NoPlayer.to_string())
    }

    /// Plays a WAV; what plays is stopped first.
    pub fn play(&mut self, wav: Vec<u8>) {
        self.stop();
        let Some(player) = self.player.clone() else { return };
        self.playing = Some(self.runtime.spawn(async move {
            let file = crate::store::scratch::file(&wav, ".wav").map_err(|failure| failure.what)?;
            player.play(file.path()).await.map_err(|fault| fault.to_string())
        }));
    }

    /// Whether something plays.
    pub fn is_playing(&self) -> bool {
        self.playing.as_ref().is_some_and(|playing| !playing.is_finished())
    }

    /// Stops what plays.
    pub fn stop(&mut self) {
        if let Some(playing) = self.playing.take() {
            playing.abort();
        }
    }

    /// Why the last piece was not heard, once it is known.
    pub fn fault(&mut self) -> Option<String> {
        let over = self.playing.take_if(|playing| playing.is_finished())?;
        // One that was stopped has no fault.
        self.runtime.block_on(over).ok().and_then(Result::err)
    }
}

impl Drop for Loudspeaker {
    fn drop(&mut self) {
        self.stop();
    }
}
