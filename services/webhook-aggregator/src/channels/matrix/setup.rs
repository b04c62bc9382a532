//! How an account comes to hear messages.

use super::bot::{Bot, Way, local_of};
use crate::channels::Setup;

/// An example endpoint of this channel for `quintet.toml`.
pub(super) const EXAMPLE: &str = "[endpoints.matrix.main]
api_base = \"https://…\"   # your homeserver
user = \"@…:…\"            # the bot's user id
bot_token = \"…\"          # its access token
approvers = [\"@…:…\"]     # your user id
# For an application service only (a public https address, or Workers):
# hs_token = \"…\"         # as in its registration";

/// The id of the application service in its registration.
pub(super) const SERVICE: &str = "quintet";
const SYNC: &str = "Nothing to set up: the server asks the homeserver while it runs. Invite the bot to a room without encryption and write to it. For an application service (https://spec.matrix.org/latest/application-service-api/), add hs_token and run this again.";

/// A homeserver learns of an application service by a file, which its administrator names in its
/// configuration.
pub(super) fn set_up(bot: &Bot, path: &str, public: Option<&str>) -> Setup {
    if matches!(bot.way, Way::Sync) {
        return Setup::Steps(SYNC.to_owned());
    }
    let public = public.unwrap_or("https://<your address>");
    let local = local_of(&bot.user);
    Setup::Steps(format!(
        "Write this to quintet-registration.yaml beside the homeserver, with bot_token and hs_token of this endpoint in the place of the dots:

id: {SERVICE}
url: {public}{path}
as_token: …    # bot_token
hs_token: …
sender_localpart: {local}
rate_limited: false
namespaces:
  users: []
  aliases: []
  rooms: []

Name the file in the homeserver's configuration (Synapse: app_service_config_files) and restart it. Then invite {} to a room without encryption and write to it.",
        bot.user
    ))
}
