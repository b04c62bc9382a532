//! The tools: what each is for, and the call of one.

use super::asker::Asker;
use super::owner;
use super::rpc::{INVALID_PARAMS, RpcError};
use super::values::{refused, structured, text};
use crate::{Deps, budget};
use contracts::calls::agency_router::Analyze;
use contracts::calls::skill_graph_loader::Search;
use contracts::graph::SearchQuery;
use contracts::routing::RouteRequest;
use platform::edge::ApiError;
use serde_json::{Value, json};

/// Passages of a search.
const FOUND_MAX: usize = 10;

/// A tool of this server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tool {
    RequestApproval,
    AskOwner,
    BudgetStatus,
    Route,
    SearchSkills,
}

impl Tool {
    const ALL: [Self; 5] = [
        Self::RequestApproval,
        Self::AskOwner,
        Self::BudgetStatus,
        Self::Route,
        Self::SearchSkills,
    ];
    const fn name(self) -> &'static str {
        match self {
            Self::RequestApproval => "request_approval",
            Self::AskOwner => "ask_owner",
            Self::BudgetStatus => "budget_status",
            Self::Route => "route",
            Self::SearchSkills => "search_skills",
        }
    }
    fn of(params: &Value) -> Option<Self> {
        let name = params["name"].as_str()?;
        Self::ALL.into_iter().find(|tool| tool.name() == name)
    }
    /// Whether its answer is the owner's.
    const fn waits(self) -> bool {
        matches!(self, Self::RequestApproval | Self::AskOwner)
    }
    const fn description(self) -> &'static str {
        match self {
            Self::RequestApproval => {
                "Ask the owner to allow one tool call. The owner sees the tool and its exact \
                 arguments; the answer holds for exactly these. Waits for the answer, up to a day. \
                 Also serves as Claude Code's --permission-prompt-tool."
            }
            Self::AskOwner => {
                "Put a question to the owner and wait for the answer, up to a day. With options, \
                 the owner chooses one of them or answers in other words."
            }
            Self::BudgetStatus => "What was spent, is held and remains, by day and month.",
            Self::Route => "Which agent of the skill graph fits a message best. Starts nothing.",
            Self::SearchSkills => "Search the files of the skill graph.",
        }
    }
    fn schema(self) -> Value {
        let text = |what: &str| json!({ "type": "string", "description": what });
        let object = |properties: Value, required: Value| json!({ "type": "object", "properties": properties, "required": required });
        match self {
            Self::RequestApproval => object(
                json!({
                    "tool": text("Name of the tool."),
                    "arguments": { "type": "object", "description": "Its exact arguments." },
                    "reason": text("Why it is needed."),
                    "estimatedCost": { "type": "number", "description": "Dollars; 0 if it costs nothing.", "minimum": 0 },
                    "tool_name": text("As Claude Code names the tool."),
                    "input": { "type": "object", "description": "As Claude Code names the arguments." },
                    "tool_use_id": text("Id of the call; the same id is asked once."),
                }),
                json!([]),
            ),
            Self::AskOwner => object(
                json!({
                    "question": text("The question."),
                    "options": { "type": "array", "items": { "type": "string" }, "description": "Answers to choose from." },
                }),
                json!(["question"]),
            ),
            Self::BudgetStatus => object(json!({}), json!([])),
            Self::Route => object(json!({ "message": text("The message.") }), json!(["message"])),
            Self::SearchSkills => {
                object(json!({ "query": text("The words to look for.") }), json!(["query"]))
            }
        }
    }
}

/// The tools as `tools/list` has them.
pub(super) fn list() -> Vec<Value> {
    Tool::ALL
        .into_iter()
        .map(|tool| {
            json!({
                "name": tool.name(),
                "description": tool.description(),
                "inputSchema": tool.schema(),
                "annotations": { "readOnlyHint": !tool.waits() },
            })
        })
        .collect()
}

/// Whether this call waits for the owner.
pub(super) fn waits(params: &Value) -> bool {
    Tool::of(params).is_some_and(Tool::waits)
}

/// Calls the tool. A failure within it is a result that says so, for the model to read.
pub(super) async fn call(deps: &Deps, asker: &Asker, params: &Value) -> Result<Value, RpcError> {
    let Some(tool) = Tool::of(params) else {
        let names = Tool::ALL.map(Tool::name).join(", ");
        let message = format!("There is no tool {}; there are {names}.", params["name"]);
        return Err(RpcError::new(INVALID_PARAMS, message));
    };
    let arguments = &params["arguments"];
    let done = match tool {
        Tool::RequestApproval => owner::request_approval(deps, asker, arguments).await,
        Tool::AskOwner => owner::ask_owner(deps, asker, arguments).await,
        Tool::BudgetStatus => budget::answer(deps).await.and_then(|status| structured(&status)),
        Tool::Route => route(deps, arguments).await,
        Tool::SearchSkills => search(deps, arguments).await,
    };
    Ok(done.unwrap_or_else(|error| refused(&error)))
}

async fn route(deps: &Deps, arguments: &Value) -> Result<Value, ApiError> {
    let message = text(arguments, "message")?.to_owned();
    let request = RouteRequest { message, ..RouteRequest::default() };
    structured(&deps.calls.ask::<Analyze>(&(), &request).await?)
}

async fn search(deps: &Deps, arguments: &Value) -> Result<Value, ApiError> {
    let query = SearchQuery {
        q: text(arguments, "query")?.to_owned(),
        limit: Some(FOUND_MAX),
        version: None,
    };
    structured(&deps.calls.ask::<Search>(&(), &query).await?)
}
