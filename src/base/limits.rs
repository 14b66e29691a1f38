//! Every bound, with its name and its reason. Full means: refuse, and say so.

use std::time::Duration;

/// Characters of one phrase. Longer texts are refused before an engine sees them: no engine here takes more in one request.
pub const PHRASE_CHARS: usize = 3_000;
/// Bytes of one WAV file read into memory: five minutes of 48 kHz stereo.
pub const WAV_BYTES: usize = 64 << 20;
/// Seconds of one rendered phrase. A longer one is an engine's fault.
pub const ASSET_SECONDS: u32 = 300;
/// Renderings at once per engine, if the configuration says nothing.
pub const RENDER_CONCURRENCY: usize = 4;
/// One rendering may take this long.
pub const RENDER_TIMEOUT: Duration = Duration::from_secs(60);
/// Bytes an engine may write to its standard output.
pub const ENGINE_OUTPUT_BYTES: usize = 64 << 20;
/// Bytes of a configuration file.
pub const CONFIG_BYTES: u64 = 1 << 20;

/// Bytes of one CSV record.
pub const CSV_RECORD_BYTES: usize = 1 << 20;
/// Bytes of one CSV field.
pub const CSV_FIELD_BYTES: usize = 64 << 10;
/// Leads written in one transaction of an import.
pub const IMPORT_CHUNK: usize = 1_000;

/// Bytes of one media message (Twilio sends about 400; 64 KiB leaves room for two seconds of sound).
pub const MEDIA_MESSAGE_BYTES: usize = 64 << 10;
/// Bytes of one webhook body.
pub const WEBHOOK_BYTES: usize = 256 << 10;
/// Malformed media messages in a row that end a stream.
pub const BAD_MEDIA_IN_A_ROW: u32 = 50;
/// A media token is good for this long after its attempt's answer could come.
pub const TOKEN_LIFE: Duration = Duration::from_secs(600);
/// Media sockets at once; beyond it new ones are refused (never existing ones).
pub const STREAMS: usize = 4_096;
/// Bytes of a carrier's answer that are read.
pub const CARRIER_BODY_BYTES: usize = 4 << 20;
/// Pages of a carrier's list that are followed.
pub const LIST_PAGES: usize = 100;

/// A claim must be sent within this time, or not at all (reliability.md 3.3).
pub const SEND_WINDOW: Duration = Duration::from_secs(3);
/// One POST to the carrier may take this long.
pub const PLACE_TIMEOUT: Duration = Duration::from_secs(10);
/// Facts waiting for the ledger's writer; beyond it webhooks get 503 and the carrier repeats them.
pub const LEDGER_QUEUE: usize = 4_096;
/// Jobs that one group commit takes.
pub const GROUP_COMMIT: usize = 256;
/// Longest time the ledger waits for another process's lock.
pub const LEDGER_BUSY: Duration = Duration::from_secs(5);
/// Chunks of sound waiting for the recorder's disk, over all calls (a chunk is up to one second of one call).
pub const RECORDER_QUEUE: usize = 16_384;
