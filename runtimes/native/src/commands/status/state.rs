//! The state of an installation, as `--json` shows it.

use contracts::budget::BudgetScope;
use contracts::endpoint::EndpointView;
use contracts::halt::HaltLevel;
use contracts::task::GatewayRow;
use platform::text::printable;
use serde::Serialize;

/// Everything that is known. A null stands for a thing that could not be learnt.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status {
    /// Of this program.
    pub(super) version: &'static str,
    /// Null with `--server`.
    pub(super) data_directory: Option<String>,
    pub(super) configuration: Configuration,
    pub(super) server: Server,
    /// The five services.
    pub(super) services: Vec<Service>,
    /// Number of agents in the graph.
    pub(super) agents: Option<usize>,
    pub(super) gateways: Option<Vec<GatewayRow>>,
    /// The ways in of the chats, without those of this machine.
    pub(super) endpoints: Option<Vec<EndpointView>>,
    /// The budget of the day.
    pub(super) budget: Option<BudgetScope>,
    pub(super) waiting: Waiting,
    pub(super) halt: Option<Halt>,
    /// Everything that is not as it should be, with the fix; empty: all is well.
    pub(super) needs: Vec<Need>,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Configuration {
    /// The file that is read, or would be.
    pub(super) file: Option<String>,
    pub(super) exists: Option<bool>,
    /// The change that the server has not taken up, or the mistakes of the file; null: none.
    pub(super) pending: Option<String>,
    #[serde(skip)]
    pub(super) fix: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Running {
    Yes,
    No,
    /// A process uses the data directory and does not answer.
    Silent,
    /// The server named by `--server` does not answer.
    Unreachable,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Server {
    pub(super) running: Running,
    pub(super) address: Option<String>,
    pub(super) pid: Option<u32>,
    /// RFC 3339.
    pub(super) since: Option<String>,
    /// Why nothing could be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) why: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Service {
    pub(super) name: String,
    /// `ok`, `degraded` or `unknown`.
    pub(super) health: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) problems: Vec<String>,
}

/// Work that waits.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Waiting {
    /// Approvals and questions that nobody has decided.
    pub(super) approvals: Option<i64>,
    /// Those of them that no chat shows yet.
    pub(super) undelivered: Option<i64>,
    /// Runs in progress.
    pub(super) running: Option<i64>,
    /// Messages that failed after all retries; 500 stands for 500 or more.
    pub(super) dead_letters: Option<usize>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Halt {
    /// Whether everything is halted.
    pub(super) all: bool,
    /// The tasks that are halted by themselves.
    pub(super) tasks: Vec<String>,
    /// Every halt in force.
    pub(super) in_force: Vec<Halted>,
}

/// A halt in force.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Halted {
    /// `all`, `agent:<id>`, `endpoint:<channel>.<name>` or `task:<id>`.
    pub(super) target: String,
    pub(super) level: HaltLevel,
}

impl Halted {
    /// The target in words.
    pub(super) fn name(&self) -> String {
        match self.target.split_once(':') {
            Some((kind, name)) => format!("{kind} {}", printable(name)),
            None => "everything".to_owned(),
        }
    }
    /// The command that ends it.
    pub(super) fn resume(&self) -> String {
        match self.target.split_once(':') {
            Some(("task", name)) => format!("quintet resume {}", printable(name)),
            Some((kind, name)) => format!("quintet resume --{kind} {}", printable(name)),
            None => "quintet resume".to_owned(),
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct Need {
    pub(super) what: String,
    pub(super) fix: String,
}
