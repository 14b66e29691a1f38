//! Every bound, with its name and its reason. Full means: refuse, and say so.

use std::time::Duration;

/// Characters of one phrase. Longer texts are refused before an engine sees them: no engine here takes more in one request.
pub const PHRASE_CHARS: usize = 3_000;
/// Texts (key × language) of one campaign: the phrase book and its lock stay readable, and loading them stays quick.
pub const PHRASES: usize = 4_096;
/// Values that a slot of a phrase may list.
pub const SLOT_VALUES: usize = 500;
/// Characters of a lead's value in a greeting.
pub const SLOT_VALUE_CHARS: usize = 40;
/// Distinct greetings that name their lead, per language, unless the phrase says otherwise.
pub const VARIANTS: usize = 200;
/// The same at most: each is about 100 KB of memory in a run.
pub const VARIANTS_MOST: usize = 2_000;
/// Words of a pronunciation lexicon.
pub const LEXICON_WORDS: usize = 5_000;
/// Bytes of an `assets.lock`: [`PHRASES`] texts of ordinary length.
pub const LOCK_BYTES: u64 = 8 << 20;
/// Bytes of the record beside an asset.
pub const RECORD_BYTES: u64 = 256 << 10;
/// Bytes of sound in one page of `cache report`; the page has a third more.
pub const PAGE_BYTES: usize = 48 << 20;
/// Bytes of the file that remembers what the ear said: a hundred thousand assets.
pub const HEARD_BYTES: u64 = 32 << 20;
/// Sound files that `cache verify --files` takes in one run.
pub const EAR_FILES: usize = 1_000_000;
/// Files that are read at once before their findings are told: what is in memory does not grow with their number.
pub const EAR_BATCH: usize = 256;
/// Files of the cache that one command looks at.
pub const SHELF_FILES: usize = 1_000_000;
/// Bytes of one WAV file read into memory: five minutes of 48 kHz stereo.
pub const WAV_BYTES: usize = 64 << 20;
/// Seconds of one rendered phrase. A longer one is an engine's fault.
pub const ASSET_SECONDS: u32 = 300;
/// Renderings at once per engine, if the configuration says nothing.
pub const RENDER_CONCURRENCY: usize = 4;
/// Renderings at once per engine at most: beyond what any plan of a service allows.
pub const RENDER_CONCURRENCY_MOST: usize = 64;
/// Connecting to a speech service (name, TCP, TLS) may take this long.
pub const SERVICE_CONNECT: Duration = Duration::from_secs(5);
/// A speech service may be silent for this long: it speaks a whole phrase before its first byte.
pub const SERVICE_IDLE: Duration = Duration::from_secs(30);
/// A speech service's whole answer must be there within this time, however slowly it drips: less than [`RENDER_TIMEOUT`].
pub const SERVICE_WHOLE: Duration = Duration::from_secs(55);
/// Bytes of a speech service's answer: five minutes of 48 kHz sound in base64.
pub const SERVICE_BODY_BYTES: usize = 64 << 20;
/// Bytes of one message of a speech service's socket: a minute of 48 kHz sound in base64.
pub const SERVICE_MESSAGE_BYTES: usize = 16 << 20;
/// Messages of one reading by a socket: five minutes of sound in pieces of 20 ms, and as many words.
pub const SERVICE_MESSAGES: usize = 40_000;
/// Characters kept of a service's words about a fault.
pub const SERVICE_WORDS: usize = 300;
/// Waits of one request for a slot of our own, after the service said that too many are speaking.
pub const SERVICE_SLOT_WAITS: u32 = 8;
/// Voices that a list shows: the largest library has a few thousand.
pub const VOICES: usize = 10_000;
/// Pages of a service's list of voices that are followed.
pub const VOICE_PAGES: usize = 100;
/// Listing the voices of one engine may take this long, all pages.
pub const VOICES_WAIT: Duration = Duration::from_secs(60);
/// One rendering may take this long.
pub const RENDER_TIMEOUT: Duration = Duration::from_secs(60);
/// Tries of one rendering: a busy engine gets two more chances, a broken one does not hold up the others.
pub const RENDER_TRIES: u32 = 3;
/// Wait before the second try; doubles for the third.
pub const RENDER_BACKOFF: Duration = Duration::from_millis(500);
/// Longest wait that a busy engine may ask for.
pub const RENDER_BACKOFF_MOST: Duration = Duration::from_secs(30);
/// Renderings of one phrase that somebody may refuse by ear before it is given up.
pub const ACCEPT_TRIES: u32 = 20;
/// Longest wait for another process that renders the same phrase: all its tries and pauses, and some.
pub const RENDER_WAIT: Duration = Duration::from_secs(300);
/// Bytes an engine may write to its standard output.
pub const ENGINE_OUTPUT_BYTES: usize = 64 << 20;
/// Texts waiting for the embedded engine, which speaks one at a time; a renderer offers it a handful.
pub const PICO_QUEUE: usize = 64;
/// Bytes of an engine's standard error that are kept for its fault.
pub const ENGINE_STDERR_BYTES: usize = 2_048;
/// Bytes of a configuration file.
pub const CONFIG_BYTES: u64 = 1 << 20;
/// Bytes of a label file beside a recording.
pub const LABELS_BYTES: u64 = 4 << 20;

