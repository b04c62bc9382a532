//! The schedules of the configuration in the inboxes.

use crate::Deps;
use crate::config::Config;
use inbox::{InboxExt, ScheduleSpec, SyncSchedules};
use platform::ports::PortResult;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Takes up the schedules of the configuration in every inbox: at a start, and after a change.
///
/// # Errors
/// Those of the inbox.
pub async fn sync_schedules(deps: &Deps) -> PortResult<()> {
    for endpoint in &deps.config.endpoints {
        let shard = endpoint.shard();
        let of_it = |spec: &&ScheduleSpec| {
            deps.config.chat(&spec.conversation).is_ok_and(|chat| chat.endpoint.shard() == shard)
        };
        let wanted = deps.config.schedules.iter().filter(of_it);
        let wanted = wanted.map(|spec| signed(&deps.config, spec)).collect();
        let names = deps.config.schedules.iter().map(|spec| spec.name.clone()).collect();
        for name in deps.inbox.ask(&shard, SyncSchedules { wanted, names }).await? {
            tracing::warn!(
                schedule = name,
                "a schedule that was made by the API gave way to the one of this name in the configuration"
            );
        }
    }
    Ok(())
}

/// A schedule with the approver in whose name it runs from now on.
pub(crate) fn signed(config: &Config, spec: &ScheduleSpec) -> ScheduleSpec {
    let chat = config.chat(&spec.conversation).ok();
    ScheduleSpec { approver: chat.map(|chat| chat.approver.to_owned()), ..spec.clone() }
}

/// Whether this process has taken up its schedules, for hosts whose requests are all there is.
#[derive(Clone, Default)]
pub struct Synced(Arc<AtomicBool>);

impl Synced {
    /// Takes up the schedules of the configuration in the background, with the first request and
    /// until it succeeds.
    pub fn soon(&self, deps: &Deps) {
        // Without a schedule of the configuration, too: those that it had must go.
        if self.0.swap(true, Ordering::Relaxed) {
            return;
        }
        let (synced, own) = (self.clone(), deps.clone());
        deps.background.spawn(Box::pin(async move {
            if let Err(error) = sync_schedules(&own).await {
                tracing::warn!(%error, "the schedules could not be taken up; the next request tries again");
                synced.0.store(false, Ordering::Relaxed);
            }
        }));
    }
}
