//! Whose word counts for what: the owner's for everything, an approver's for his own endpoint.

use crate::Deps;
use crate::store::ApprovalRow;
use contracts::channel::WayIn;
use contracts::{ChannelKind, EventId, ServiceName, Shard, TaskId};
use platform::edge::{ApiResult, Principal};
use platform::sql;

/// The reach of one person's decisions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authority {
    /// Everything: the operator's token, the dashboard, and the web console behind our own sign-in.
    Owner,
    /// The work of this endpoint.
    Endpoint(Shard),
    /// Nothing: a caller that names nobody.
    Nobody,
}

impl Authority {
    /// The authority of a caller. The aggregator speaks for the person it names; other callers that
    /// reach these handlers are the owner's.
    pub fn of(who: Principal, actor: Option<&str>) -> Self {
        if who.is_service(ServiceName::WebhookAggregator) {
            actor.map_or(Self::Nobody, Self::of_person)
        } else {
            Self::Owner
        }
    }
    /// The authority of an approver, named as `<channel>:<endpoint>:<user>`.
    pub fn of_person(actor: &str) -> Self {
        let mut parts = actor.splitn(3, ':');
        let (channel, endpoint, user) = (parts.next(), parts.next(), parts.next());
        let kind = channel.and_then(ChannelKind::parse);
        match (kind, endpoint, user.filter(|user| !user.is_empty())) {
            (Some(kind), Some(endpoint), Some(_)) if kind.ways_in().contains(&WayIn::Webhook) => {
                Self::Endpoint(Shard::of(kind.as_str(), endpoint))
            }
            (Some(_), Some(_), Some(_)) => Self::Owner,
            _ => Self::Nobody,
        }
    }
    /// Whether it is an approver's of an endpoint, whose platform names him.
    pub fn is_of_endpoint(&self) -> bool {
        matches!(self, Self::Endpoint(_))
    }
    /// The column `halt.endpoint`: whose halt it is. `Nobody` halts nothing.
    pub fn halts_as(&self) -> &str {
        match self {
            Self::Endpoint(own) => own.as_str(),
            Self::Owner | Self::Nobody => "",
        }
    }
    /// Whether it reaches what came in by this endpoint; `None` came by none.
    pub fn reaches(&self, shard: Option<&Shard>) -> bool {
        match self {
            Self::Owner => true,
            Self::Endpoint(own) => shard == Some(own),
            Self::Nobody => false,
        }
    }
    /// Whether it may halt or resume this task. A chat task is named by its event, so the task need
    /// not exist yet.
    pub fn may_stop(&self, task: &TaskId) -> bool {
        self.reaches(task.event_id().shard().as_ref())
    }
    /// Whether it may decide this approval: work of its endpoint, or work of a program that was
    /// asked there.
    pub async fn may_decide(&self, deps: &Deps, approval: &ApprovalRow) -> ApiResult<bool> {
        let Self::Endpoint(own) = self else { return Ok(self.reaches(None)) };
        let shard = approval.event_id.as_ref().map(|event| EventId::new(event).shard());
        if let Some(shard) = shard.filter(|shard| !shard.as_ref().is_some_and(is_of_program)) {
            return Ok(self.reaches(shard.as_ref()));
        }
        let asked_there = sql!(
            "SELECT 1 AS found FROM button WHERE approval = ?1 AND channel || '.' || endpoint = ?2 LIMIT 1",
            &approval.id,
            own.as_str()
        );
        Ok(!deps.sql.query(asked_there).await?.is_empty())
    }
}

/// Whether an endpoint is one where a program posts, which has no approvers of its own.
fn is_of_program(shard: &Shard) -> bool {
    let kind = shard.as_str().split('.').next().and_then(ChannelKind::parse);
    kind.is_some_and(|kind| !kind.has_people())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authority_of_a_person_ends_at_the_endpoint() {
        let main = Authority::Endpoint(Shard::new("telegram.main"));
        assert_eq!(Authority::of_person("telegram:main:7"), main);
        assert_eq!(
            Authority::of_person("slack:T0:T9/U1"),
            Authority::Endpoint(Shard::new("slack.T0"))
        );
        assert_eq!(Authority::of_person("web:console:owner"), Authority::Owner);
        for nobody in ["", "unknown", "telegram:main", "telegram:main:", "fax:main:7"] {
            assert_eq!(Authority::of_person(nobody), Authority::Nobody, "{nobody}");
        }
        let aggregator = Principal::Service(ServiceName::WebhookAggregator);
        assert_eq!(Authority::of(aggregator, None), Authority::Nobody);
        assert_eq!(Authority::of(aggregator, Some("telegram:main:7")), main);
        let dashboard = Principal::Service(ServiceName::MonitoringDashboard);
        assert_eq!(Authority::of(dashboard, Some("telegram:main:7")), Authority::Owner);
    }

    #[test]
    fn authority_over_a_task_needs_its_endpoint_in_the_id() {
        let main = Authority::Endpoint(Shard::new("telegram.main"));
        let task = |text: &str| TaskId::new(text);
        assert!(main.may_stop(&task("telegram.main.01ARZ3NDEKTSV4RRFFQ69G5FAV~2")));
        for other in ["telegram.mainx.01ARZ3NDEKTSV4RRFFQ69G5FAV", "telegram.main", "deploy-42", ""]
        {
            assert!(!main.may_stop(&task(other)), "{other}");
            assert!(Authority::Owner.may_stop(&task(other)));
            assert!(!Authority::Nobody.may_stop(&task(other)));
        }
    }
}
