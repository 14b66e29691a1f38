//! The fold and the frame: what a person sees of a run, at three widths.

use super::*;
use crate::show::frame::{MOST_ROWS, Row, Size, frame};

fn boot(ms: u64) -> Boot {
    Boot(1_000_000_000 + ms * 1_000)
}

fn attempt(n: u8) -> AttemptId {
    AttemptId::mint(u64::from(n), [n; 10])
}

fn begin(names: &[&str]) -> Note {
    let opening = |name: &&str| Opening { campaign: (*name).to_owned(), leads: 100, over: 10, due: 40 };
    Note::Begin {
        campaigns: names.iter().map(opening).collect(),
        inherited: 0,
        carrier: "main".to_owned(),
        calls_per_second: 5.0,
        most_live: 20,
    }
}

fn dialed(n: u8, campaign: &str) -> Note {
    Note::Dialed { attempt: attempt(n), lead: LeadId(i64::from(n)), campaign: campaign.to_owned() }
}

fn ended(n: u8, outcome: Outcome, over: bool) -> Note {
    Note::Ended { attempt: attempt(n), outcome, over }
}

fn screen(notes: &[(u64, Note)]) -> Screen {
    let mut screen = Screen::default();
    for (ms, note) in notes {
        let _line = screen.take(boot(*ms), note);
    }
    screen
}

fn busy() -> Screen {
    let mut screen = screen(&[
        (0, begin(&["welcome", "a-second-campaign-with-a-long-name"])),
        (1_000, dialed(1, "welcome")),
        (1_000, dialed(2, "welcome")),
        (1_500, dialed(3, "a-second-campaign-with-a-long-name")),
        (1_600, Note::Placed(attempt(1))),
        (2_000, Note::Ringing(attempt(1))),
        (4_000, Note::Answered(attempt(1))),
        (4_200, Note::Speaking(attempt(1))),
        (5_000, Note::Unknown(attempt(3))),
        (6_000, ended(2, Outcome::Busy, false)),
        (6_000, Note::FirstAudio(attempt(2), 310)),
    ]);
    for n in 10..40 {
        let _line = screen.take(boot(6_000), &dialed(n, "welcome"));
    }
    screen
}

