//! What a person types, and how the answer leaves: data on stdout, words on stderr.
#![allow(missing_docs)] // clap turns the comments here into help texts; the rest is named by it

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use crate::base::text::{plain_json, printable};
use crate::base::{Exit, Failure};
use crate::show::words::say;
use crate::store::workspace::Workspace;

pub mod cache;
pub mod calls;
mod calls_inbound;
pub mod campaign;
pub mod campaign_report;
pub mod campaign_status;
pub mod clone;
pub mod cost;
pub mod demo;
pub mod doctor;
mod fetch;
pub mod init;
pub mod leads;
mod operator;
pub mod reconcile;
mod replay;
mod review;
pub mod rules;
pub mod serve;
pub mod sim;
mod suppress;
mod tickets;
mod unknown;
pub mod voices;

/// Campaign dialer and voice-asset toolkit: one cached greeting, playing the instant a person answers.
#[derive(Debug, Parser)]
#[command(name = "ahoy", version, propagate_version = true, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Flags that every command takes.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Global options")]
pub struct Global {
    /// Folder with ahoy.toml, campaigns/ and cache/
    #[arg(long, global = true, value_name = "DIR", default_value = ".", env = "AHOY_WORKSPACE")]
    pub workspace: PathBuf,
    /// Results as JSON on stdout: one object, or one object a line for lists
    #[arg(long, global = true)]
    pub json: bool,
    /// Only results and errors; no progress, no notes (for cron)
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Form of the log on stderr
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
    /// What to log, such as info or ahoy=debug
    // Not `--log`: that is the carrier's log file in `ahoy sim`, and one name may have one meaning.
    #[arg(
        id = "log_level",
        long = "log-level",
        global = true,
        value_name = "FILTER",
        default_value = "warn",
        env = "AHOY_LOG"
    )]
    pub log: String,
    /// Seed of all chance in this run; printed when it matters, so that a run can be repeated
    #[arg(long, global = true, value_name = "N")]
    pub seed: Option<u64>,
}

/// Form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    Text,
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Do the main job on the embedded carrier: render, import, dial, report. No account, no network
    Demo(demo::DemoArgs),
    /// Make a workspace with one campaign
    Init(init::InitArgs),
    /// Phrases rendered once, and proved sound
    Cache(cache::CacheArgs),
    /// Voices of the engines
    Voices(voices::VoicesArgs),
    /// Voices of callers, cloned with their consent: add, list, remove
    Clone(clone::CloneArgs),
    /// What speech services charge, and until when their models are served
    Cost(cost::CostArgs),
    /// People to call: import, list
    Leads(leads::LeadsArgs),
    /// Plan, run and watch campaigns
    Campaign(campaign::CampaignArgs),
    /// Answer calls to the desks, and hold the engine for runs from other terminals
    Serve(serve::ServeArgs),
    /// Why people may call: open tickets by number. They choose what a caller hears first
    Tickets(tickets::TicketsArgs),
    /// What was said and heard: list, show, tail, latency
    Calls(calls::CallsArgs),
    /// What other settings of speech detection would have done on recorded calls: run, sweep, report, check, apply
    Replay(replay::ReplayArgs),
    /// Rules of the countries: hours, consent, caps, with their sources. No legal clearance
    Rules(rules::RulesArgs),
    /// Who did what: print the audit, or check its chain
    Audit(rules::AuditArgs),
    /// Ask the carrier about everything whose outcome is not known; write down calls that this ledger lost
    Reconcile(reconcile::ReconcileArgs),
    /// Ask carriers and our own gateway whether calls would work; calls nobody but you, with --live
    Doctor(doctor::DoctorArgs),
    /// Serve the embedded carrier: Twilio's REST API, callbacks and media streams on loopback
    Sim(sim::SimArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or one of a command
    Man {
        /// The command, such as `campaign`
        command: Option<String>,
    },
}

/// Exit codes, the same for every command.
pub const EXIT_CODES: &str = "\
Exit codes: 0 done, nothing due · 1 bug or I/O failure · 2 usage or bad input · 3 findings, or attempts that failed by our
or the carrier's fault · 10 calling window closed with leads waiting · 11 already running · 12 credentials refused or
account stopped · 13 asset missing or damaged · 14 outcomes still unknown · 15 campaign refused by a rule · 130 stopped";

/// What every command gets: the flags that all share.
#[derive(Debug, Clone)]
pub struct Context {
    /// The global flags.
    pub global: Global,
    /// Seed of all chance.
    pub seed: u64,
}

impl Context {
    /// Opens the workspace named on the command line.
    pub fn workspace(&self) -> Result<Workspace, Failure> {
        Workspace::open(&self.global.workspace)
    }

    /// Whether machine-readable output is wanted.
    pub fn json(&self) -> bool {
        self.global.json
    }
}

/// Prints one JSON object a line on stdout. A closed pipe (`| head`) is not a failure of ours.
pub fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let line = serde_json::to_string(value).map_err(|e| Failure::bug(format!("result is no JSON: {e}")))?;
    print_text(&(plain_json(line) + "\n"))
}

