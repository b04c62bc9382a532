//! The API: the calls of each service, as their OpenAPI documents list them.

use super::layout::{Frame, gap, title};
use super::menu;
use crate::document::DOCUMENT;
use crate::refusal::PageResult;
use crate::session::Owner;
use crate::{Deps, owners};
use axum::extract::State;
use contracts::ServiceName;
use futures_util::future::{join, join_all};
use maud::{Markup, html};
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;

/// Services whose documents are read. The gateway serves its own on the machine where it runs.
const SERVICES: [ServiceName; 4] = [
    ServiceName::PersonalAssistant,
    ServiceName::AgencyRouter,
    ServiceName::SkillGraphLoader,
    ServiceName::WebhookAggregator,
];

/// The parts of an OpenAPI document that the page shows.
#[derive(Deserialize)]
struct Document {
    /// By path, then by method.
    paths: BTreeMap<String, BTreeMap<String, Operation>>,
}

#[derive(Deserialize)]
struct Operation {
    summary: String,
    /// One entry a scope that opens it.
    security: Vec<BTreeMap<String, Vec<String>>>,
    responses: BTreeMap<String, IgnoredAny>,
}

/// `GET /dashboard/api`.
pub async fn show(State(deps): State<Deps>, owner: Owner) -> PageResult {
    let read = join_all(SERVICES.map(|service| read(&deps, service)));
    let (frame, mut documents) = join(Frame::load(&deps, &owner, ""), read).await;
    let own = parse(DOCUMENT.as_bytes());
    documents.push((ServiceName::MonitoringDashboard, own));
    let body = html! {
        (title("API", "The calls of each service, for your own programs. Send a token as Authorization: Bearer TOKEN."))
        @for (service, document) in &documents {
            section.panel {
                h2 { (service) }
                @match document {
                    Some(document) => (table(document)),
                    None => (gap(service.as_str())),
                }
            }
        }
        p.quiet { "Each service serves its OpenAPI document at " code { "/openapi.json" } "; agency-gateway does so on the machine where it runs." }
    };
    Ok(frame.page(&menu::API, menu::API.title, body))
}

async fn read(deps: &Deps, service: ServiceName) -> (ServiceName, Option<Document>) {
    let document = match owners::document(deps, service).await {
        Ok(bytes) => parse(&bytes),
        Err(error) => {
            tracing::warn!(%error, %service, "an OpenAPI document could not be read");
            None
        }
    };
    (service, document)
}

fn parse(bytes: &[u8]) -> Option<Document> {
    let read = serde_json::from_slice(bytes);
    read.inspect_err(|error| tracing::error!(%error, "an OpenAPI document is odd")).ok()
}

fn table(document: &Document) -> Markup {
    let rows = document
        .paths
        .iter()
        .flat_map(|(path, methods)| methods.iter().map(move |(method, call)| (path, method, call)));
    html! {
        div.scroll { table {
            thead { tr { th { "Call" } th { "Does" } th { "Scopes" } th { "Statuses" } } }
            tbody {
                @for (path, method, call) in rows {
                    tr {
                        td { code { (method.to_uppercase()) " " (path) } }
                        td { (call.summary) }
                        td { (scopes(call)) }
                        td { (call.responses.keys().cloned().collect::<Vec<_>>().join(" ")) }
                    }
                }
            }
        } }
    }
}

fn scopes(call: &Operation) -> String {
    let names: Vec<&str> =
        call.security.iter().flat_map(|way| way.values().flatten()).map(String::as_str).collect();
    if names.is_empty() { "open to all".to_owned() } else { names.join(", ") }
}