/// Bytes of one CSV record.
pub const CSV_RECORD_BYTES: usize = 1 << 20;
/// Bytes of one CSV field.
pub const CSV_FIELD_BYTES: usize = 64 << 10;
/// Rows looked at to find the header behind a preamble, and the separator.
pub const PREAMBLE_ROWS: usize = 40;
/// Bytes with letters beyond ASCII that are looked at to tell one encoding from another.
pub const DETECT_BYTES: usize = 4 << 20;
/// Rows of an Excel sheet, its header among them.
pub const WORKBOOK_ROWS: u64 = 1_048_576;
/// Bytes that a workbook may unpack to: its shared texts are held in memory.
pub const WORKBOOK_BYTES: u64 = 512 << 20;
/// Ranges of numbers on the suppression list: each check compares with all of them by index; more is a file's work.
pub const SUPPRESSION_PREFIXES: u64 = 10_000;
/// Numbers of a list written, removed or looked at in one transaction: about ten milliseconds, so that no call waits for it.
pub const LIST_CHUNK: usize = 500;
/// Rows in a hundred of a do-not-call file that may be unreadable; beyond it the file proves nothing.
pub const LIST_BAD_PERCENT: u64 = 1;
/// Page cache of an importing connection, KiB: the indexes' upper pages of some ten million leads.
pub const IMPORT_CACHE_KIB: i64 = 40 << 10;
/// Chunks of an import that were read and wait to be written.
pub const IMPORT_CHUNKS_AHEAD: usize = 2;
/// Pages of the write-ahead log after which an importing connection copies them into the ledger: 56 MiB, so that a page
/// that many rows touch is copied once.
pub const IMPORT_WAL_PAGES: i64 = 14_336;
/// Examples of each kind that an import shows.
pub const EXAMPLES: usize = 10;
/// Characters of a tag.
pub const TAG_CHARS: usize = 64;
/// Tags of one lead.
pub const TAGS: usize = 64;
/// Further numbers of one lead.
pub const MORE_PHONES: usize = 8;
/// Bytes of a filter over leads: a person typed it.
pub const FILTER_BYTES: usize = 4_096;
/// Questions in one filter; each may read an index or a table once a lead.
pub const FILTER_TERMS: usize = 64;
/// Brackets and `not` inside one another: reading them takes stack.
pub const FILTER_DEPTH: usize = 32;
/// Values of one `in (…)`.
pub const FILTER_VALUES: usize = 500;
/// Leads that one statement writes.
pub const IMPORT_BATCH: usize = 32;
/// Rows of a file that are read and handed on together; an import writes them in one transaction, or a few.
pub const IMPORT_CHUNK: usize = 4_000;

/// How long the number that a callee is connected with may ring.
pub const TRANSFER_RING: Duration = Duration::from_secs(25);
/// The carrier must have taken a transfer by then.
pub const TRANSFER_WAIT: Duration = Duration::from_secs(10);

