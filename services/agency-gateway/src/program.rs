//! The keys of `[agents.<id>]` about the program that a run starts: what it is, what it may see,
//! how long it may take.

use crate::tool_approvals::{self, ToolApprovals};
use contracts::agent_run::AgentRun;
use platform::config::Section;
use platform::ports::{
    Bounds, Confinement, ProgramNetwork, Reach, RelayedSecret, Workspace, Worktree,
};

/// The argument of a command that the message takes the place of.
pub const MESSAGE: &str = "{message}";
/// Default of `timeout_s`, in seconds.
const TIMEOUT_S: i64 = 900;
/// Default of `output_bytes_max`.
const OUTPUT_BYTES_MAX: i64 = 1 << 20;
/// Maximum of `output_bytes_max`: the text is kept in memory until the run ends.
const OUTPUT_BYTES_CEILING: i64 = 64 << 20;

/// Minimum of `work_bytes_max` and `memory_bytes_max`: with less no program does anything.
const BOUND_BYTES_MIN: i64 = 1 << 20;
/// Maximum of both, 1 PiB.
const BOUND_BYTES_CEILING: i64 = 1 << 50;

/// An agent's program.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// Program and arguments, run as they stand: never a shell. The message goes to standard input,
    /// or in place of the one whole argument `{message}`, which must come after a `--`.
    pub command: Vec<String>,
    /// Variables handed on beside PATH, HOME, LANG and TERM.
    pub env: Vec<String>,
    /// `secrets`: keys that it uses through a relay and never holds.
    pub secrets: Vec<RelayedSecret>,
    /// `data_directory = "visible"`: the program may see the data directory with the tokens. Unless
    /// set it cannot.
    pub data_visible: bool,
    /// `tool_approvals`; none for a runner that has no say in them.
    pub tool_approvals: Option<ToolApprovals>,
    /// `sandbox`, `network`, `readable`, `writable`.
    pub reach: Reach,
    /// `workspace`: the owner's folder that it works in.
    pub workspace: Option<String>,
    /// `isolation = "worktree"`: a git worktree of the workspace for each conversation.
    pub has_worktrees: bool,
    /// `timeout_s` (1–86400, default 900).
    pub timeout_ms: u64,
    /// Maximum output; default 1 MiB.
    pub output_bytes_max: usize,
    /// `work_bytes_max`, `memory_bytes_max`.
    pub bounds: Bounds,
}

impl Default for Program {
    fn default() -> Self {
        Self {
            command: Vec::new(),
            env: Vec::new(),
            secrets: Vec::new(),
            data_visible: false,
            tool_approvals: None,
            reach: Reach::default(),
            workspace: None,
            has_worktrees: false,
            timeout_ms: whole(TIMEOUT_S) * 1000,
            output_bytes_max: bytes(OUTPUT_BYTES_MAX),
            bounds: Bounds::default(),
        }
    }
}

impl Program {
    /// Reads its keys; every problem goes to the section's report.
    pub fn read(section: &mut Section<'_>) -> Self {
        let command = section.texts("command");
        if let Some(command) = &command {
            check_command(section, command);
        }
        let env = section.texts("env").unwrap_or_default();
        check_env(section, &env);
        let data_visible = section
            .one_of("data_directory", &[("hidden", false), ("visible", true)])
            .unwrap_or(false);
        let reach = reach(section);
        let workspace = section.text("workspace");
        check_paths(section, "workspace", workspace.as_slice());
        let has_worktrees = has_worktrees(section);
        let tool_approvals = tool_approvals::read(section, reach.confinement);
        let timeout_s = section.whole("timeout_s", 1, 86_400).unwrap_or(TIMEOUT_S);
        let output = section.whole("output_bytes_max", 1, OUTPUT_BYTES_CEILING);
        let mut bound = |key, default| {
            section.whole(key, BOUND_BYTES_MIN, BOUND_BYTES_CEILING).map_or(default, whole)
        };
        let defaults = Bounds::default();
        let bounds = Bounds {
            work_bytes: bound("work_bytes_max", defaults.work_bytes),
            memory_bytes: bound("memory_bytes_max", defaults.memory_bytes),
        };
        Self {
            command: command.unwrap_or_default(),
            env,
            secrets: Vec::new(),
            data_visible,
            tool_approvals,
            reach,
            workspace,
            has_worktrees,
            timeout_ms: whole(timeout_s) * 1000,
            output_bytes_max: bytes(output.unwrap_or(OUTPUT_BYTES_MAX)),
            bounds,
        }
    }
    /// The program of a run as an approval shows it: names of variables and keys, and no values.
    pub(crate) fn as_run(
        &self,
        runner: String,
        (model, max_turns): (Option<&str>, Option<i64>),
    ) -> AgentRun {
        let confinement = match self.reach.confinement {
            Confinement::Strict => "strict",
            Confinement::Off => "off",
        };
        let network = match self.reach.network {
            ProgramNetwork::None => "none",
            ProgramNetwork::Internet => "internet",
            ProgramNetwork::All => "all",
        };
        AgentRun {
            runner,
            program: self.command.clone(),
            workspace: self.workspace.clone(),
            worktree: self.has_worktrees,
            model: model.map(str::to_owned),
            max_turns,
            sandbox: confinement.to_owned(),
            network: network.to_owned(),
            readable: self.reach.readable.clone(),
            writable: self.reach.writable.clone(),
            env: self.env.clone(),
            secrets: self.secrets.iter().map(|secret| secret.name.clone()).collect(),
            tool_approvals: self.tool_approvals.map(|how| how.as_str().to_owned()),
            data_visible: self.data_visible,
            timeout_s: self.timeout_ms / 1000,
            memory_bytes_max: self.bounds.memory_bytes,
            work_bytes_max: self.bounds.work_bytes,
        }
    }
    /// The workspace of this agent for a conversation, or for the task of a message without one.
    pub(crate) fn workspace(&self, agent: &str, conversation: &str) -> Option<Workspace> {
        let folder = self.workspace.clone()?;
        let worktree = self
            .has_worktrees
            .then(|| Worktree { agent: agent.to_owned(), conversation: conversation.to_owned() });
        Some(Workspace { folder, worktree })
    }
}

