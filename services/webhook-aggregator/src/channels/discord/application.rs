//! One application and its bot.

use platform::secret::Secret;

/// One application and its bot.
#[derive(Debug)]
pub(super) struct Application {
    pub(super) api_base: String,
    pub(super) id: String,
    pub(super) public_key: [u8; 32],
    pub(super) bot_token: Secret,
}
