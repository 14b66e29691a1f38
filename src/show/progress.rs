//! Progress bars on a terminal, nothing in a pipe: stderr only, so that results on stdout stay clean.

use std::time::Duration;

pub use indicatif::ProgressBar;
use indicatif::{ProgressDrawTarget, ProgressStyle};

/// A bar of `total` steps named `label`. Draws only if stderr is a terminal and `shown` is true.
pub fn bar(shown: bool, total: u64, label: &str) -> ProgressBar {
    let target = if shown { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(Some(total), target);
    let style = ProgressStyle::with_template("{prefix:>10} [{bar:32}] {pos}/{len} {msg} {elapsed}")
        .expect("the template is a constant")
        .progress_chars("=> ");
    bar.set_style(style);
    bar.set_prefix(label.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}

/// A bar for work that costs time and money: how much is left, and what `msg` says.
pub fn work_bar(shown: bool, label: &str) -> ProgressBar {
    let bar = bar(shown, 0, label);
    let style = ProgressStyle::with_template("{prefix:>10} [{bar:32}] {pos}/{len} {msg}, {elapsed} gone, {eta} to go")
        .expect("the template is a constant")
        .progress_chars("=> ");
    bar.set_style(style);
    bar
}

/// A bar for rows, with how many pass a second; its length is set when it is known.
pub fn rows_bar(shown: bool, label: &str) -> ProgressBar {
    let bar = bar(shown, 0, label);
    let style = ProgressStyle::with_template("{prefix:>10} [{bar:32}] {human_pos}/{human_len} rows {per_sec} {eta}")
        .expect("the template is a constant")
        .progress_chars("=> ");
    bar.set_style(style);
    bar
}