/// How long we wait for a machine to come to its beep.
pub const BEEP_WAIT: Duration = Duration::from_secs(45);
/// A machine that has been silent for so long has no beep: we speak.
pub const BEEPLESS_SILENCE: Duration = Duration::from_millis(2_500);
/// A machine that asks who calls is silent for so long when it has asked; voicemails beep before.
pub const ASKED_SILENCE: Duration = Duration::from_millis(1_500);
/// … and for so long, if its words said that it asks.
pub const ASKED_PAUSE: Duration = Duration::from_millis(400);
/// Sound of a machine's first words that is put down: who it is has been said by then.
pub const FIRST_WORDS: Duration = Duration::from_secs(9);
/// How long we wait for them to be put down; then sound alone decides.
pub const WORDS_WAIT: Duration = Duration::from_secs(6);
/// How long its owner may take to come to the line.
pub const SCREENING_WAIT: Duration = Duration::from_secs(30);
/// Longest "hello?" of an owner; the screener's own "please stay on the line" is longer.
pub const HELLO_AT_MOST: Duration = Duration::from_millis(1_200);
/// Bytes of one media message (Twilio sends about 400; 64 KiB leaves room for two seconds of sound).
pub const MEDIA_MESSAGE_BYTES: usize = 64 << 10;
/// A request's head must be there within this time; a connection that asks nothing for so long is closed.
pub const HTTP_HEAD: Duration = Duration::from_secs(5);
/// A request's body must be there within this time.
pub const HTTP_BODY: Duration = Duration::from_secs(10);
/// Bytes of a request's head. A carrier's longest is about 2 KiB.
pub const HTTP_HEAD_BYTES: usize = 16 << 10;
/// Headers of a request.
pub const HTTP_HEADERS: usize = 64;
/// Connections at once that have shown no right signature: requests are answered in milliseconds, so this is plenty.
pub const STRANGERS: usize = 1_024;
/// Of these from one address, loopback excepted.
pub const STRANGERS_PER_ADDRESS: usize = 128;
/// Wait when the system gives no more connections, unless one ends sooner.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Bytes of one webhook body.
pub const WEBHOOK_BYTES: usize = 256 << 10;
/// Our sound that waits for a leg without a buffer of its own: ten minutes, longer than any phrase.
pub const LEG_SAMPLES: usize = 8_000 * 600;
/// Longest event of a telephone system: an Asterisk's channel with its variables.
pub const PBX_EVENT_BYTES: usize = 256 << 10;
/// Events of a telephone system that are worked on at once; more wait in its socket.
pub const PBX_EVENTS: usize = 256;
/// Connections to our AudioSocket that have not named themselves, and how long they may take.
pub const LEG_STRANGERS: usize = 64;
/// See [`LEG_STRANGERS`].
pub const LEG_NAME: Duration = Duration::from_secs(2);
/// Messages between a leg and its session.
pub const LEG_MESSAGES: usize = 256;
/// How long an answered call waits for its media leg: it was there before the phone rang, or never comes.
pub const LEG_WAIT: Duration = Duration::from_secs(2);
/// First and longest wait before an event socket that broke is opened again.
pub const EVENTS_BACKOFF: Duration = Duration::from_millis(200);
/// See [`EVENTS_BACKOFF`].
pub const EVENTS_BACKOFF_MOST: Duration = Duration::from_secs(5);
/// An event socket that says nothing is asked for a sign of life this often, and given up after twice the time.
pub const EVENTS_PING: Duration = Duration::from_secs(15);
/// Nesting of a media message; Twilio's deepest has four levels.
pub const MEDIA_DEPTH: usize = 16;
/// Malformed media messages in a row that end a stream.
pub const BAD_MEDIA_IN_A_ROW: u32 = 50;
/// A media token is good for this long after its attempt's answer could come.
pub const TOKEN_LIFE: Duration = Duration::from_secs(600);
/// Participants of a telephone system that are read from one answer or held in memory: more than one carries at once.
pub const PBX_PARTICIPANTS: usize = 4_096;
/// Participants that are gone and remembered, so that what is told of them late makes no new call of them.
pub const PBX_GONE: usize = 1_024;
/// Between two looks at everything while a call is there: an event that was lost costs as much silence at most.
pub const PBX_LOOK: Duration = Duration::from_secs(2);
/// Between two looks that gaps in the events, or an add-on's words, ask for.
pub const PBX_LOOK_LEAST: Duration = Duration::from_millis(500);
/// A call that is shown no more and whose end nobody told is forgotten here after this; the sweep asks about it.
pub const PBX_MISSED: Duration = Duration::from_secs(60);
/// Longest life of an access token here; it is renewed before a telephone system would end it (30 min).
pub const TOKEN_RENEW: Duration = Duration::from_secs(25 * 60);
/// Frames of ours that wait for a telephone system to take them, a second: more is dropped, after as much again the call is
/// given up.
pub const VOICE_FRAMES: usize = 50;
/// Pieces of the callee's sound that wait for our session.
pub const HEARD_PIECES: usize = 256;
/// How often a sound stream that broke in the middle of a call is opened again.
pub const VOICE_REOPENS: u32 = 20;
/// Before a stream is opened again.
pub const VOICE_REOPEN_PAUSE: Duration = Duration::from_millis(100);
/// A sound stream may stay open for this long: longer than any call.
pub const VOICE_LONGEST: Duration = Duration::from_secs(6 * 3_600);
/// Bytes of one post of a telephone system's add-on.
pub const HOOK_BYTES: usize = 64 << 10;
/// Lines of an add-on's words in one call's log.
pub const HOOK_LINES: u32 = 64;
/// Media sockets at once; beyond it new ones are refused (never existing ones).
pub const STREAMS: usize = 4_096;
/// Bytes of a carrier's answer that are read.
pub const CARRIER_BODY_BYTES: usize = 4 << 20;
/// Pages of a carrier's list that are followed.
pub const LIST_PAGES: usize = 100;
/// A list in order is read this far beyond the span that is asked for: calls made at once may stand in either order.
pub const LIST_ORDER_SLACK: Duration = Duration::from_secs(60);
/// Questions to one account per second: apart from the pace of calls, so that neither starves the other.
pub const QUESTIONS_PER_SECOND: f64 = 10.0;
/// Questions to one account at once: a slow one does not hold up the rest.
pub const QUESTIONS_AT_ONCE: usize = 4;
/// Open attempts of one caller number that are asked about one by one; more are asked about by one list of that number.
pub const ASK_SINGLY: usize = 3;
/// Calls that are being ended at once.
pub const ENDINGS_AT_ONCE: usize = 8;
/// How far a call's time may lie outside the order of an attempt that is over and still be taken for its call: whole
/// seconds at the carrier, and two clocks that differ.
pub const SURFACE_SLACK: Duration = Duration::from_secs(60);
/// At its start a run reads the carrier's list of its numbers at least this far back.
pub const CROSSCHECK_LEAST: Duration = Duration::from_secs(24 * 3_600);
/// And at most this far: the longest span over which calls to a number are counted.
pub const CROSSCHECK_MOST: Duration = Duration::from_secs(30 * 24 * 3_600);
/// Tries to read that list before a run gives up.
pub const CROSSCHECK_TRIES: u32 = 3;
/// Ids of calls that one piece of evidence names.
pub const EVIDENCE_SIDS: usize = 50;

