//! `ahoy replay label`: labels made and mended at a terminal, or proposed without one.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use console::Term;
use serde_json::json;

use super::{Whose, ending, files_of};
use crate::base::{Exit, Failure};
use crate::cli::{Context, print_json};
use crate::core::replay::editor::{Editor, Key, Wish};
use crate::core::replay::picture::Picture;
use crate::core::replay::propose::propose;
use crate::core::sound::{Pcm, wav};
use crate::core::vad::Model;
use crate::run::aloud::Loudspeaker;
use crate::show::labelling::lines;
use crate::show::words::say;
use crate::store::replay::{Labelled, hear, open, propose_beside, write_labels};
use crate::store::workspace::Workspace;

pub(super) const LABEL_HELP: &str = "\
Examples:
  ahoy replay label call.wav                      in the terminal; ? shows the keys
  ahoy replay label calls/2026/11 --player 'mpv --really-quiet'
  ahoy replay label --propose recordings/         labels that a careful pass proposes, without a terminal: for cron

Labels go into the label file beside the recording; where there is none, into NAME.labels.txt (Audacity), or as --ending says.
They are written whole or not at all, and the file as it was before is kept as .bak. --propose writes only beside recordings that
have no labels.
Exit codes: 0 done · 1 I/O failure · 2 usage, or there is no terminal · 3 a recording could not be opened (named)";

#[derive(Debug, Args)]
pub(super) struct LabelArgs {
    /// Recordings, folders of them, or patterns in quotes; the calls of this workspace if none is named
    files: Vec<PathBuf>,
    /// Whose voice, where a recording has two channels
    #[arg(long, value_enum, default_value_t = Whose::Them)]
    party: Whose,
    /// Form of new label files
    #[arg(long, value_enum, default_value_t = Ending::Audacity)]
    ending: Ending,
    /// Plays pieces by this command, the file behind it; else aplay, paplay, play (sox), ffplay or afplay
    #[arg(long, value_name = "COMMAND", conflicts_with = "propose")]
    player: Option<String>,
    /// Write what a careful pass of the ear proposes beside the recordings, and ask nobody
    #[arg(long)]
    propose: bool,
    /// With --propose: also where there are labels; they are kept as .bak
    #[arg(long, requires = "propose")]
    force: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Ending {
    /// NAME.labels.txt
    Audacity,
    /// NAME.csv
    Csv,
    /// NAME.rttm; it keeps no words
    Rttm,
    /// NAME.TextGrid of Praat
    Textgrid,
    /// NAME.srt
    Srt,
    /// NAME.vtt
    Vtt,
}

impl Ending {
    fn of_file(self) -> &'static str {
        match self {
            Ending::Audacity => "labels.txt",
            Ending::Csv => "csv",
            Ending::Rttm => "rttm",
            Ending::Textgrid => "TextGrid",
            Ending::Srt => "srt",
            Ending::Vtt => "vtt",
        }
    }
}

pub(super) fn label(args: &LabelArgs, context: &Context) -> Result<Exit, Failure> {
    let files = files_of(&args.files, context)?;
    if args.propose {
        return propose_all(&files, args, context);
    }
    if !std::io::stdin().is_terminal() || !std::io::stdout().is_terminal() {
        return Err(Failure::usage("labels are made at a terminal, and there is none")
            .next("--propose writes what a careful pass of the ear proposes"));
    }
    edit_all(&files, args, context)
}

fn propose_all(files: &[PathBuf], args: &LabelArgs, context: &Context) -> Result<Exit, Failure> {
    let (mut skipped, mut kept) = (false, 0);
    for it in propose_beside(files, args.party.into(), args.ending.of_file(), args.force) {
        match it {
            Err((name, why)) => {
                skipped = true;
                say(&format!("{name}: {why}"));
            }
            Ok(it) if context.json() => {
                print_json(&json!({ "file": it.name, "labels": it.labels, "written": it.written }))?;
            }
            Ok(it) => match it.written {
                Some(count) => say(&format!("{}: {count} labels proposed", it.labels.display())),
                None => kept += 1,
            },
        }
    }
    if kept > 0 {
        say(&format!("{kept} recordings have labels already and keep them (--force writes new ones)"));
    }
    Ok(ending(skipped))
}

