//! The service's side of the inbox: one Durable Object per shard, one request per command.

use crate::cell::post;
use crate::{invalid, missing, unknown};
use ::inbox::{Command, Inbox, Reply};
use async_trait::async_trait;
use contracts::Shard;
use platform::ports::{PortError, PortErrorKind, PortResult};
use serde::{Deserialize, Serialize};
use worker::Env;
use worker::send::SendFuture;

/// The request to the object.
#[derive(Serialize, Deserialize)]
pub(crate) struct InboxRequest {
    pub shard: Shard,
    pub command: Command,
}

/// The response: the reply, or the error that rolled the transaction back.
pub(crate) type Answer = Result<Reply, (Why, String)>;

/// The kind of an error in the object's response.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Why {
    Full,
    Conflict,
    Invalid,
    Unavailable,
}

/// The port: calls the objects of the binding `INBOX`.
pub struct ObjectInbox(pub Env);

#[async_trait]
impl Inbox for ObjectInbox {
    async fn send(&self, shard: &Shard, command: Command) -> PortResult<Reply> {
        SendFuture::new(async move {
            let stub = self
                .0
                .durable_object("INBOX")
                .and_then(|namespace| namespace.get_by_name(shard.as_str()))
                .map_err(missing)?;
            let text = serde_json::to_string(&InboxRequest { shard: shard.clone(), command })
                .map_err(invalid)?;
            let mut answer = stub.fetch_with_request(post(&text)?).await.map_err(unknown)?;
            let answer: Answer =
                serde_json::from_str(&answer.text().await.map_err(unknown)?).map_err(unknown)?;
            answer.map_err(|(why, detail)| PortError::clean(kind(why), detail))
        })
        .await
    }
}

fn kind(why: Why) -> PortErrorKind {
    match why {
        Why::Full => PortErrorKind::Full,
        Why::Conflict => PortErrorKind::Conflict,
        Why::Invalid => PortErrorKind::Invalid,
        Why::Unavailable => PortErrorKind::Unavailable,
    }
}

pub(crate) fn why(kind: PortErrorKind) -> Why {
    match kind {
        PortErrorKind::Full => Why::Full,
        PortErrorKind::Conflict => Why::Conflict,
        PortErrorKind::Invalid => Why::Invalid,
        PortErrorKind::Unavailable | PortErrorKind::Timeout => Why::Unavailable,
    }
}