/// A claim must be sent within this time, or not at all (docs/LEDGER.md).
pub const SEND_WINDOW: Duration = Duration::from_secs(3);
/// Orders in a row that the carrier leaves unanswered before a run calls nobody new: each is an unknown outcome.
pub const SILENT_ORDERS: u32 = 10;
/// Requests in a row that the carrier calls wrong, for no reason that we know, before the account stops: one alone is its
/// lead's matter.
pub const ODD_REQUESTS: usize = 3;
/// A number that the carrier refuses to call from is not tried again for this long, unless a person resumes it.
pub const CALLER_REST: Duration = Duration::from_secs(24 * 3_600);
/// Our wall clock may differ this much from the carrier's before it is told.
pub const CLOCK_WARN: Duration = Duration::from_secs(30);
/// Our wall clock may differ this much from the carrier's before nobody is called by it.
pub const CLOCK_REFUSE: Duration = Duration::from_secs(300);
/// The wall clock may move this much against the boot clock before claims stop.
pub const CLOCK_DRIFT: Duration = Duration::from_secs(60);
/// Between two questions to the carrier what time it is, while our own clocks disagree.
pub const CLOCK_ASK: Duration = Duration::from_secs(10);
/// Between two such questions in a quiet run.
pub const CLOCK_ASK_CALM: Duration = Duration::from_secs(600);
/// Time in the carrier's own queue above which we call more slowly.
pub const QUEUE_TIME: Duration = Duration::from_secs(2);
/// Calls made longer ago say nothing about the carrier's queue now.
pub const QUEUE_NEWS: Duration = Duration::from_secs(60);
/// Failing attempts that are kept with a stop of the account.
pub const STOP_ATTEMPTS: usize = 100;
/// A call to us opens its stream within this time after the carrier asked what to do with it.
pub const INBOUND_START: Duration = Duration::from_secs(30);
/// Largest file of tickets, in bytes.
pub const TICKET_FILE_BYTES: u64 = 64 << 20;
/// Longest note of a ticket, in characters.
pub const TICKET_NOTE: usize = 500;
/// Most tickets in one file.
pub const TICKETS: usize = 500_000;
/// Ids of leads that a desk has ready for new callers; more are fetched when half of them are gone. A storm that is faster
/// than the ledger gets its ids when it is written down.
pub const INBOUND_LEADS: u32 = 256;
/// New callers that a desk remembers by number until it opens anew: some fifty bytes each. Who is forgotten gets their lead
/// when they are written down.
pub const INBOUND_CALLERS: usize = 1_000_000;
/// A voice changes in a call after so much silence behind a turn of the agent: shorter than the pause in which most people begin
/// to answer, longer than the holes that a network leaves in a turn. Milliseconds.
pub const SWITCH_GAP_MS: u64 = 500;
/// Lines that the session with the other voice is told, the newest.
pub const SWITCH_LINES: usize = 60;
/// A caller's wish to be called back is durable within this time, or not promised: the line is silent meanwhile.
pub const PROMISE_WAIT: Duration = Duration::from_secs(3);
/// Wishes that are looked after at once; the others wait for their turn.
pub const WISHES: u32 = 64;
/// Between two looks for wishes.
pub const WISH_EVERY: Duration = Duration::from_secs(1);
/// A wish that the account, the pace or another call of the number stands against is tried again after this time.
pub const WISH_AGAIN: Duration = Duration::from_secs(15);
/// Calls whose answer is kept, for a carrier that asks again.
pub const INBOUND_REPEATS: usize = 4_096;
/// Tries to write down what became of an attempt while another process holds the ledger.
pub const LEDGER_TRIES: u32 = 5;
/// One POST to the carrier may take this long.
pub const PLACE_TIMEOUT: Duration = Duration::from_secs(10);
/// Facts waiting for the ledger's writer; beyond it webhooks get 503 and the carrier repeats them.
pub const LEDGER_QUEUE: usize = 4_096;
/// Jobs that one group commit takes.
pub const GROUP_COMMIT: usize = 256;
/// Longest time the ledger waits for another process's lock.
pub const LEDGER_BUSY: Duration = Duration::from_secs(5);
/// Open files kept back from calls: ledger, logs, ports, the runtime, connections of others.
pub const FILES_RESERVED: u64 = 64;
/// Open files of one call: its stream, two files of its log, a callback, a request to the carrier; and three more if the
/// embedded carrier lives in this process.
pub const FILES_A_CALL: u64 = 8;
/// A transaction of an import, or of another command's long work, begins nothing more after this time: with its flush it
/// stays under 50 ms, and a claim waits for no longer than one of them.
pub const PORTION: Duration = Duration::from_millis(40);
/// The same of an import while nobody dials: a page of an index that many leads touch is then written a few times instead
/// of a few hundred. Who begins to dial, or changes something, waits for no longer.
pub const PORTION_ALONE: Duration = Duration::from_millis(1_000);
/// Pause between two such transactions, in which a dialing process gets the lock (it asks every millisecond).
pub const PORTION_PAUSE: Duration = Duration::from_millis(2);
/// A ledger up to this size is checked whole at each start (64 MiB take about a third of a second).
pub const LEDGER_CHECK_BYTES: i64 = 64 << 20;
/// Nobody new is called with less room than this on the ledger's disk, if the configuration says nothing: a call's
/// recording takes 2 MiB a minute. Bytes.
pub const FREE_FLOOR_BYTES: u64 = 256 << 20;
/// The reserve that is let go when the ledger's disk is full, if the configuration says nothing. Bytes.
pub const BALLAST_BYTES: u64 = 64 << 20;
/// Room that the next commits of the ledger may need, log and checkpoint included; below it the reserve is let go. Bytes.
pub const LEDGER_NEEDS_BYTES: u64 = 6 << 20;
/// A write-ahead log over this size is looked into: some reader holds it back. Twice what it is cut back to. Bytes.
pub const LEDGER_WAL_WATCH: u64 = 128 << 20;
/// Chunks of sound waiting for the recorder's disk, over all calls (a chunk is up to one second of one call).
pub const RECORDER_QUEUE: usize = 4_096;

