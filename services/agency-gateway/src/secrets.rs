//! `[secrets.<NAME>]` and an agent's key `secrets`: keys that an agent uses and never holds. The
//! gateway puts each into requests to its one host.

use http::HeaderName;
use platform::config::{Report, Section};
use platform::ports::RelayedSecret;
use serde_json::Value;
use std::collections::BTreeMap;

/// Keys that need no table: name, host, header, and the variable in which programs look for the
/// address. Only those whose own programs read that variable.
const BUILT_IN: [(&str, &str, &str, &str); 3] = [
    ("ANTHROPIC_API_KEY", "https://api.anthropic.com", "x-api-key", "ANTHROPIC_BASE_URL"),
    ("OPENAI_API_KEY", "https://api.openai.com/v1", "Authorization: Bearer", "OPENAI_BASE_URL"),
    (
        "GEMINI_API_KEY",
        "https://generativelanguage.googleapis.com",
        "x-goog-api-key",
        "GOOGLE_GEMINI_BASE_URL",
    ),
];
/// Headers that belong to the connection.
const NOT_FOR_KEYS: [&str; 7] =
    ["host", "connection", "content-length", "transfer-encoding", "upgrade", "te", "trailer"];

/// Every secret with a place to go, by name.
pub(crate) struct Secrets(BTreeMap<String, RelayedSecret>);

impl Secrets {
    /// Reads the tables over the built-in ones; every problem goes to the report.
    pub(crate) fn read(root: &Value, report: &Report) -> Self {
        let mut known: BTreeMap<String, RelayedSecret> = BUILT_IN
            .iter()
            .map(|(name, host, header, variable)| {
                let (header, before) = split(header);
                let secret = RelayedSecret {
                    name: (*name).to_owned(),
                    host: (*host).to_owned(),
                    header,
                    before,
                    variable: (*variable).to_owned(),
                };
                ((*name).to_owned(), secret)
            })
            .collect();
        let mut table = Section::new(root.get("secrets"), "secrets", report);
        for name in table.names() {
            let mut section = table.section(&name);
            if !is_variable(&name) {
                table.wrong(&name, "is not the name of a variable.", "Correct the name.");
            }
            let built_in = known.keys().find(|known| known.eq_ignore_ascii_case(&name)).cloned();
            let name = built_in.unwrap_or(name);
            if let Some(secret) = read_one(&name, known.get(&name), &mut section) {
                known.insert(name, secret);
            }
            section.finish();
        }
        Self(known)
    }
    /// Those that an agent's table names. `env` is what the program gets besides.
    pub(crate) fn of_agent(&self, section: &mut Section<'_>, env: &[String]) -> Vec<RelayedSecret> {
        let names = section.texts("secrets").unwrap_or_default();
        let mut found: Vec<RelayedSecret> = Vec::new();
        for name in names {
            let known = self.0.get(&name).filter(|_| is_variable(&name));
            let Some(secret) = known else {
                let all: Vec<&str> = self.0.keys().map(String::as_str).collect();
                section.wrong(
                    "secrets",
                    &format!("names {name}, which has no host."),
                    &format!(
                        "Add [secrets.{name}] with host, header and env. Known are {}.",
                        all.join(", ")
                    ),
                );
                continue;
            };
            if let Some(both) = env.iter().find(|also| **also == name || **also == secret.variable)
            {
                section.wrong(
                    "secrets",
                    &format!("sets {both}, which env hands on from the gateway."),
                    &format!("Remove {both} from env: the agent gets it from the relay."),
                );
            }
            if let Some(other) = found.iter().find(|other| other.variable == secret.variable) {
                section.wrong(
                    "secrets",
                    &format!(
                        "names {} and {name}, which both set {}.",
                        other.name, secret.variable
                    ),
                    "Keep one of them, or give one its own env in its table.",
                );
            }
            found.push(secret.clone());
        }
        found
    }
}

fn read_one(
    name: &str,
    built_in: Option<&RelayedSecret>,
    section: &mut Section<'_>,
) -> Option<RelayedSecret> {
    let host = section.url("host");
    let header = section.text("header");
    let variable = section.text("env");
    if built_in.is_none() {
        section.required("host", host.as_ref(), "Write the https address that gets the key.");
        section.required("header", header.as_ref(), "Write x-api-key, or Authorization: Bearer.");
        section.required(
            "env",
            variable.as_ref(),
            "Write the variable in which the program looks for its address, such as \
             EXAMPLE_BASE_URL.",
        );
    }
    if host.as_ref().is_some_and(|host| host.contains(['?', '#'])) {
        section.wrong("host", "has a query.", "Write scheme, host and path alone.");
    }
    let header = header.as_deref().map(split);
    let sound = |name: &str| {
        HeaderName::from_bytes(name.as_bytes()).is_ok() && !NOT_FOR_KEYS.contains(&name)
    };
    if header.as_ref().is_some_and(|(name, _)| !sound(name)) {
        section.wrong(
            "header",
            "is no header for a key.",
            "Write its name, such as x-api-key, or its name and scheme, such as Authorization: \
             Bearer.",
        );
    }
    let own = |variable: &String| variable.to_ascii_uppercase().starts_with("QUINTET_");
    if variable.as_ref().is_some_and(|text| !is_variable(text) || own(text) || text == name) {
        section.wrong(
            "env",
            "is no variable for an address.",
            "Write one such as EXAMPLE_BASE_URL.",
        );
    }
    let (header, before) =
        header.or_else(|| built_in.map(|known| (known.header.clone(), known.before.clone())))?;
    Some(RelayedSecret {
        name: name.to_owned(),
        host: host.or_else(|| built_in.map(|known| known.host.clone()))?,
        header,
        before,
        variable: variable.or_else(|| built_in.map(|known| known.variable.clone()))?,
    })
}

