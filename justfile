# `just` lists the recipes; `just check` is what CI runs.

_list:
    @just --list

# Everything that must pass before a commit
check: fmt clippy test doc

# Formatting
fmt:
    cargo fmt --check

# Lints, warnings are errors
clippy:
    cargo clippy --locked --all-targets -- -D warnings

# All tests that need nothing but Rust and a C toolchain
test:
    cargo test --locked

# Documentation, warnings are errors
doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps

# The main job on the embedded carrier
demo *ARGS:
    cargo run --locked --release -- demo {{ARGS}}

# The ear on the committed example set; docs/VAD.md has the larger sets
ear *ARGS:
    cargo bench --locked --bench ear -- {{ARGS}}

# Benchmarks; results with machine and date belong in docs/BENCHMARKS.md
bench *ARGS:
    cargo bench --locked {{ARGS}}

# Licences, banned crates, sources (needs cargo-deny)
deny:
    cargo deny --offline check licenses bans sources

# Known vulnerabilities (needs cargo-deny and the network)
advisories:
    cargo deny check advisories

# The committed phrase book of campaigns/ci-example against its committed audio
verify-example:
    cargo run --locked --release -- cache verify ci-example --locked

# Crash tests with more kills than `cargo test` does
crash KILLS="40":
    AHOY_CRASH_KILLS={{KILLS}} cargo test --locked --release --test together crash:: -- --nocapture

# Every write, flush, rename and removal fails once, or for good, or is the last before a power cut (hours)
io-faults:
    AHOY_IO_FAULTS=all cargo test --locked --release --test together io_faults:: -- --nocapture

# The deterministic simulator over many seeds (docs/SIMULATOR.md); `just sim 100000` overnight
sim SEEDS="1000" FIRST="0":
    AHOY_SEEDS={{SEEDS}} AHOY_FIRST_SEED={{FIRST}} cargo test --locked --release --lib any_weather -- --nocapture

# One seed with its whole trace
sim-seed SEED:
    AHOY_SEED={{SEED}} cargo test --locked --lib any_weather -- --nocapture

# A crash at every pair of effects
crash-points:
    AHOY_CRASH_PAIRS=1 cargo test --locked --release --lib crash_points -- --nocapture

# Twilio's own Python SDK against `ahoy sim` (needs Python; installs `twilio` in a virtual environment)
twilio-sdk:
    python3 -m venv target/twilio-sdk
    target/twilio-sdk/bin/pip install --quiet twilio
    cargo build --locked
    target/twilio-sdk/bin/python tools/twilio-sdk-check.py target/debug/ahoy

# The same with its Node package (needs Node; installs `twilio` below target)
twilio-node:
    npm install --silent --no-audit --no-fund --prefix target/twilio-node twilio
    cargo build --locked
    node tools/twilio-sdk-check.mjs target/debug/ahoy target/twilio-node

# 200,000 spellings of numbers against Google's libphonenumber (needs Python; the version is that of our metadata)
phonenumbers:
    python3 -m venv target/phonenumbers
    target/phonenumbers/bin/pip install --quiet phonenumbers==9.0.42
    cargo build --locked --release
    target/phonenumbers/bin/python tools/phonenumbers-check.py target/release/ahoy

# The placing protocol, explored with more attempts than `cargo test` does (4 take minutes and gigabytes)
model DEPTH="4":
    AHOY_MODEL_DEPTH={{DEPTH}} cargo test --locked --release --test model -- --nocapture --test-threads=1

# Every quarter of an hour of ten years in every time zone, and the other properties
properties-full:
    AHOY_PROPERTIES=full cargo test --locked --release --test together properties:: -- --nocapture

# Alert rules by promtool, and the page of metrics of a real server (needs promtool, of the package prometheus)
alerts:
    promtool check rules docs/grafana/alerts.yml
    cargo build --locked
    tools/metrics-check.sh target/debug/ahoy

# Fuzz each target for so many seconds (needs cargo-fuzz)
fuzz SECONDS="60":
    #!/usr/bin/env bash
    set -euo pipefail
    for target in webhook media csv config wav twiml; do
        mkdir -p fuzz/corpus/$target
        RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer none $target fuzz/corpus/$target tests/data/fuzz/$target -- \
            -max_total_time={{SECONDS}} -max_len=65536
    done

# Mutants of the machine that decides what an answer means (needs cargo-mutants); docs/MUTANTS.md has the record
mutants *FILES="src/core/dial/attempt.rs src/core/dial/verdict.rs src/core/dial/sweep.rs":
    cargo mutants $(printf -- '-f %s ' {{FILES}}) --timeout 120 -- --lib --test together -- core::dial properties::
