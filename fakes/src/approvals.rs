//! Approvals as personal-assistant gives them.

use contracts::Micros;
use contracts::approval::{Approval, ApprovalState, ApproveAnswer, Choice, MonitoringLevel};

/// An approval of a run of codegen for a dollar, in this state.
pub fn approval(state: ApprovalState) -> Approval {
    Approval {
        id: "apr_1".into(),
        version: 1,
        state,
        task_id: "t".into(),
        kind: "codegen".to_owned(),
        agent_type: "codegen".into(),
        operation: Some("run".to_owned()),
        description: "x".to_owned(),
        arguments: None,
        estimated_cost: Some(Micros(1_000_000)),
        cost_limit: Micros(1_000_000),
        digest: "d2".to_owned(),
        reason: String::new(),
        code: None,
        policies: Vec::new(),
        monitoring_level: MonitoringLevel::Basic,
        requested_at: "2026-09-21T14:13:22Z".to_owned(),
        expires_at: "2026-09-21T14:13:22Z".to_owned(),
        decided_at: None,
        decided_by: None,
        decided_by_name: None,
        channel: None,
        event_id: None,
        actual_cost: None,
        choice: Choice::default(),
        review: None,
    }
}

/// The answer to a request for approval, in this state.
pub fn approve_answer(state: ApprovalState) -> ApproveAnswer {
    ApproveAnswer {
        approved: state == ApprovalState::Approved,
        reason: "the rules say so.".to_owned(),
        constraints: None,
        monitoring_level: MonitoringLevel::None,
        cost_limit: Some(Micros(0)),
        state,
        approval_id: "apr_1".into(),
        digest: "d1".to_owned(),
        policies: Vec::new(),
        code: None,
        remaining: None,
        resets_at: None,
    }
}
