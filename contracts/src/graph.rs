//! The skill graph, published by the loader and read by all others.

use crate::{AgentId, GraphVersion};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One file to publish or check. `path` is relative, with forward slashes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SourceFile {
    pub path: String,
    pub text: String,
}

/// The amount of work in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Complexity {
    Simple,
    Moderate,
    Complex,
}

impl Complexity {
    /// Parses the wire text.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Simple, Self::Moderate, Self::Complex]
            .into_iter()
            .find(|complexity| complexity.as_str() == text)
    }

    /// The wire text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Simple => "simple",
            Self::Moderate => "moderate",
            Self::Complex => "complex",
        }
    }
}

/// The kind of a file in the graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum SkillKind {
    Agent,
    Channel,
    Skill,
    Guide,
}

/// A whole published graph: `GET /api/graph`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Graph {
    pub version: Option<GraphVersion>,
    pub agents: Vec<Agent>,
    pub channels: Vec<Channel>,
    pub skills: Vec<Skill>,
    pub links: Vec<Link>,
}

impl Graph {
    /// The agent of this id.
    pub fn agent(&self, id: &AgentId) -> Option<&Agent> {
        self.agents.iter().find(|agent| &agent.id == id)
    }
    /// The agent for out-of-scope messages: the one with `fallback: true`, otherwise `assistant`.
    pub fn fallback_agent(&self) -> Option<&Agent> {
        self.agents
            .iter()
            .find(|agent| agent.fallback)
            .or_else(|| self.agents.iter().find(|agent| agent.id.as_str() == "assistant"))
    }
    /// The file of this id.
    pub fn skill(&self, id: &str) -> Option<&Skill> {
        self.skills.iter().find(|skill| skill.id == id)
    }
}

/// An agent, with the texts the router learns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Agent {
    pub id: AgentId,
    /// Its file (a [`Skill::id`]).
    pub skill: String,
    pub title: String,
    pub description: String,
    pub keywords: Vec<String>,
    pub aliases: Vec<String>,
    /// Short statements of its file: bullets outside the examples.
    pub bullets: Vec<String>,
    pub examples: Vec<String>,
    /// "NOT for …" clauses.
    pub negatives: Vec<String>,
    /// Complexities it is made for; empty means all.
    pub complexity: Vec<Complexity>,
    /// Its replacements, best first; after them the graph's fallback agent.
    pub related_agents: Vec<AgentId>,
    pub related_channels: Vec<String>,
    pub model: Option<String>,
    /// Whether it gets out-of-scope messages.
    pub fallback: bool,
    /// Whether unknown senders of an endpoint with `senders = ["*"]` may use it.
    pub public: bool,
}

/// A channel and its capabilities.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Channel {
    pub id: String,
    pub skill: String,
    pub title: String,
    pub description: String,
    pub platform: Option<String>,
    pub context_richness: Option<String>,
    pub latency: Option<String>,
    pub keywords: Vec<String>,
    pub related_agents: Vec<AgentId>,
}

/// One file of the graph, of any kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Skill {
    /// The file's stem, or the folder's name for a `SKILL.md`; with its folder in front if stems
    /// collide.
    pub id: String,
    pub path: String,
    pub kind: SkillKind,
    pub title: String,
    pub description: String,
    pub keywords: Vec<String>,
    pub aliases: Vec<String>,
    pub tags: Vec<String>,
    pub headings: Vec<String>,
    pub related_agents: Vec<AgentId>,
    /// The Markdown below the front matter.
    pub body: String,
    /// Front matter keys that Quintet does not use, unchanged.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, serde_json::Value>,
}

/// A resolved link between two files.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Link {
    pub from: String,
    pub to: String,
}

/// Severity of a finding; `error` leaves the file out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Error,
    Warning,
    Hint,
}

/// One finding about a folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    pub severity: Severity,
    /// Stable name, such as `broken_link`.
    pub code: String,
    /// Empty for the whole graph.
    pub path: String,
    /// From 1; 0 for the whole file.
    pub line: u32,
    pub message: String,
    pub fix: String,
}

/// `POST /api/publish`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PublishRequest {
    pub files: Vec<SourceFile>,
    #[serde(default)]
    pub message: Option<String>,
    #[serde(default)]
    pub allow_removal: bool,
    /// Each `SKILL.md` is an agent, also beside agents.
    #[serde(default)]
    pub skills_as_agents: bool,
}

