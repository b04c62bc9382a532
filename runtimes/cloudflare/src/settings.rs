//! A Worker's secrets: tokens, the keys between services, its part of the configuration.

use contracts::ServiceName;
use platform::config::Report;
use platform::edge::{Auth, Principal, Scope, TOKEN_CHARS_MIN};
use platform::ports::{PortError, PortErrorKind};
use platform::secret::Secret;
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashMap;
use worker::Env;

/// `QUINTET_SERVICE_KEYS`: one secret per pair of services that call each other.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ServiceKeys {
    /// Secrets for calls to each service.
    #[serde(default, rename = "out")]
    pub out: HashMap<ServiceName, Secret>,
    /// Secrets of each calling service.
    #[serde(default, rename = "in")]
    pub incoming: HashMap<ServiceName, Secret>,
}

/// All settings of a Worker.
pub struct Settings {
    /// Its part of `quintet.toml`, as JSON.
    pub config: Value,
    pub keys: ServiceKeys,
    pub auth: Auth,
}

/// A secret or variable; none if missing or empty.
pub fn text(env: &Env, name: &str) -> Option<String> {
    env.var(name).ok().map(|value| value.to_string()).filter(|text| !text.is_empty())
}

impl Settings {
    /// Reads the environment.
    ///
    /// # Errors
    /// One sentence per missing or invalid setting, without values.
    pub fn read(env: &Env) -> Result<Self, Vec<String>> {
        let mut wrong = Vec::new();
        let config =
            match text(env, "QUINTET_CONFIG").map(|text| serde_json::from_str::<Value>(&text)) {
                None => Value::Object(serde_json::Map::new()),
                Some(Ok(value @ Value::Object(_))) => value,
                Some(_) => {
                    wrong.push(
                    "The secret QUINTET_CONFIG is no JSON object; `cargo xtask deploy` writes it."
                        .to_owned(),
                );
                    Value::Null
                }
            };
        let keys = match text(env, "QUINTET_SERVICE_KEYS")
            .map(|text| serde_json::from_str::<ServiceKeys>(&text))
        {
            Some(Ok(keys)) => keys,
            None => {
                wrong.push(
                    "The secret QUINTET_SERVICE_KEYS is missing. Run `cargo xtask deploy` to write \
                     it."
                        .to_owned(),
                );
                ServiceKeys::default()
            }
            Some(Err(_)) => {
                wrong.push(
                    "The secret QUINTET_SERVICE_KEYS is invalid. Run `cargo xtask deploy` \
                    to write it."
                        .to_owned(),
                );
                ServiceKeys::default()
            }
        };
        let mut scopes = Vec::new();
        for scope in Scope::ALL {
            let name = format!("QUINTET_{}_TOKEN", scope.as_str().to_ascii_uppercase());
            let Some(token) = text(env, &name) else { continue };
            if token.chars().count() < TOKEN_CHARS_MIN {
                wrong.push(format!(
                    "The secret {name} has fewer than {TOKEN_CHARS_MIN} characters and could be \
                     guessed. Set a longer one."
                ));
            }
            scopes.push((Secret::new(token), Principal::Scope(scope)));
        }
        let services =
            keys.incoming.iter().map(|(service, key)| (key.clone(), Principal::Service(*service)));
        let auth = Auth::new(scopes.into_iter().chain(services));
        if wrong.is_empty() { Ok(Self { config, keys, auth }) } else { Err(wrong) }
    }
}

/// Converts the report: nothing, or all problems as text.
///
/// # Errors
/// When there is a problem.
pub fn sound(report: Report) -> Result<(), Vec<String>> {
    let problems = report.into_problems();
    if problems.is_empty() {
        Ok(())
    } else {
        Err(problems.iter().map(ToString::to_string).collect())
    }
}

/// A required binding.
///
/// # Errors
/// When it is missing.
pub fn binding<T>(found: worker::Result<T>) -> Result<T, Vec<String>> {
    found.map_err(|error| {
        vec![format!("A binding is missing: {error}. Compare wrangler.toml with the deployment.")]
    })
}

/// A required secret.
///
/// # Errors
/// When it is missing.
pub fn required(env: &Env, name: &str) -> Result<String, Vec<String>> {
    text(env, name).ok_or_else(|| {
        vec![format!("The secret {name} is missing. Run `cargo xtask deploy` to write it.")]
    })
}

/// The error of a timer without a configuration.
pub fn not_configured() -> PortError {
    PortError::clean(PortErrorKind::Unavailable, "this Worker is not configured")
}
