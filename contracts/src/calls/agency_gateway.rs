//! The calls of agency-gateway, for programs on its own machine. No service calls a gateway.

use super::{Access, EventStream};
use crate::Scope::{Gateway, Operator, Viewer};
use crate::TaskId;
use crate::halt::{HaltAnswer, HaltRequest};
use crate::task::{RunTaskRequest, TaskView};

const READERS: Access = Access::Scopes(&[Operator, Viewer, Gateway]);

calls! { AgencyGateway:
    /// Run an approved task; the same task again gives its state.
    Post RunTask "/api/run-task" {
        access: Access::Scopes(&[Operator, Gateway]),
        idempotent: true,
        statuses: [200, 202],
        refusals: [NotApproved, Conflict, Halted, BudgetExhausted, Upstream],
        request: RunTaskRequest,
        reply: TaskView,
        example: r#"{"taskId": "deploy-42", "agent": "codegen", "message": "Deploy version 42", "approvalId": "apr_01ARZ3NDEKTSV4RRFFQ69G5FAV"}"#,
    }
    /// Read the newest run of a task.
    Get ReadTask "/api/tasks/{id}" {
        access: READERS,
        refusals: [NotFound],
        params: TaskId,
        reply: TaskView,
    }
    /// Follow the newest run of a task.
    Get FollowTask "/api/tasks/{id}/events" {
        access: READERS,
        refusals: [NotFound],
        params: TaskId,
        reply: EventStream,
    }
    /// Stop a task that runs here, or all of them.
    Post Halt "/api/halt" {
        access: Access::Scopes(&[Operator]),
        idempotent: true,
        statuses: [200, 202],
        refusals: [NotFound],
        request: HaltRequest,
        reply: HaltAnswer,
        example: r#"{"taskId": "deploy-42"}"#,
    }
}
