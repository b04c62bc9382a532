//! How an application comes to send its interactions to us: by hand, in Discord's own pages.

/// An example endpoint of this channel for `quintet.toml`.
pub(super) const EXAMPLE: &str = "[endpoints.discord.main]
public_key = \"…\"       # General Information
application_id = \"…\"
bot_token = \"…\"        # Bot
approvers = [\"…\"]      # your user id";

/// The steps to click; `{address}` is the webhook's address.
pub(super) const STEPS: &str = r#"At https://discord.com/developers/applications, in your application:
1. General Information: Interactions Endpoint URL {address} (Discord tries it at once, with bad signatures too)
2. Installation: scopes bot and applications.commands, permission Send Messages; open the install link
3. Make a command: POST https://discord.com/api/v10/applications/<application id>/commands with the bot token and
   {"name":"ask","description":"Ask your agents","options":[{"type":3,"name":"message","description":"What to do","required":true}]}
"#;
