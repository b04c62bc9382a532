//! The secrets of a deployment: tokens, the button key, and a key per pair of calling services.
//! Generated once and stored in a file that only its owner can read.

use contracts::{DIGEST_PREFIX, ServiceName, calls};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// The scopes of the contract.
pub const SCOPES: [&str; 4] = ["operator", "viewer", "agent", "gateway"];
const RANDOM_BYTES: usize = 32;

/// The secrets of one deployment.
#[derive(Clone, Debug, PartialEq)]
pub struct Secrets(Map<String, Value>);

fn random() -> Result<Value, String> {
    let mut bytes = [0_u8; RANDOM_BYTES];
    getrandom::fill(&mut bytes).map_err(|e| format!("no random numbers: {e}"))?;
    Ok(hex::encode(bytes).into())
}

/// The form of a token that a Worker only verifies.
fn digest_form(token: &str) -> String {
    format!("{DIGEST_PREFIX}{}", hex::encode(Sha256::digest(token)))
}

fn pair(caller: ServiceName, callee: ServiceName) -> String {
    format!("{caller}>{callee}")
}

impl Secrets {
    /// Reads the file, generates missing secrets and stores them.
    ///
    /// # Errors
    /// When the file is invalid or cannot be read or written.
    pub fn keep(path: &Path) -> Result<Self, String> {
        let failed = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
        let mut all: Map<String, Value> = match std::fs::read_to_string(path) {
            Ok(text) => serde_json::from_str(&text).map_err(|e| failed(&e))?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Map::new(),
            Err(e) => return Err(failed(&e)),
        };
        let pairs = calls::allowed().map(|(caller, call)| pair(caller, call.callee));
        let names: Vec<String> =
            SCOPES.into_iter().chain(["button"]).map(str::to_owned).chain(pairs).collect();
        let before = all.len();
        for name in names {
            if !all.contains_key(&name) {
                all.insert(name, random()?);
            }
        }
        if all.len() > before {
            write_private(path, &Value::Object(all.clone()).to_string()).map_err(|e| failed(&e))?;
        }
        Ok(Self(all))
    }
    fn text(&self, name: &str) -> String {
        self.0.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
    }
    /// The token of a scope.
    pub fn token(&self, scope: &str) -> String {
        self.text(scope)
    }
    /// A Worker's secrets, including its part of the configuration. Keys that it only verifies are
    /// digests, so that one Worker's secrets open no other.
    pub fn of(&self, service: ServiceName, config: &Value) -> Map<String, Value> {
        let (mut out, mut incoming) = (Map::new(), Map::new());
        for (caller, call) in calls::allowed() {
            let key = || Value::from(self.text(&pair(caller, call.callee)));
            if caller == service {
                out.insert(call.callee.to_string(), key());
            }
            if call.callee == service {
                let key = self.text(&pair(caller, call.callee));
                incoming.insert(caller.to_string(), digest_form(&key).into());
            }
        }
        let mut all = Map::from_iter([
            ("QUINTET_CONFIG".to_owned(), Value::from(config.to_string())),
            (
                "QUINTET_SERVICE_KEYS".to_owned(),
                Value::from(json!({ "out": out, "in": incoming }).to_string()),
            ),
        ]);
        for scope in SCOPES {
            all.insert(
                format!("QUINTET_{}_TOKEN", scope.to_ascii_uppercase()),
                digest_form(&self.token(scope)).into(),
            );
        }
        if service == ServiceName::PersonalAssistant {
            all.insert("QUINTET_BUTTON_KEY".to_owned(), self.text("button").into());
        }
        all
    }
}

/// Writes a file with mode 0600 in a folder with mode 0700.
///
/// # Errors
/// Those of the file system.
pub fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_generated_once_and_each_worker_gets_only_what_it_sends() {
        let path =
            std::env::temp_dir().join(format!("quintet-secrets-{}.json", std::process::id()));
        let secrets = Secrets::keep(&path).unwrap();
        assert_eq!(Secrets::keep(&path).unwrap(), secrets);
        std::fs::remove_file(&path).unwrap();
        let keys = |service| {
            secrets.of(service, &Value::Null)["QUINTET_SERVICE_KEYS"].as_str().unwrap().to_owned()
        };
        let between =
            secrets.text(&pair(ServiceName::WebhookAggregator, ServiceName::AgencyRouter));
        for service in ServiceName::ALL {
            let sends = service == ServiceName::WebhookAggregator;
            assert_eq!(keys(service).contains(&between), sends, "{service}");
            let verifies = service == ServiceName::AgencyRouter;
            assert_eq!(keys(service).contains(&digest_form(&between)), verifies, "{service}");
            let all = Value::Object(secrets.of(service, &Value::Null)).to_string();
            for scope in SCOPES {
                assert!(!all.contains(&secrets.token(scope)), "{service} holds {scope}");
            }
        }
    }
}