/// `Authorization: Bearer` → the header, and what stands before the key in it.
fn split(text: &str) -> (String, String) {
    let (name, scheme) = text.split_once(':').unwrap_or((text, ""));
    let before = match scheme.trim() {
        "" => String::new(),
        scheme => format!("{scheme} "),
    };
    (name.trim().to_ascii_lowercase(), before)
}

fn is_variable(name: &str) -> bool {
    let sound = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(sound)
        && !name.to_ascii_uppercase().starts_with("QUINTET_")
}

#[cfg(test)]
mod tests {
    use crate::Config;
    use contracts::AgentId;
    use platform::config::Report;
    use platform::ports::RelayedSecret;
    use serde_json::{Value, json};

    fn read(value: Value) -> (Vec<RelayedSecret>, Vec<String>) {
        let report = Report::default();
        let config = Config::read(&value, &report);
        let program = config.runner(&AgentId::from("a")).program().cloned().unwrap_or_default();
        let problems = report.into_problems().into_iter().map(|problem| problem.to_string());
        (program.secrets, problems.collect())
    }

    fn agent(more: Value) -> Value {
        let mut agent = json!({"runner": "command", "command": ["x"]});
        agent.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({ "a": agent })
    }

    #[test]
    fn secrets_of_well_known_names_need_no_table() {
        let names = ["ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY"];
        let (secrets, problems) = read(json!({"agents": agent(json!({ "secrets": names }))}));
        assert_eq!(problems, Vec::<String>::new());
        let openai = RelayedSecret {
            name: "OPENAI_API_KEY".to_owned(),
            host: "https://api.openai.com/v1".to_owned(),
            header: "authorization".to_owned(),
            before: "Bearer ".to_owned(),
            variable: "OPENAI_BASE_URL".to_owned(),
        };
        assert_eq!((secrets.len(), &secrets[1]), (3, &openai));
    }

    #[test]
    fn secrets_table_adds_a_name_or_changes_a_known_one() {
        let table = json!({
            "EXAMPLE_KEY": {"host": "https://api.example.org/v2/", "header": "X-Key", "env": "EXAMPLE_URL"},
            "anthropic_api_key": {"host": "http://127.0.0.1:9"},
        });
        let agents = agent(json!({"secrets": ["EXAMPLE_KEY", "ANTHROPIC_API_KEY"]}));
        let (secrets, problems) = read(json!({"secrets": table, "agents": agents}));
        assert_eq!(problems, Vec::<String>::new());
        assert_eq!(secrets[0].host, "https://api.example.org/v2");
        assert_eq!((secrets[0].header.as_str(), secrets[0].before.as_str()), ("x-key", ""));
        assert_eq!(
            (secrets[1].host.as_str(), secrets[1].header.as_str()),
            ("http://127.0.0.1:9", "x-api-key")
        );
    }

    #[test]
    fn secrets_that_would_leak_or_go_nowhere_are_refused_with_the_fix() {
        let one = |more: Value, part: &str| {
            let (_, problems) = read(more);
            assert!(problems.len() == 1 && problems[0].contains(part), "{part}: {problems:?}");
        };
        let given = |secrets: Value, env: Value| json!({"agents": agent(json!({ "secrets": secrets, "env": env }))});
        one(given(json!(["GITHUB_TOKEN"]), json!([])), "Add [secrets.GITHUB_TOKEN]");
        one(given(json!(["QUINTET_OPERATOR_TOKEN"]), json!([])), "which has no host");
        let both = json!(["ANTHROPIC_API_KEY"]);
        one(given(both.clone(), both.clone()), "Remove ANTHROPIC_API_KEY from env");
        one(given(both, json!(["ANTHROPIC_BASE_URL"])), "Remove ANTHROPIC_BASE_URL from env");
        let table = |secret: Value| json!({"secrets": {"K": secret}});
        let sound = json!({"host": "https://h", "header": "x-key", "env": "K_URL"});
        let with = |key: &str, value: &str| {
            let mut secret = sound.clone();
            secret[key] = value.into();
            table(secret)
        };
        one(with("host", "http://example.org"), "secrets.K.host");
        one(with("host", "https://h/?a"), "secrets.K.host");
        one(with("header", "Host"), "secrets.K.header");
        one(with("header", "a b"), "secrets.K.header");
        one(with("env", "K"), "secrets.K.env");
        one(with("env", "QUINTET_DATA"), "secrets.K.env");
        one(with("colour", "red"), "secrets.K.colour");
        assert_eq!(read(table(json!({}))).1.len(), 3);
        let same = json!({"secrets": {"K": {"host": "https://h", "header": "x", "env": "OPENAI_BASE_URL"}},
            "agents": agent(json!({"secrets": ["K", "OPENAI_API_KEY"]}))});
        one(same, "both set OPENAI_BASE_URL");
    }
}