/// Prints text as it is; ends the program quietly when the reader has gone.
pub fn print_text(text: &str) -> Result<(), Failure> {
    print_bytes(text.as_bytes()).map(|_| ())
}

/// Writes a page into a file, or to stdout if none is named.
pub fn write_page(out: Option<&std::path::Path>, page: &str, context: &Context) -> Result<(), Failure> {
    let Some(file) = out else { return print_text(page) };
    std::fs::write(file, page).map_err(|error| Failure::bug(format!("{}: {error}", file.display())))?;
    if !context.global.quiet {
        say(&format!("{}: {} bytes", file.display(), page.len()));
    }
    Ok(())
}

/// Prints lines for people on stdout, made safe for a terminal; ends the program quietly when the reader has gone.
pub fn print_line(text: &str) -> Result<(), Failure> {
    let lines: String = text.split('\n').map(|line| printable(line) + "\n").collect();
    print_bytes(lines.as_bytes()).map(|_| ())
}

fn print_bytes(bytes: &[u8]) -> Result<Exit, Failure> {
    let mut stdout = std::io::stdout();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Ok(()) => Ok(Exit::Done),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => Err(Failure::bug(format!("stdout: {error}"))),
    }
}

/// What clap says of a command line. A wrong one is quoted in the message: made safe to print, like all words.
fn not_understood(error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind::{DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion};
    if matches!(error.kind(), DisplayHelp | DisplayVersion | DisplayHelpOnMissingArgumentOrSubcommand) {
        error.exit();
    }
    say(error.render().to_string().trim_end());
    ExitCode::from(Exit::Usage.code())
}

/// The program.
pub fn main() -> ExitCode {
    crate::run::logging::tell_panics();
    crate::edge::gateway::own::keep_memory_private();
    // A bug has the exit code that is documented for it, not the language's own.
    std::panic::catch_unwind(program).unwrap_or(ExitCode::from(Exit::Bug.code()))
}

fn program() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return not_understood(&error),
    };
    if let Err(failure) = crate::run::logging::start(&cli.global.log, cli.global.log_format == LogFormat::Json) {
        say(&format!("ahoy: {failure}"));
        return ExitCode::from(failure.exit.code());
    }
    // 53 bits: a seed in JSON survives every reader.
    let seed = cli.global.seed.unwrap_or_else(|| fastrand::u64(..1 << 53));
    let context = Context { global: cli.global, seed };
    let result = match cli.command {
        Command::Demo(args) => demo::run(&args, &context),
        Command::Init(args) => init::run(&args, &context),
        Command::Cache(args) => cache::run(&args, &context),
        Command::Voices(args) => voices::run(&args, &context),
        Command::Clone(args) => clone::run(&args, &context),
        Command::Cost(args) => cost::run(&args, &context),
        Command::Leads(args) => leads::run(&args, &context),
        Command::Campaign(args) => campaign::run(&args, &context),
        Command::Serve(args) => serve::run(&args, &context),
        Command::Tickets(args) => tickets::run(&args, &context),
        Command::Calls(args) => calls::run(&args, &context),
        Command::Replay(args) => replay::run(&args, &context),
        Command::Rules(args) => rules::rules(&args, &context),
        Command::Audit(args) => rules::audit(&args, &context),
        Command::Reconcile(args) => reconcile::run(&args, &context),
        Command::Doctor(args) => doctor::run(&args, &context),
        Command::Sim(args) => sim::run(&args, &context),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "ahoy", &mut script);
            print_bytes(&script)
        }
        Command::Man { command } => man(command.as_deref()),
    };
    told(result, &context)
}

/// Asks the operator; no is the default. `would`: what would happen, for who runs this without a terminal.
///
/// Errors: exit 2 where nobody can be asked.
fn sure(question: &str, would: &str) -> Result<bool, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage(format!("would {would}, but there is nobody to ask")).next("add --yes"));
    }
    dialoguer::Confirm::new()
        .with_prompt(question)
        .default(false)
        .interact()
        .map_err(|error| Failure::bug(format!("terminal: {error}")))
}

fn told(result: Result<Exit, Failure>, context: &Context) -> ExitCode {
    match result {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(failure) => {
            if context.json() {
                let line =
                    serde_json::json!({ "error": failure.what, "next": failure.next, "exit": failure.exit.code() });
                let _nobody_reads = writeln!(std::io::stdout(), "{}", plain_json(line.to_string()));
            }
            say(&format!("ahoy: {failure}"));
            ExitCode::from(failure.exit.code())
        }
    }
}

fn man(command: Option<&str>) -> Result<Exit, Failure> {
    let root = Cli::command();
    let page = match command {
        None => root,
        Some(name) => root
            .find_subcommand(name)
            .cloned()
            .ok_or_else(|| Failure::usage(format!("no command `{name}`")).next("`ahoy --help` lists them"))?,
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(page).render(&mut text).map_err(|e| Failure::bug(format!("the manual page: {e}")))?;
    print_bytes(&text)
}
