//! The word of a model on a request, and its effect on the ruling: it may approve only where the
//! rules leave it the choice, and only the amount that they have fixed.

use crate::policy::{Ruling, Verdict, id};
use contracts::Micros;
use contracts::review::{Review, ReviewVerdict};
use platform::ports::Statement;
use platform::sql;

/// A model's word.
#[derive(Clone, Debug, PartialEq)]
pub struct Reviewed {
    pub review: Review,
}

impl Reviewed {
    /// Changes a ruling that leaves the choice to a model; any other stays.
    pub fn apply(&self, ruling: &mut Ruling) {
        if ruling.verdict != Verdict::AskOwner || !ruling.may_be_reviewed {
            return;
        }
        let Review { model, verdict, words, .. } = &self.review;
        match verdict {
            ReviewVerdict::Approve => {
                ruling.verdict = Verdict::Approve;
                ruling.policies.push(id::MODEL_REVIEW.into());
                ruling.reason = format!("The model {model} approved it: “{words}”");
            }
            ReviewVerdict::Pass => {
                ruling.reason =
                    format!("{} The model {model} leaves it to you: “{words}”", ruling.reason);
            }
        }
    }
    /// Keeps it beside the approval of this id, if that was written.
    pub fn keep(&self, task: &str, approval: &str, now_ms: i64) -> Statement {
        let Review { model, verdict, words, cost, prompt } = &self.review;
        let verdict = match verdict {
            ReviewVerdict::Approve => "approve",
            ReviewVerdict::Pass => "pass",
        };
        sql!(
            "INSERT INTO approval_review (task, model, prompt, verdict, words, cost_u, at)
             SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7 WHERE EXISTS (SELECT 1 FROM approvals a WHERE a.id = ?8)
             ON CONFLICT (task) DO NOTHING",
            task,
            model,
            prompt,
            verdict,
            words,
            *cost,
            now_ms,
            approval
        )
    }
}

/// A row of `approval_review`.
#[derive(Debug, serde::Deserialize)]
pub struct ReviewRow {
    model: String,
    verdict: String,
    words: String,
    cost_u: i64,
    prompt: String,
}

impl From<ReviewRow> for Review {
    fn from(row: ReviewRow) -> Self {
        let verdict =
            if row.verdict == "approve" { ReviewVerdict::Approve } else { ReviewVerdict::Pass };
        Self {
            model: row.model,
            verdict,
            words: row.words,
            cost: Micros(row.cost_u),
            prompt: row.prompt,
        }
    }
}
