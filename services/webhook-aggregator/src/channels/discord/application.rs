//! One application and its bot.

use platform::secret::Secret;

/// One application and its bot.
#[derive(Debug)]
pub(super) struct Application {
    pub(super) api_base: String,
    pub(super) id: String,
    pub(super) way: Way,
    pub(super) bot_token: Secret,
    /// Over the Gateway: every message of a server counts, not only those that name the bot.
    pub(super) hears_all: bool,
}

/// How its messages reach us.
#[derive(Debug)]
pub(super) enum Way {
    /// Discord signs its webhooks with the private half of this key.
    Webhook([u8; 32]),
    /// Over a connection that we open with the bot's token.
    Gateway,
}