/// Time zones kept parsed: the database has about 600 names.
pub const ZONE_CACHE: usize = 1_024;
/// Bytes kept of a carrier's words about a call.
pub const FACT_BODY_BYTES: usize = 4 << 10;
/// Facts kept about attempts that the ledger does not know: a copied ledger or a stranger must not fill the disk.
pub const ORPHAN_FACTS: u32 = 10_000;
/// Rows that one listing reads at once, if it names no limit.
pub const LIST_ROWS: u32 = 10_000;
/// Columns of a lead file.
pub const CSV_COLUMNS: usize = 256;
/// Times that one refused row is told about with its reason on the terminal; the file has them all.
pub const REJECTS_SHOWN: usize = 10;
/// Prepared statements kept per ledger connection: more than there are verbs.
pub const LEDGER_STATEMENTS: usize = 128;
/// The ledger's write-ahead log is cut back to this size after a checkpoint.
pub const LEDGER_WAL_BYTES: i64 = 64 << 20;
/// Chunks of 32 ms of one stream waiting for the voice network; later ones count as silence. Two seconds.
pub const VAD_BACKLOG: usize = 64;
/// A gap in a stream is filled with at most this much silence; a longer one is shortened to it, and counted.
pub const GAP_FILL_MS: u64 = 10_000;
/// Clips that one stream's playout holds.
pub const PLAYOUT_CLIPS: usize = 32;
/// Seconds of the callee's sound kept for an agent that is not ready: what it missed is handed over to it.
pub const AGENT_OWED_SECONDS: usize = 30;
/// Seconds of an agent's voice that may wait to be played; no more is read from it until some was.
pub const AGENT_AHEAD_SECONDS: u64 = 120;
/// What an agent and its call have told each other and not yet taken. Full: the callee's sound is dropped and counted.
pub const AGENT_QUEUE: usize = 1_024;
/// Bytes of one message of an agent's service: a minute of sound in base64.
pub const AGENT_MESSAGE_BYTES: usize = 4 << 20;
/// Characters kept of one thing that was said.
pub const AGENT_WORDS: usize = 4_000;
/// Connecting an agent and priming its session may take this long.
pub const AGENT_CONNECT: Duration = Duration::from_secs(10);
/// An agent's service that takes none of our messages for this long is gone.
pub const AGENT_STALL: Duration = Duration::from_secs(5);
/// Agent sessions at once, unless the configuration says otherwise.
pub const AGENT_SLOTS: usize = 50;
/// The same at most.
pub const AGENT_SLOTS_MOST: usize = 2_000;
/// Characters of an agent's prompt.
pub const PROMPT_CHARS: usize = 64_000;
/// Characters of one fact about a lead in a prompt.
pub const PROMPT_FACT_CHARS: usize = 200;
/// A media socket must say `start` within this time.
pub const STREAM_START: Duration = Duration::from_secs(10);
/// A media socket that says nothing for this long is half-open: a live one sends 50 frames a second.
pub const STREAM_IDLE: Duration = Duration::from_secs(10);
/// A carrier that takes nothing of what waits to be sent for this long has stalled.
pub const STREAM_STALL: Duration = Duration::from_secs(5);
/// A person who talks on after the greeting is listened to for this much longer at most.
pub const LISTEN_EXTRA: Duration = Duration::from_secs(60);
/// An opt-out must be durable within this time; then the call ends without the confirmation (and the summary repeats it).
pub const OPT_OUT_WAIT: Duration = Duration::from_secs(10);
/// A finished call is hung up at the carrier within this time; then its socket is closed all the same.
pub const HANG_UP_WAIT: Duration = Duration::from_secs(5);
/// A carrier's recording that is not there after this long is given up: it is missing.
pub const RECORDING_GIVEN_UP: Duration = Duration::from_secs(24 * 3_600);
/// One fetch of a recording; what came is kept, and the next one goes on there.
pub const RECORDING_FETCH: Duration = Duration::from_secs(120);
/// Connections that one look takes for a recording that breaks on its way.
pub const RECORDING_PARTS: u32 = 10;
/// Bytes of a carrier's recording: four hours of two channels of 16 bits at 8 000 Hz, and some.
pub const CARRIER_RECORDING_BYTES: u64 = 512 << 20;
/// Recordings fetched at once.
pub const RECORDINGS_AT_ONCE: usize = 8;
/// Recordings that one look takes up.
pub const RECORDINGS_A_LOOK: u32 = 64;
/// A run that is over waits this long for recordings that are nearly ready; the rest is left to `ahoy calls fetch`.
pub const RECORDINGS_AT_END: Duration = Duration::from_secs(5);
/// Tries of a transcript or summary after a call; then it is missing, with the reason of the last.
pub const WRITING_TRIES: u32 = 6;
/// A transcript or summary that is not there so long after its call is given up, whatever was in the way.
pub const WRITING_GIVEN_UP: Duration = Duration::from_secs(7 * 86_400);
/// Longest wait between two of these tries.
pub const WRITING_WAIT_MOST: Duration = Duration::from_secs(6 * 3_600);
/// A service that refuses the account is asked again after this.
pub const WRITING_ACCOUNT_WAIT: Duration = Duration::from_secs(600);
/// The folder of a call whose process died is looked for this long after its end: until then it may still be written.
pub const WRITING_ORPHANED: Duration = Duration::from_secs(60);
/// Calls that are written down at once: each holds its recording in memory.
pub const WRITINGS_AT_ONCE: usize = 2;
/// Transcripts or summaries that one look takes up.
pub const WRITINGS_A_LOOK: u32 = 32;
/// A run that is over waits this long for its last transcripts and summaries; the rest is left to `ahoy calls fetch`.
pub const WRITINGS_AT_END: Duration = Duration::from_secs(15);
/// Longest piece of sound that a transcriber gets, ms: within what every service takes at once.
pub const WRITING_PIECE_MS: u64 = 60_000;
/// Pieces of one call.
pub const WRITING_PIECES: usize = 500;
/// Characters of what was said that a model gets to sum up: about an hour of talk.
pub const SUMMARY_INPUT_CHARS: usize = 60_000;
/// Characters of a summary.
pub const SUMMARY_CHARS: usize = 1_200;
/// Characters of its next step.
pub const NEXT_STEP_CHARS: usize = 300;
/// Artefacts of unknown calls that the ledger keeps; further ones are only logged.
pub const STRAY_ARTEFACTS: u32 = 10_000;

