//! A question of the assistant itself to a model. It is work like any other: the rules must approve
//! it, the money is held before it is asked, and its cost is settled. A halt ends it.

use crate::approve::{record, ruling};
use crate::claim::{self, ClaimError};
use crate::own_work;
use crate::policy::{Ruling, Verdict};
use crate::{Deps, owner};
use contracts::Micros;
use contracts::approval::ClaimAnswer;
use futures_util::future::{Either, select};
use model_client::{AskError, Client, Question, Reply, Reservation};
use platform::edge::{ApiError, ApiResult};
use platform::models::{Model, Use};
use std::pin::pin;

/// Something to be asked.
#[derive(Clone, Debug)]
pub struct Errand {
    /// One of [`own_work::KINDS`].
    pub kind: &'static str,
    /// The message, the event or the approval that it is about; asked once.
    pub of: String,
    /// For the owner's lists.
    pub what: String,
    pub patience: Patience,
}

/// How long and how often to try.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    pub retries: u32,
    /// Maximum wait for the first part of an answer and between two parts.
    pub timeout_ms: u64,
    /// Maximum time of all attempts together.
    pub total_ms: i64,
}

/// Why nothing was answered.
#[derive(Debug)]
pub enum NoReply {
    /// No model has this use.
    NoModel,
    /// The rules do not approve it by themselves; the owner is not asked whether a model may be
    /// asked.
    Rules(Box<Ruling>),
    /// The budget does not cover it, or a halt is in force.
    Refused(Box<ApiError>),
    /// It was asked before.
    Asked,
    Halted,
    /// It took too long.
    Late,
    Failed(AskError),
}

impl std::fmt::Display for NoReply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoModel => write!(f, "no model is configured for this"),
            Self::Rules(ruling) => {
                write!(f, "your rules do not approve it by themselves: {}", ruling.reason)
            }
            Self::Refused(error) => write!(f, "{}", error.0.detail),
            Self::Asked => write!(f, "it was asked before"),
            Self::Halted => write!(f, "everything is halted"),
            Self::Late => write!(f, "the model took too long"),
            Self::Failed(error) => write!(f, "the model did not answer: {error}"),
        }
    }
}

/// A question that is approved, and its money held.
pub struct Admitted {
    deps: Deps,
    models: Vec<Model>,
    question: Question,
    patience: Patience,
    claim: ClaimAnswer,
    work: contracts::approval::ApproveRequest,
}

/// Has a question approved and its money held.
///
/// # Errors
/// When the ledger does not answer: nothing is asked then.
pub async fn admit(
    deps: &Deps,
    what: Use,
    errand: Errand,
    question: Question,
) -> ApiResult<Result<Admitted, NoReply>> {
    let patient = |model: &Model| Model {
        timeout_ms: model.timeout_ms.min(errand.patience.timeout_ms),
        ..model.clone()
    };
    let models: Vec<Model> =
        deps.config.models().chain_for(what).into_iter().map(patient).collect();
    if models.is_empty() {
        return Ok(Err(NoReply::NoModel));
    }
    let client = client(deps, errand.patience);
    // A call of unknown effect counts in full, and its fallback is asked all the same.
    let ceilings = models.iter().map(|model| client.ceiling(model, &question));
    let most = ceilings.fold(Micros::ZERO, Micros::plus);
    let work = own_work::request(errand.kind, &errand.of, errand.what, most);
    let ruling = ruling(deps, own_work::WHO, &work, &owner::read(deps).await?);
    if ruling.verdict != Verdict::Approve {
        return Ok(Err(NoReply::Rules(Box::new(ruling))));
    }
    let (row, shortfall) = record(deps, own_work::WHO, &work).await?;
    if let Some(short) = shortfall {
        let refused = crate::decide::over_budget(&short);
        return Ok(Err(NoReply::Refused(Box::new(refused))));
    }
    let claim = match claim::take(deps, &row.id, &row.digest, None).await {
        Ok(claim) => claim,
        Err(ClaimError::Claimed(_)) => return Ok(Err(NoReply::Asked)),
        Err(ClaimError::Halted) => return Ok(Err(NoReply::Halted)),
        Err(ClaimError::Port(error)) => return Err(error.into()),
        Err(refusal) => return Ok(Err(NoReply::Refused(Box::new(refusal.into())))),
    };
    let deps = deps.clone();
    Ok(Ok(Admitted { deps, models, question, patience: errand.patience, claim, work }))
}

fn client(deps: &Deps, patience: Patience) -> Client {
    Client { outbound: deps.outbound.clone(), clock: deps.clock.clone(), retries: patience.retries }
}

impl Admitted {
    /// Asks, and settles the cost. `hear` gets the text as it comes.
    pub async fn ask(self, hear: &mut (dyn FnMut(&str) + Send)) -> Result<Reply, NoReply> {
        let Self { deps, models, question, patience, claim, work } = self;
        let models: Vec<&Model> = models.iter().collect();
        let mut reservation = Reservation::of(&claim);
        let client = client(&deps, patience);
        let until_ms = deps.clock.now_ms().saturating_add(patience.total_ms);
        let asking = async {
            let asking = pin!(client.ask(&models, &question, &mut reservation, hear));
            match select(asking, deps.clock.sleep_until(until_ms)).await {
                Either::Left((said, _)) => said.map_err(NoReply::Failed),
                Either::Right(_) => Err(NoReply::Late),
            }
        };
        let said = own_work::unless_halted(&deps, &work.task_id, asking).await;
        let cost = match &said {
            // Ended in the middle: the model may have done all of it.
            None | Some(Err(NoReply::Late)) => work.estimated_cost,
            Some(_) => reservation.spent(),
        };
        let is_done = matches!(said, Some(Ok(_)));
        let mut settled = own_work::settlement(claim.claim_token, Some(cost), is_done);
        if let Some(Ok(reply)) = &said {
            settled.usage = reply.usage.map(contracts::TokenUsage::record);
        }
        own_work::settle(&deps, work.task_id, settled).await;
        match said {
            None => Err(NoReply::Halted),
            Some(answer) => answer,
        }
    }
}

/// Both at once, for a question whose text nobody waits for.
///
/// # Errors
/// When the ledger does not answer: nothing is asked then.
pub async fn ask(
    deps: &Deps,
    what: Use,
    errand: Errand,
    question: Question,
) -> ApiResult<Result<Reply, NoReply>> {
    Ok(match admit(deps, what, errand, question).await? {
        Ok(admitted) => admitted.ask(&mut |_| ()).await,
        Err(why) => Err(why),
    })
}
