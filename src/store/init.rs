//! The files of a new workspace. Nothing that exists is changed.

use std::fs;
use std::io::Write;
use std::path::Path;

use crate::base::{Failure, Slug};

const AHOY_TOML: &str = "\
# Carriers, engines, paths. Every key has a default: docs/CONFIG.md. The embedded carrier `sim` always exists.
#
# [carriers.main]
# kind = \"twilio\"
# account_sid = \"AC...\"
# auth_token = { env = \"TWILIO_AUTH_TOKEN\" }
#
# [gateway]
# listen = \"0.0.0.0:8443\"
# public_url = \"https://calls.example.com\"
";

const CAMPAIGN_TOML: &str = "\
purpose  = \"marketing\"          # marketing | service | research; marketing calls only people with consent
carrier  = \"sim\"                # a name from ahoy.toml
callers  = [\"+15005550006\"]     # numbers that people see; they must be yours

[greeting]
en = \"Hello, this is an automated assistant calling for your company. Press 9 and we will never call you again.\"
fallback = \"en\"                 # for people whose language has no greeting; without it they are not called

[hours]
any = true                       # rehearsal at any hour; refused for a carrier that reaches real people: then set
                                 # start = \"09:00\", end = \"18:00\", days = [\"mon\", \"tue\", ...]

[voice]
engine = \"pico\"                 # embedded: en, fr, de, es, it. Others: docs/CACHE.md
";

const LEADS_CSV: &str = "\
name,phone,country,language,timezone,consent
Ann Example,020 7946 0958,GB,en,Europe/London,\"2026-11-01 web form\"
";

const GITIGNORE: &str = "/cache/\n/calls/\n*.db\n*.db-wal\n*.db-shm\n*.db.lock\n*.db.key\n*.db.key.old\n*.rejected.csv\nsim.jsonl\nspend.jsonl\n";

/// Writes the files of a new workspace; gives their names. A folder that has an `ahoy.toml` is refused.
pub fn workspace(folder: &Path, campaign: &Slug) -> Result<Vec<String>, Failure> {
    if folder.join("ahoy.toml").exists() {
        return Err(Failure::usage(format!("{} is a workspace already: it has an ahoy.toml", folder.display()))
            .next("edit its files, or give another folder"));
    }
    let home = format!("campaigns/{campaign}");
    let files = [
        (format!("{home}/campaign.toml"), CAMPAIGN_TOML),
        (format!("{home}/leads.csv"), LEADS_CSV),
        (".gitignore".to_owned(), GITIGNORE),
        // Last: a folder without it is no workspace, so an interrupted init can be run again.
        ("ahoy.toml".to_owned(), AHOY_TOML),
    ];
    let failed = |path: &Path, error: std::io::Error| Failure::bug(format!("{}: {error}", path.display()));
    fs::create_dir_all(folder.join(&home)).map_err(|error| failed(folder, error))?;
    let mut written = Vec::new();
    for (name, text) in files {
        let path = folder.join(&name);
        match fs::OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(mut file) => {
                file.write_all(text.as_bytes()).map_err(|error| failed(&path, error))?;
                written.push(name);
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(&path, error)),
        }
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::config::{parse_campaign, parse_workspace};

    #[test]
    fn a_new_workspace_is_valid_and_nothing_is_overwritten() {
        let root = tempfile::tempdir().expect("a temporary folder");
        fs::write(root.path().join(".gitignore"), "mine\n").expect("written");
        let name: Slug = "first".parse().expect("a slug");
        let written = workspace(root.path(), &name).expect("made");
        assert_eq!(written, ["campaigns/first/campaign.toml", "campaigns/first/leads.csv", "ahoy.toml"]);
        assert_eq!(fs::read_to_string(root.path().join(".gitignore")).expect("read"), "mine\n");
        parse_workspace("ahoy.toml", AHOY_TOML).expect("valid");
        parse_campaign(name.clone(), "campaign.toml", CAMPAIGN_TOML).expect("valid");
        assert!(workspace(root.path(), &name).is_err(), "a second time is refused");
    }
}