/// The terminal while labels are made: another screen, which goes away whatever happens.
struct Screen {
    term: Term,
}

impl Screen {
    fn open() -> Result<Screen, Failure> {
        let screen = Screen { term: Term::stdout() };
        screen.term.write_str("\u{1b}[?1049h\u{1b}[?25l").map_err(broken)?;
        Ok(screen)
    }

    fn draw(&self, lines: &[String]) -> Result<(), Failure> {
        let rows = usize::from(self.term.size().0).max(1);
        // In a low terminal the head and what is said at the foot are worth more than the picture.
        let missing = lines.len().saturating_sub(rows);
        let shown = lines.iter().enumerate().filter(|(at, _)| *at == 0 || *at > missing);
        let shown: Vec<String> = shown.take(rows).map(|(_, line)| format!("{line}\u{1b}[K")).collect();
        let text = format!("\u{1b}[H{}\u{1b}[J", shown.join("\r\n"));
        self.term.write_str(&text).map_err(broken)
    }

    /// The next key that is known.
    fn key(&self) -> Result<Key, Failure> {
        loop {
            if let Some(key) = known(self.term.read_key_raw().map_err(broken)?) {
                return Ok(key);
            }
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Nothing is left to do if the terminal is gone.
        let _gone_or_not = self.term.write_str("\u{1b}[?25h\u{1b}[?1049l");
    }
}

fn broken(error: std::io::Error) -> Failure {
    Failure::bug(format!("terminal: {error}"))
}

fn known(key: console::Key) -> Option<Key> {
    use console::Key as Typed;
    Some(match key {
        Typed::ArrowLeft => Key::Left,
        Typed::ArrowRight => Key::Right,
        Typed::ArrowUp => Key::Up,
        Typed::ArrowDown => Key::Down,
        Typed::PageUp => Key::PageUp,
        Typed::PageDown => Key::PageDown,
        Typed::Home => Key::Home,
        Typed::End => Key::End,
        Typed::Enter => Key::Enter,
        Typed::Escape => Key::Escape,
        Typed::Backspace => Key::Backspace,
        Typed::Del => Key::Delete,
        Typed::Tab => Key::Tab,
        Typed::BackTab => Key::BackTab,
        Typed::CtrlC => Key::Interrupt,
        Typed::Char(ch) => Key::Char(ch),
        _ => return None,
    })
}

/// Where a person goes from a recording.
enum Go {
    Next,
    Previous,
    Leave,
}

fn edit_all(files: &[PathBuf], args: &LabelArgs, context: &Context) -> Result<Exit, Failure> {
    let mut speaker = Loudspeaker::open(args.player.as_deref())?;
    let kept = context.workspace().ok().as_ref().map(Workspace::calls_dir).map(|calls| calls.join(".replay"));
    let party = args.party.into();
    let (mut unopened, mut told, mut at, mut backwards) = (Vec::new(), Vec::new(), 0, false);
    let screen = Screen::open()?;
    while let Some(path) = files.get(at) {
        screen.draw(&[format!("{}: it is heard", path.display())])?;
        let name = path.display().to_string();
        let opened = match hear(std::slice::from_ref(path), party, Model::Voice, kept.as_deref()).pop() {
            Some(Ok(heard)) => open(path, party, args.ending.of_file()).map(|it| (it, heard.track)),
            Some(Err((_, why))) => Err(why),
            None => Err("it was not heard".to_owned()),
        };
        let go = match opened {
            Ok((it, track)) => {
                let picture = Picture::of(&it.sound, track);
                let name = format!("{name}  ({} of {})", at + 1, files.len());
                edit(&screen, it, &picture, &name, &mut speaker, &mut told)?
            }
            Err(why) => {
                let word = format!("{name}: {why}");
                if !unopened.contains(&word) {
                    unopened.push(word);
                }
                match backwards && at > 0 {
                    true => Go::Previous,
                    false => Go::Next,
                }
            }
        };
        backwards = matches!(go, Go::Previous);
        match go {
            Go::Next => at += 1,
            Go::Previous => at = at.saturating_sub(1),
            Go::Leave => break,
        }
    }
    drop(screen);
    for word in told.iter().chain(&unopened) {
        say(word);
    }
    Ok(ending(!unopened.is_empty()))
}

fn edit(
    screen: &Screen,
    mut it: Labelled,
    picture: &Picture,
    name: &str,
    speaker: &mut Loudspeaker,
    told: &mut Vec<String>,
) -> Result<Go, Failure> {
    let mut editor = Editor::new(std::mem::take(&mut it.said), it.sound.duration_ms());
    loop {
        if let Some(fault) = speaker.fault() {
            editor.tell(fault);
        }
        let (_, width) = screen.term.size();
        let player = speaker.player().map(str::to_owned);
        let player = player.as_deref().map_err(String::as_str);
        screen.draw(&lines(&editor.view(), picture, name, player, usize::from(width)))?;
        let wish = editor.key(screen.key()?);
        let go = match wish {
            Wish::Nothing => continue,
            Wish::Play(from, to) => {
                match speaker.player() {
                    Ok(_) if speaker.is_playing() => speaker.stop(),
                    Ok(_) => speaker.play(wav::write(&piece(&it.sound, from, to))),
                    Err(why) => editor.tell(why),
                }
                continue;
            }
            Wish::Save => {
                save(&it, &mut editor, told);
                continue;
            }
            Wish::Propose => {
                match propose(&it.sound) {
                    Ok(proposed) => editor.propose(proposed),
                    Err(fault) => editor.tell(fault.to_string()),
                }
                continue;
            }
            Wish::NextFile => Go::Next,
            Wish::PreviousFile => Go::Previous,
            Wish::Leave => Go::Leave,
        };
        speaker.stop();
        if editor.changed() {
            match asked(screen, &it)? {
                Some(true) if save(&it, &mut editor, told) => {}
                Some(false) => {}
                Some(true) | None => continue,
            }
        }
        return Ok(go);
    }
}

/// Whether they were written. A disk that is full or locked takes nobody's labels away: the editor says so and goes on.
fn save(it: &Labelled, editor: &mut Editor, told: &mut Vec<String>) -> bool {
    match write_labels(it, editor.labels()) {
        Err(failure) => {
            editor.tell(failure.what);
            false
        }
        Ok(()) => {
            let file = it.labels.display();
            // The last word about a file is the one that counts.
            told.retain(|told| !told.starts_with(&format!("{file}: ")));
            told.push(format!("{file}: {} labels written", editor.labels().len()));
            editor.saved(format!("{file}: {} labels written", editor.labels().len()));
            true
        }
    }
}

/// Whether labels that are not written are to be; `None`: go on with them.
fn asked(screen: &Screen, it: &Labelled) -> Result<Option<bool>, Failure> {
    screen.term.write_str("\r\n").map_err(broken)?;
    let chosen = dialoguer::Select::new()
        .with_prompt(format!("{} is not written", it.labels.display()))
        .items(["write it", "throw the changes away", "go on with them"])
        .default(0)
        .interact_on_opt(&screen.term)
        .map_err(|error| Failure::bug(format!("terminal: {error}")))?;
    screen.term.hide_cursor().map_err(broken)?;
    Ok(match chosen {
        Some(0) => Some(true),
        Some(1) => Some(false),
        Some(_) | None => None,
    })
}

fn piece(sound: &Pcm, from_ms: u64, to_ms: u64) -> Pcm {
    let place =
        |ms: u64| usize::try_from(ms * u64::from(sound.rate) / 1_000).unwrap_or(usize::MAX).min(sound.samples.len());
    Pcm { samples: sound.samples[place(from_ms)..place(to_ms.max(from_ms))].to_vec(), rate: sound.rate }
}
