//! The port by which the page of the chats connects one: natively, where this program can write its
//! own configuration. A Worker has none, and shows the steps instead.

use async_trait::async_trait;
use contracts::ChannelKind;
use platform::secret::Secret;

/// A channel that can be connected.
#[derive(Clone, Debug)]
pub struct Offered {
    pub channel: ChannelKind,
    /// How a person comes by the secrets, in lines.
    pub guide: String,
    /// The question for the address of the platform, where there are many servers.
    pub address: Option<&'static str>,
    /// The secrets to fill in, in order.
    pub secrets: Vec<Field>,
}

/// A secret of a form.
#[derive(Clone, Debug)]
pub struct Field {
    pub title: &'static str,
    /// The page of the platform that has it.
    pub place: &'static str,
}

/// A connection whose secrets the platform has taken, and that waits for its owner.
#[derive(Clone, Debug, Default)]
pub struct Trial {
    pub id: String,
    /// The account as people know it.
    pub title: String,
    /// `telegram.main`.
    pub endpoint: String,
    /// Things done, and things worth knowing.
    pub notes: Vec<String>,
    /// Where a first message is written, as an instruction that follows “Now ”.
    pub first_message: String,
    /// Who wrote, or owns the account: platform id and name.
    pub people: Vec<(String, String)>,
    /// Approvers that the configuration has already.
    pub approvers: Vec<String>,
    /// Why people cannot be heard at the moment.
    pub trouble: Option<String>,
    /// The platform is not yet changed as the endpoint needs it, which may be the reason.
    pub in_the_way: bool,
}

/// The reason why a step failed, with its fix. Nothing is left half done.
#[derive(Clone, Debug)]
pub struct Refused {
    pub what: String,
    pub fix: String,
}

/// Connects chats.
#[async_trait]
pub trait Chats: Send + Sync {
    /// The channels, in the order in which they are offered.
    fn offered(&self) -> Vec<Offered>;
    /// The endpoints in force, as `<channel>.<name>`.
    fn endpoints(&self) -> Vec<String>;
    /// Tries the secrets; the platform stays as it is. A new trial replaces the one before.
    ///
    /// # Errors
    /// When the platform refuses, or does not answer.
    async fn attempt(
        &self,
        channel: ChannelKind,
        address: Option<String>,
        secrets: Vec<Secret>,
    ) -> Result<String, Refused>;
    /// The trial with who wrote so far; waits some seconds for a message. `None`: there is none.
    async fn look(&self, trial: &str) -> Option<Trial>;
    /// None of the people shown is the owner: they are left out from now on, others are awaited.
    ///
    /// # Errors
    /// When there is no such trial, or nobody else can be heard.
    async fn decline(&self, trial: &str) -> Result<(), Refused>;
    /// Changes the platform as the endpoint needs it, before its owner is known.
    ///
    /// # Errors
    /// When there is no such trial, or the platform refuses or does not answer.
    async fn register(&self, trial: &str) -> Result<(), Refused>;
    /// Writes the configuration with this approver, has the server take it up, and registers with
    /// the platform. Without an approver those that are there stay.
    ///
    /// # Errors
    /// When the configuration cannot take it or the platform refuses; the configuration is as it
    /// was then.
    async fn finish(&self, trial: &str, approver: Option<&str>) -> Result<String, Refused>;
}