fn text(rows: &[Row]) -> String {
    rows.iter().map(|row| row.text.as_str()).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_call_is_live_once_and_its_lead_is_over_once() {
    let screen = busy();
    let welcome = &screen.campaigns[0];
    assert_eq!((welcome.live, welcome.over), (31, 10), "a busy lead comes back: it is not over");
    assert_eq!((screen.live_calls(), screen.unknown(), screen.ended), (32, 1, 1));
    let mut screen = screen;
    let _line = screen.take(boot(9_000), &ended(1, Outcome::Answered, true));
    let _line = screen.take(boot(9_000), &ended(1, Outcome::Answered, true));
    assert_eq!((screen.campaigns[0].live, screen.campaigns[0].over), (30, 11), "told twice, counted once");
}

#[test]
fn a_late_word_never_takes_a_call_back() {
    let mut screen = busy();
    let _line = screen.take(boot(7_000), &Note::Ringing(attempt(1)));
    assert_eq!(screen.calls[&attempt(1)].stage, Stage::Speaking);
    let _line = screen.take(boot(7_000), &Note::Ringing(attempt(3)));
    assert_eq!(screen.calls[&attempt(3)].stage, Stage::Ringing, "an unknown call that rings is known");
}

#[test]
fn the_rate_counts_the_last_seconds_only() {
    let mut screen = screen(&[(0, begin(&["welcome"]))]);
    for second in 0..100_u64 {
        for _ in 0..3 {
            let n = u8::try_from(second).expect("small");
            let _line = screen.take(boot(second * 1_000), &dialed(n, "welcome"));
        }
    }
    assert_eq!(screen.started_within(boot(99_000), 60), 180);
    assert_eq!(screen.pace(boot(99_900)), 3.0);
    assert_eq!(screen.started_within(boot(200_000), 60), 0);
}

#[test]
fn a_long_run_stays_within_its_bounds() {
    let mut screen = Screen::default();
    for n in 0..200_u32 {
        let _line = screen.take(boot(0), &begin(&[&format!("campaign-{n}")]));
    }
    assert_eq!(screen.campaigns.len(), limits::SCREEN_CAMPAIGNS);
    for n in 0..u64::try_from(limits::SCREEN_CALLS + 50).expect("small") {
        let id = AttemptId::mint(n, [0; 10]);
        let note = Note::Dialed { attempt: id, lead: LeadId(1), campaign: "campaign-1".to_owned() };
        let _line = screen.take(boot(n), &note);
        let _line = screen.take(boot(n), &Note::FirstAudio(id, 5));
        let _line = screen.take(boot(n), &Note::AccountStopped(format!("reason {n}")));
    }
    assert_eq!((screen.calls.len(), screen.unseen), (limits::SCREEN_CALLS, 50));
    assert_eq!(screen.live_calls() as usize, limits::SCREEN_CALLS + 50);
    assert_eq!(screen.first_audio().map(|q| q.count), Some(limits::SCREEN_LATENCIES));
    assert_eq!(screen.account_stopped.len(), limits::SCREEN_CAMPAIGNS);
}

#[test]
fn a_frame_fits_every_terminal() {
    let screen = busy();
    for columns in [1, 12, 40, 80, 120, 300] {
        for rows in [0, 1, 2, 5, 10, 24, 50, 200] {
            let frame = frame(&screen, boot(8_000), Size { columns, rows });
            assert!(
                frame.len() <= MOST_ROWS && frame.len() <= rows.saturating_sub(1),
                "{} rows in {rows}",
                frame.len()
            );
            for row in &frame {
                let width = console::measure_text_width(&row.text);
                assert!(width <= columns, "{width} > {columns}: {}", row.text);
            }
        }
    }
}

#[test]
fn forty_columns_keep_the_bar_and_the_calls() {
    let shown = text(&frame(&busy(), boot(8_000), Size { columns: 40, rows: 16 }));
    assert!(shown.contains("welcome    [=>>>>>>           ] 10/100"), "{shown}");
    assert!(shown.contains("lead 1      speaking        3 s"), "{shown}");
    assert!(shown.contains("lead 3      unknown         3 s"), "{shown}");
    assert!(shown.contains("… and"), "{shown}");
    assert!(shown.contains("lead 2      busy                5 s"), "{shown}");
}

#[test]
fn eighty_columns_tell_the_state_and_age_of_each_call() {
    let shown = text(&frame(&busy(), boot(8_000), Size { columns: 80, rows: 30 }));
    assert!(shown.contains("10/100 leads over · 31 live · 59 waiting"), "{shown}");
    assert!(shown.contains("4.1/s of 5/s · 33 in the last minute · live 32 of 20 · 1 unknown"), "{shown}");
    assert!(shown.contains("lead 1      speaking        3 s  welcome"), "{shown}");
    assert!(shown.contains("first audio p50 0.31"), "{shown}");
}

#[test]
fn a_stop_and_a_stopped_account_stay_on_the_screen() {
    let mut screen = busy();
    let told = screen.take(boot(7_000), &Note::AccountStopped("suspended".to_owned()));
    assert_eq!(told.as_deref(), Some("account stopped: suspended; nobody new is called"));
    assert_eq!(screen.take(boot(7_000), &Note::AccountStopped("suspended".to_owned())), None, "once");
    let _line = screen.take(boot(7_000), &Note::Stopping(Stop::Drain));
    for ms in 7_000..7_100 {
        let told = screen.take(boot(ms), &Note::Throttled);
        assert_eq!(told.is_some(), ms == 7_000, "a throttle is told once a minute");
    }
    let shown = text(&frame(&screen, boot(60_000), Size { columns: 120, rows: 30 }));
    assert!(shown.contains("! account stopped: suspended"), "{shown}");
    assert!(shown.contains("! stopping: live calls end by themselves"), "{shown}");
    assert!(shown.contains("slow down 100 times"), "{shown}");
}

#[test]
fn nothing_from_outside_paints_the_terminal() {
    let evil = "x\u{1b}[2J\u{202e}\r\n\u{7}y";
    let mut screen = screen(&[(0, begin(&[evil])), (1, dialed(1, evil))]);
    let mut lines = vec![
        screen.take(boot(2), &Note::Say(evil.to_owned())),
        screen.take(boot(2), &Note::AccountStopped(evil.to_owned())),
        screen.take(boot(2), &Note::Paused(evil.to_owned(), true)),
    ];
    assert!(screen.campaigns[0].paused);
    lines.extend(frame(&screen, boot(3), Size { columns: 120, rows: 30 }).into_iter().map(|row| Some(row.text)));
    for line in lines.into_iter().map(|line| line.expect("a line")) {
        assert!(!line.chars().any(|ch| ch.is_control() || ch == '\u{202e}'), "{line:?}");
    }
}

#[test]
fn a_pipe_hears_of_every_tenth_once() {
    let mut screen = screen(&[(0, begin(&["welcome"]))]);
    let mut told = 0;
    let mut lines = Vec::new();
    for n in 0..40 {
        let _line = screen.take(boot(1), &dialed(n, "welcome"));
        let _line = screen.take(boot(2), &ended(n, Outcome::Busy, false));
        if let Some((at, line)) = screen.milestone(told) {
            told = at;
            lines.push(line);
        }
    }
    assert_eq!(lines.len(), 10);
    assert_eq!(lines[0], "4 of 40 calls are over; 0 people have answered so far");
}