/// Prices are asked for calls of so many days: the carrier's lists are not read further back.
pub const PRICE_DAYS: u64 = 30;
/// Playback without mark echoes counts as done this long after its computed end.
pub const PLAYOUT_GRACE_MS: u64 = 2_000;
/// Call folders read by one command.
pub const CALL_FOLDERS: usize = 1_000_000;
/// Bytes of one call's event log that are read.
pub const EVENT_LOG_BYTES: u64 = 16 << 20;
/// Streams that may be expected at once; beyond it no attempt is started.
pub const EXPECTED_STREAMS: usize = 65_536;
/// Connecting to the carrier (name, TCP, TLS) may take this long: less than [`PLACE_TIMEOUT`], so that it is proof of "not sent".
pub const PLACE_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Faults, alarms or files that one report lists by name; further ones are counted.
pub const REPORT_LINES: usize = 100;
/// Campaigns that the live screen knows by name; further ones count with the last.
pub const SCREEN_CAMPAIGNS: usize = 64;
/// Live calls that the live screen follows; further ones are counted.
pub const SCREEN_CALLS: usize = 4_096;
/// Latencies that the live screen's percentiles are made of: the last ones.
pub const SCREEN_LATENCIES: usize = 4_096;

/// Calls that the embedded carrier remembers (log, lists); beyond it new ones get 429.
pub const SIM_CALLS: usize = 500_000;
/// Events waiting for one call of the embedded carrier: its own and those of the REST interface.
pub const SIM_EVENTS: usize = 32;
/// Samples of ours that one stream of the embedded carrier holds: ten minutes.
pub const SIM_QUEUE_SAMPLES: usize = 8_000 * 600;
/// Documents that one call of the embedded carrier runs, so that a redirect to itself ends.
pub const SIM_DOCUMENTS: u32 = 20;
/// A webhook of ours must answer the embedded carrier within this time, connecting included (the real one's bound).
pub const SIM_WEBHOOK: Duration = Duration::from_secs(15);
/// Writing one message to our media socket may take the embedded carrier this long.
pub const SIM_MEDIA_WRITE: Duration = Duration::from_secs(5);
/// Bytes of a document that the embedded carrier reads.
pub const SIM_DOCUMENT_BYTES: usize = 64 << 10;

