//! Everything that is known of a tool call before it is asked about, in one round trip.

use super::asker::Asker;
use crate::owner::{self, Owner};
use crate::store::{Answers, ApprovalRow};
use crate::{Deps, tool_rules};
use contracts::Micros;
use platform::edge::ApiResult;
use platform::ports::{PortResult, Statement};
use platform::sql;
use serde::Deserialize;

/// How long a refusal answers the same call again, so that an agent cannot wear the owner down.
pub(super) const REFUSAL_HOLDS_MS: i64 = 10 * 60_000;

/// A tool call as the statements find it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) pattern: &'a str,
    pub(super) cost: Micros,
    /// The task of its first question.
    pub(super) base: &'a str,
}

/// Everything that is known of a tool call.
pub(super) struct Known {
    /// The owner's refusal of the same call of this asker, while it holds. Neither another id nor
    /// other words of explanation get round it.
    pub(super) refusal: Option<ApprovalRow>,
    /// The rule that allows it.
    pub(super) rule: Option<String>,
    pub(super) earlier: Earlier,
    pub(super) owner: Owner,
}

impl Known {
    pub(super) async fn read(deps: &Deps, asker: &Asker, wanted: Wanted<'_>) -> ApiResult<Self> {
        let Wanted { pattern, cost, base } = wanted;
        let now_ms = deps.clock.now_ms();
        let mut batch = vec![refusal(deps, asker, pattern)];
        batch.extend(Earlier::statements(base));
        batch.extend(owner::statements());
        batch.extend(asker.run.as_ref().map(|run| tool_rules::find(run, pattern, cost, now_ms)));
        let mut answers = Answers::of(&*deps.sql, batch).await?;
        Ok(Self {
            refusal: answers.one()?,
            earlier: Earlier::of(&mut answers)?,
            owner: owner::of(deps, &mut answers)?,
            rule: answers.one::<tool_rules::Found>()?.map(|found| found.id),
        })
    }
}

fn refusal(deps: &Deps, asker: &Asker, pattern: &str) -> Statement {
    sql!(
        "SELECT * FROM approvals WHERE pattern = ?1 AND decided_at > ?2 AND requested_by = ?3 AND run IS ?4
           AND state = 'rejected' AND code = 'rejected_by_owner'
         ORDER BY decided_at DESC LIMIT 1",
        pattern,
        deps.clock.now_ms() - REFUSAL_HOLDS_MS,
        asker.who.as_str(),
        asker.task().map(str::to_owned)
    )
}

/// Earlier questions about the same call.
pub(super) struct Earlier {
    pub(super) newest: Option<ApprovalRow>,
    pub(super) count: u32,
    /// When the answer to the newest was delivered, milliseconds since the epoch.
    pub(super) delivered_at: Option<i64>,
}

impl Earlier {
    pub(super) fn statements(base: &str) -> [Statement; 3] {
        // `:` comes after the digits.
        let same = "task = ?1 OR (task > ?1 || '~' AND task < ?1 || '~:')";
        let newest = |column: &str| {
            format!(
                "SELECT {column} FROM approvals WHERE {same} ORDER BY LENGTH(task) DESC, task DESC LIMIT 1"
            )
        };
        let delivered =
            format!("SELECT MAX(at) AS at FROM posted WHERE task = ({})", newest("task"));
        let count = format!("SELECT COUNT(*) AS n FROM approvals WHERE {same}");
        [sql!(newest("*"), base), sql!(count, base), sql!(delivered, base)]
    }
    /// The rows of [`Self::statements`].
    pub(super) fn of(answers: &mut Answers) -> PortResult<Self> {
        #[derive(Deserialize)]
        struct Count {
            n: u32,
        }
        #[derive(Deserialize)]
        struct Delivered {
            at: Option<i64>,
        }
        Ok(Self {
            newest: answers.one()?,
            count: answers.one::<Count>()?.map_or(u32::MAX, |count| count.n),
            delivered_at: answers.one::<Delivered>()?.and_then(|delivered| delivered.at),
        })
    }
}