fn whole(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn bytes(number: i64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn has_worktrees(section: &mut Section<'_>) -> bool {
    let choices = [("none", false), ("worktree", true)];
    let wanted = section.one_of("isolation", &choices).unwrap_or(false);
    if wanted && !section.has("workspace") {
        section.wrong(
            "isolation",
            "is \"worktree\" without a workspace.",
            "Write workspace = \"~/src/app\", the folder of a git repository, or remove the key.",
        );
    }
    wanted
}

/// How far the program reaches.
fn reach(section: &mut Section<'_>) -> Reach {
    let sandboxes = [("strict", Confinement::Strict), ("off", Confinement::Off)];
    let networks = [
        ("internet", ProgramNetwork::Internet),
        ("none", ProgramNetwork::None),
        ("all", ProgramNetwork::All),
    ];
    let confinement = section.one_of("sandbox", &sandboxes).unwrap_or(Confinement::Strict);
    let network = section.one_of("network", &networks).unwrap_or(ProgramNetwork::Internet);
    Reach {
        confinement,
        network,
        readable: paths(section, "readable"),
        writable: paths(section, "writable"),
        state: None,
    }
}

/// Absolute paths, or paths below the home.
fn paths(section: &mut Section<'_>, key: &str) -> Vec<String> {
    let paths = section.texts(key).unwrap_or_default();
    check_paths(section, key, &paths);
    paths
}

/// Reports paths that are neither absolute nor below the home.
pub(crate) fn check_paths(section: &Section<'_>, key: &str, paths: &[String]) {
    for path in paths {
        let rooted = path.starts_with('/') || path.starts_with("~/");
        if !rooted || path.contains('\0') || path.split('/').any(|part| part == "..") {
            section.wrong(
                key,
                &format!("has \"{path}\", which is no full path."),
                "Begin each path with / or ~/, and write it without \"..\".",
            );
        }
    }
}

/// The message may only ever be one whole argument, behind `--`, where no program takes it for an
/// option.
fn check_command(section: &Section<'_>, command: &[String]) {
    if command.first().is_none_or(|program| program.trim().is_empty()) {
        section.wrong(
            "command",
            "names no program.",
            "Write the program first, then its arguments.",
        );
    }
    if command.iter().any(|part| part.contains('\0')) {
        section.wrong("command", "contains a NUL character.", "Remove it.");
    }
    if command.iter().any(|part| part != MESSAGE && part.contains(MESSAGE)) {
        section.wrong(
            "command",
            "has {message} inside a longer argument.",
            "Make \"{message}\" an argument of its own, or leave it out: then the message goes to standard input.",
        );
    }
    let mut places =
        command.iter().enumerate().filter(|(_, part)| *part == MESSAGE).map(|(place, _)| place);
    let Some(place) = places.next() else { return };
    if places.next().is_some() {
        section.wrong("command", "has {message} more than once.", "Keep one.");
    }
    // Place 0 is the program: a message must never choose what is run.
    if !command.iter().take(place).skip(1).any(|part| part == "--") {
        section.wrong(
            "command",
            "has {message} without \"--\" before it, so that a message could become an option.",
            "Put \"--\" before it, or leave {message} out: then the message goes to standard input.",
        );
    }
}

fn check_env(section: &Section<'_>, names: &[String]) {
    for name in names {
        let odd =
            name.is_empty() || name.contains(['=', '\0']) || name.chars().any(char::is_whitespace);
        if name.to_ascii_uppercase().starts_with("QUINTET_") {
            section.wrong(
                "env",
                &format!("names {name}, and Quintet's own variables are never given to an agent."),
                "Remove it from the list.",
            );
        } else if odd {
            section.wrong(
                "env",
                &format!("has \"{name}\", which is no variable's name."),
                "List names only, such as [\"ANTHROPIC_API_KEY\"]; values come from the gateway's environment.",
            );
        }
    }
}