/// Bytes of one line on the control socket: a run of every campaign of a large workspace fits.
pub const CONTROL_LINE: usize = 64 << 10;
/// Terminals on the control socket at once; more are closed at once.
pub const CONTROL_CLIENTS: usize = 32;
/// Notes waiting for one terminal; one that reads more slowly misses notes, and the engine never waits for it.
pub const CONTROL_NOTES: usize = 1_024;
/// A terminal must say what it wants within this time.
pub const CONTROL_REQUEST: Duration = Duration::from_secs(5);
/// A terminal must take one line within this time.
pub const CONTROL_WRITE: Duration = Duration::from_secs(5);
/// An engine that has just taken the lock opens its socket within this time.
pub const CONTROL_OPENS: Duration = Duration::from_secs(5);
/// Of an answer to an order that cannot be read, so much is kept in the log: enough for an error page's title.
pub const ODD_BODY_BYTES: usize = 512;
/// Before the end of `--max-runtime`, nobody is left ringing.
pub const RUNTIME_UNANSWERED: Duration = Duration::from_secs(5);
/// Before the end of `--max-runtime`, live calls are hung up.
pub const RUNTIME_HANG_UP: Duration = Duration::from_secs(2);

/// Clones made at once, if the configuration says nothing: a plan's speech goes on beside them.
pub const CLONES_AT_ONCE: usize = 4;
/// The same at most: beyond what any plan of a service takes.
pub const CLONES_AT_ONCE_MOST: usize = 32;
/// Callers whose clone waits for its turn; further ones are told so at once.
pub const CLONES_WAITING: usize = 1_024;
/// Calls that wait for one clone and are written down with it; further ones are served and not written down.
pub const CLONE_CALLS: usize = 64;
/// A caller waits for a clone no longer than this, if the configuration says nothing.
pub const CLONE_TIMEOUT: Duration = Duration::from_secs(60);
/// The upload of a sample and its answer may take this long, whoever still waits for it.
pub const CLONE_UPLOAD: Duration = Duration::from_secs(180);
/// An upload whose answer was lost may still become a voice for this long: until then it is looked for and never repeated.
pub const CLONE_HORIZON: Duration = Duration::from_secs(600);
/// Between two looks for such a voice: the first wait, which doubles up to the second.
pub const CLONE_LOOK: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(8)];
/// Tries of one clone while the service is busy, away or failing.
pub const CLONE_TRIES: u32 = 5;
/// Wait before the second of them; it doubles.
pub const CLONE_BACKOFF: Duration = Duration::from_secs(1);
/// A clone used so recently may speak in a call: it is not deleted for want of a slot.
pub const CLONE_IN_USE: Duration = Duration::from_secs(4 * 3_600);
/// A use is written down again after this time only.
pub const CLONE_USED_EVERY: Duration = Duration::from_secs(60);
/// Who has just been told that there is no clone is told the same without another look for this long.
pub const CLONE_REST: Duration = Duration::from_secs(10);
/// The same for what a second look does not mend: a refused account, a refused or bad sample.
pub const CLONE_REST_LONG: Duration = Duration::from_secs(60);
/// Callers without a clone that are remembered so; further ones are looked for again.
pub const CLONE_RESTING: usize = 10_000;
/// Bytes of a sample as it is sent. The services here take 10 MiB at least.
pub const CLONE_SAMPLE_BYTES: usize = 10 << 20;
/// Fetching a sample by its address may take this long.
pub const CLONE_FETCH: Duration = Duration::from_secs(30);
/// Bytes of the list of samples.
pub const CLONE_LIST_BYTES: u64 = 32 << 20;
/// Rows of the list of samples.
pub const CLONE_LIST_ROWS: usize = 100_000;
/// Characters of a consent.
pub const CONSENT_CHARS: usize = 500;
/// What happened to clones, kept for the figures: a day of ten thousand calls with some room.
pub const CLONE_HAPPENINGS: usize = 65_536;
/// Between two looks at voices that are to be deleted, and at uploads whose answer was lost.
pub const CLONE_SWEEP: Duration = Duration::from_secs(60);
/// Voices that one such look takes up.
pub const CLONE_SWEEP_MOST: u32 = 64;
/// Before a voice that could not be deleted is tried again: the first wait, which doubles up to the second.
pub const CLONE_DELETE: [Duration; 2] = [Duration::from_secs(60), Duration::from_secs(6 * 3_600)];

