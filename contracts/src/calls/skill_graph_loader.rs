//! The calls of skill-graph-loader.

use super::{Access, Binary};
use crate::GraphVersion;
use crate::Scope::{Gateway, Operator, Viewer};
use crate::graph::{
    AgentList, ChannelList, CurrentVersion, DiffQuery, Graph, GraphDiff, GraphMap, GraphReport,
    LinkedSkill, PublishRequest, Published, RollbackRequest, SearchAnswer, SearchQuery,
    VersionList, VersionQuery,
};

/// The gateway's runners answer from the graph; an agent may ask for approval and nothing else.
const READERS: Access = Access::Scopes(&[Viewer, Operator, Gateway]);
const OWNER: Access = Access::Scopes(&[Operator]);

calls! { SkillGraphLoader:
    /// Read the whole graph.
    Get ReadGraph "/api/graph" {
        access: READERS,
        callers: [AgencyRouter],
        statuses: [200, 304],
        refusals: [NotFound, InvalidField],
        request: VersionQuery,
        reply: Graph,
    }
    /// List the agents of the graph.
    Get ListAgents "/api/agents" {
        access: READERS,
        callers: [PersonalAssistant],
        statuses: [200, 304],
        refusals: [NotFound, InvalidField],
        request: VersionQuery,
        reply: AgentList,
    }
    /// List the channels of the graph.
    Get ListChannels "/api/channels" {
        access: READERS,
        statuses: [200, 304],
        refusals: [NotFound, InvalidField],
        request: VersionQuery,
        reply: ChannelList,
    }
    /// Read one file of the graph, with its links both ways.
    Get ReadSkill "/api/skills/{*id}" {
        access: READERS,
        statuses: [200, 304],
        refusals: [NotFound, InvalidField],
        params: String,
        request: VersionQuery,
        reply: LinkedSkill,
    }
    /// Search the files of the graph.
    Get Search "/api/search" {
        access: READERS,
        callers: [PersonalAssistant, MonitoringDashboard],
        statuses: [200, 304],
        refusals: [NotFound, InvalidField],
        request: SearchQuery,
        reply: SearchAnswer,
    }
    /// List what was published, the last first.
    Get ListVersions "/api/versions" {
        access: READERS,
        callers: [MonitoringDashboard],
        reply: VersionList,
    }
    /// Read the graph without its texts.
    Get ReadMap "/api/map" {
        access: READERS,
        callers: [MonitoringDashboard],
        statuses: [200, 304],
        refusals: [NotFound, InvalidField],
        request: VersionQuery,
        reply: GraphMap,
    }
    /// Read the findings on the graph.
    Get ReadReport "/api/report" {
        access: READERS,
        callers: [MonitoringDashboard],
        statuses: [200, 304],
        refusals: [NotFound, InvalidField],
        request: VersionQuery,
        reply: GraphReport,
    }
    /// Compare two versions.
    Get ReadDiff "/api/diff" {
        access: READERS,
        callers: [MonitoringDashboard],
        refusals: [NotFound, InvalidField],
        request: DiffQuery,
        reply: GraphDiff,
    }
    /// Publish a folder; the body may be gzipped.
    Post Publish "/api/publish" {
        access: OWNER,
        idempotent: true,
        refusals: [Conflict, Upstream],
        request: PublishRequest,
        reply: Published,
        example: r#"{"files": [{"path": "agents/codegen.md", "text": "---\nagentId: codegen\n---\n# Codegen\n\nWrites code.\n\n## Examples\n\n- fix the failing build\n"}], "message": "first", "allowRemoval": true}"#,
    }
    /// Serve an earlier version again.
    Post Rollback "/api/rollback" {
        access: OWNER,
        callers: [MonitoringDashboard],
        refusals: [NotFound, Conflict],
        request: RollbackRequest,
        reply: Published,
        example: r#"{"version": "4be1d0a2"}"#,
    }
    /// Publish the graph of the backup again.
    Post Restore "/api/restore" {
        access: OWNER,
        idempotent: true,
        refusals: [NotFound, InvalidField, Conflict, Upstream],
        reply: Published,
    }
    /// Read which version is current: one row of the database.
    Get ReadCurrent "/internal/current" {
        access: Access::Internal,
        callers: [AgencyRouter],
        reply: CurrentVersion,
    }
    /// Read the bytes of a version's model.
    Get ReadModel "/internal/model/{version}" {
        access: Access::Internal,
        callers: [AgencyRouter],
        refusals: [NotFound],
        params: GraphVersion,
        reply: Binary,
    }
}
