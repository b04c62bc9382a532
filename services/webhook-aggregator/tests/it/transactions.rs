//! The inbox transactions that one message takes: each is a request to a Durable Object on Workers.

use crate::bed::{Bed, bed};
use async_trait::async_trait;
use contracts::Shard;
use inbox::memory::MemoryInbox;
use inbox::{Command, Inbox, Reply};
use platform::ports::PortResult;
use std::sync::{Arc, Mutex};
use webhook_aggregator::{Deps, router};

/// Maximum transactions of the message's own inbox, from its webhook to Done.
const ORDINARY_MAX: usize = 15;

/// Notes the commands that one shard is sent.
struct Counting {
    inbox: Arc<MemoryInbox>,
    sent: Mutex<Vec<String>>,
}

#[async_trait]
impl Inbox for Counting {
    async fn send(&self, shard: &Shard, command: Command) -> PortResult<Reply> {
        if shard.as_str() == "telegram.main" {
            let text = format!("{command:?}");
            let name = text.split('(').next().unwrap_or_default().to_owned();
            self.sent.lock().unwrap().push(name);
        }
        self.inbox.send(shard, command).await
    }
}

#[tokio::test]
async fn ordinary_message_takes_few_inbox_transactions() {
    let bed = bed();
    let counting = Arc::new(Counting { inbox: bed.inbox.clone(), sent: Mutex::default() });
    let deps = Deps { inbox: counting.clone(), ..bed.deps.clone() };
    let bed = Bed { app: router(deps.clone()), deps, ..bed };
    bed.telegram(1, "work").await;
    let task = bed.lease().await.remove(0);
    assert_eq!(bed.finish(&task, "success", "done").await, 200);
    let sent = counting.sent.lock().unwrap().clone();
    assert_eq!(bed.event("1").await["state"], "done");
    assert!(sent.len() <= ORDINARY_MAX, "{}: {sent:?}", sent.len());
}
