//! The secrets of a deployment: tokens, a key per pair of calling services, each service's
//! configuration.

use contracts::{ServiceName, calls};
use serde_json::{Map, Value, json};

/// Secrets of one story.
#[derive(Clone, Default)]
pub struct Secrets;

impl Secrets {
    /// The token of a scope.
    pub fn token(&self, scope: &str) -> String {
        format!("{scope}-token-of-this-story")
    }
    fn key(caller: ServiceName, callee: ServiceName) -> String {
        format!("key-of-{caller}-towards-{callee}")
    }
    fn keys(service: ServiceName) -> Value {
        let (mut out, mut incoming) = (Map::new(), Map::new());
        for (caller, call) in calls::allowed() {
            if caller == service {
                out.insert(call.callee.to_string(), Self::key(caller, call.callee).into());
            }
            if call.callee == service {
                incoming.insert(caller.to_string(), Self::key(caller, call.callee).into());
            }
        }
        json!({ "out": out, "in": incoming })
    }
    /// The launcher's `bindings`.
    pub fn bindings(&self, tree: &Value) -> Value {
        let mut all = Map::new();
        for service in ServiceName::ALL {
            let mut own = Map::new();
            let tables: &[&str] = match service {
                ServiceName::WebhookAggregator => &["endpoints", "limits", "agents"],
                ServiceName::PersonalAssistant => &["budget", "agents"],
                _ => &[],
            };
            let part: Map<String, Value> = tables
                .iter()
                .filter_map(|table| Some(((*table).to_owned(), tree.get(*table)?.clone())))
                .collect();
            own.insert("QUINTET_CONFIG".to_owned(), Value::Object(part).to_string().into());
            own.insert("QUINTET_SERVICE_KEYS".to_owned(), Self::keys(service).to_string().into());
            for scope in ["operator", "viewer", "agent", "gateway"] {
                own.insert(
                    format!("QUINTET_{}_TOKEN", scope.to_ascii_uppercase()),
                    self.token(scope).into(),
                );
            }
            if service == ServiceName::PersonalAssistant {
                own.insert("QUINTET_BUTTON_KEY".to_owned(), "button-key-of-this-story".into());
            }
            all.insert(service.to_string(), Value::Object(own));
        }
        Value::Object(all)
    }
}