/// Connections of the HTTP API at once; each may hold a request that waits.
pub const API_CONNECTIONS: usize = 256;
/// Of these from one address, loopback excepted.
pub const API_CONNECTIONS_PER_ADDRESS: usize = 64;
/// Bytes of a request's body: a lead with a hundred variables fits in.
pub const API_BODY_BYTES: usize = 64 << 10;
/// A request without the right token is answered after this time.
pub const API_WRONG_TOKEN: Duration = Duration::from_millis(500);
/// Such answers that wait at once; the rest are turned away without one.
pub const API_SLOWED: usize = 32;
/// What a look at readiness found holds for this long: probes of strangers cost the ledger one write in this time.
pub const API_READY_HOLDS: Duration = Duration::from_secs(1);
/// A look at the ledger for a probe or a page of figures may take this long.
pub const API_LOOK: Duration = Duration::from_secs(3);
/// Characters of an idempotency key.
pub const API_KEY_CHARS: usize = 255;
/// A key of a request is kept for this long (docs/API.md).
pub const API_KEY_LIFE: Duration = Duration::from_secs(24 * 3_600);
/// Expired keys that one new key clears away.
pub const API_KEYS_CLEARED: u32 = 100;
/// Variables of a person in a request.
pub const API_VARIABLES: usize = 256;
/// A call that was asked for waits for its turn at the account's pace for this long; then it is refused, for now.
pub const API_ORDER_WAIT: Duration = Duration::from_secs(8);
/// Calls that were asked for and wait for their turn at once.
pub const API_ORDERS: usize = 256;
/// A question for a caller's voice may wait for it this long: within the patience of proxies.
pub const API_CLONE_WAIT: Duration = Duration::from_secs(25);
/// Figures of cloning are over this window, if none is named.
pub const API_WINDOW: Duration = Duration::from_secs(3_600);
/// … and at most over this one.
pub const API_WINDOW_MOST: Duration = Duration::from_secs(24 * 3_600);
