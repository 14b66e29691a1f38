//! Finds the voice files of SVOX Pico, which ship inside the `ttspico-sys` crate, and copies them to `OUT_DIR`,
//! from where `src/edge/engine/pico/voices.rs` embeds them. Uses no network.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

const CRATE: &str = "ttspico-sys";
const VOICES: [&str; 12] = [
    "de-DE_gl0_sg.bin",
    "de-DE_ta.bin",
    "en-GB_kh0_sg.bin",
    "en-GB_ta.bin",
    "en-US_lh0_sg.bin",
    "en-US_ta.bin",
    "es-ES_ta.bin",
    "es-ES_zl0_sg.bin",
    "fr-FR_nk0_sg.bin",
    "fr-FR_ta.bin",
    "it-IT_cm0_sg.bin",
    "it-IT_ta.bin",
];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=Cargo.lock");
    if env::var_os("CARGO_FEATURE_PICO").is_none() {
        return;
    }
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let from = by_metadata(&root, &root.join("Cargo.toml"), &["--locked"])
        .or_else(|| by_small_metadata(&root, &out))
        .or_else(|| by_registry(&root));
    let Some(from) = from else {
        panic!("cannot find the voice files of {CRATE}: run `cargo fetch`, or build with --no-default-features");
    };
    for voice in VOICES {
        let (from, to) = (from.join(voice), out.join(voice));
        if let Err(fault) = fs::copy(&from, &to) {
            panic!("cannot copy {} to {}: {fault}", from.display(), to.display());
        }
    }
}

/// The voices' folder inside a folder of the crate, if they are there.
fn voices_in(krate: &Path) -> Option<PathBuf> {
    let folder = krate.join("build/pico/lang");
    VOICES.iter().all(|voice| folder.join(voice).is_file()).then_some(folder)
}

/// Asks cargo, offline, where the crate is: right with vendoring, patches and a moved CARGO_HOME.
fn by_metadata(root: &Path, manifest: &Path, more: &[&str]) -> Option<PathBuf> {
    let out = Command::new(env::var_os("CARGO")?)
        .args(["metadata", "--offline", "--format-version", "1", "--filter-platform", &env::var("TARGET").ok()?])
        .args(more)
        .arg("--manifest-path")
        .arg(manifest)
        .current_dir(root)
        .output()
        .ok()?;
    let text = String::from_utf8(out.stdout).ok()?;
    text.split("\"manifest_path\":\"").skip(1).find_map(|rest| {
        let path = rest.split('"').next()?.replace("\\\\", "\\");
        voices_in(Path::new(&path).parent()?)
    })
}

/// The same for a package that depends on nothing else: on a machine that has only built, never tested, the
/// dev-dependencies are not downloaded, and cargo's offline answer for the whole package is an error.
fn by_small_metadata(root: &Path, out: &Path) -> Option<PathBuf> {
    let folder = out.join("find-voices");
    fs::create_dir_all(folder.join("src")).ok()?;
    let manifest = format!(
        "[package]\nname = \"find-voices\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n{CRATE} = \"={}\"\n\n[workspace]\n",
        locked_version(root)?
    );
    fs::write(folder.join("Cargo.toml"), manifest).ok()?;
    fs::write(folder.join("src/lib.rs"), "").ok()?;
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).ok()?;
    by_metadata(root, &folder.join("Cargo.toml"), &[])
}

/// Where cargo unpacks crates, if it will not answer.
fn by_registry(root: &Path) -> Option<PathBuf> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| {
        let user = env::var_os("HOME").or_else(|| env::var_os("USERPROFILE"))?;
        Some(PathBuf::from(user).join(".cargo"))
    })?;
    let name = format!("{CRATE}-{}", locked_version(root)?);
    let registries = fs::read_dir(home.join("registry/src")).ok()?;
    registries.flatten().find_map(|registry| voices_in(&registry.path().join(&name)))
}

/// The crate's version in `Cargo.lock`.
fn locked_version(root: &Path) -> Option<String> {
    let lock = fs::read_to_string(root.join("Cargo.lock")).ok()?.replace('\r', "");
    let rest = lock.split_once(&format!("name = \"{CRATE}\"\nversion = \""))?.1;
    Some(rest.split('"').next()?.to_owned())
}