/// The query of everything that is read by version.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct VersionQuery {
    /// 32 hexadecimal digits; without it, the current version.
    #[serde(default)]
    pub version: Option<String>,
}

/// `GET /api/agents`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AgentList {
    pub version: Option<GraphVersion>,
    pub agents: Vec<Agent>,
}

/// `GET /api/channels`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ChannelList {
    pub version: Option<GraphVersion>,
    pub channels: Vec<Channel>,
}

/// `GET /api/skills/{id}`: a file with the ids it links to and is linked from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct LinkedSkill {
    #[serde(flatten)]
    pub skill: Skill,
    pub links: Vec<String>,
    pub linked_from: Vec<String>,
}

/// The query of `GET /api/search`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SearchQuery {
    /// The words to look for; the first 512 characters count.
    pub q: String,
    /// 1 to 50, 10 when it is left out; more is taken as 50.
    #[serde(default)]
    pub limit: Option<usize>,
    /// 32 hexadecimal digits; without it, the current version.
    #[serde(default)]
    pub version: Option<String>,
}

/// The query of `GET /api/diff`; versions by their first characters, four at least.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct DiffQuery {
    /// Without it: the version that was served when `to` was published.
    #[serde(default)]
    pub from: Option<String>,
    /// Without it: the current one.
    #[serde(default)]
    pub to: Option<String>,
}

/// `GET /internal/current`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CurrentVersion {
    /// Null while nothing was published.
    pub version: Option<GraphVersion>,
}

/// Response of `POST /api/publish` and `/api/rollback`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Published {
    pub version: GraphVersion,
    /// False if this content was already current.
    pub changed: bool,
    pub agents: usize,
    pub skills: usize,
    pub findings: Vec<Finding>,
    /// The rights that it gives and the one before did not: who became public, or the fallback.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rights: Vec<String>,
}

/// `POST /api/rollback`, with a version or its first characters (at least four). Default: the
/// version served before the current one was published.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RollbackRequest {
    #[serde(default)]
    pub version: Option<GraphVersion>,
}

/// `GET /api/versions`: the latest publish first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct VersionList {
    pub versions: Vec<VersionRow>,
}

/// A row of `GET /api/versions`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct VersionRow {
    pub version: GraphVersion,
    pub current: bool,
    pub published_at: String,
    pub message: Option<String>,
    pub agents: usize,
    pub skills: usize,
    pub findings: usize,
}

/// `GET /api/map`: the graph without its texts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct GraphMap {
    pub version: Option<GraphVersion>,
    /// Agents first, then channels, then everything else.
    pub nodes: Vec<MapNode>,
    pub links: Vec<Link>,
    /// Files that are not among the nodes.
    pub left_out: usize,
}

/// A file on the map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct MapNode {
    pub id: String,
    pub kind: SkillKind,
    pub title: String,
    pub path: String,
    /// For an agent: its number of examples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub examples: Option<usize>,
}

/// `GET /api/report`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct GraphReport {
    pub version: Option<GraphVersion>,
    pub findings: Vec<Finding>,
}

/// `GET /api/diff`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct GraphDiff {
    pub from: GraphVersion,
    pub to: GraphVersion,
    pub agents_added: Vec<String>,
    pub agents_removed: Vec<String>,
    pub agents_changed: Vec<AgentChange>,
    pub files_added: Vec<String>,
    pub files_removed: Vec<String>,
    pub files_changed: Vec<String>,
}

/// The changes of one agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct AgentChange {
    pub agent: AgentId,
    pub examples_added: Vec<String>,
    pub examples_removed: Vec<String>,
    /// Names of other changed parts.
    pub other: Vec<String>,
}

/// `GET /api/search`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SearchAnswer {
    pub query: String,
    pub version: Option<GraphVersion>,
    pub results: Vec<SearchHit>,
}

/// One file that matches a query, best first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct SearchHit {
    pub id: String,
    pub path: String,
    pub kind: SkillKind,
    pub title: String,
    pub description: String,
    /// The heading above the snippet, if any.
    pub heading: Option<String>,
    /// Plain text of the best passage (at most 320 characters).
    pub snippet: String,
    /// `[start, end)` in Unicode scalar values of `snippet`, in order, not overlapping.
    pub highlights: Vec<[usize; 2]>,
    pub score: f64,
}
