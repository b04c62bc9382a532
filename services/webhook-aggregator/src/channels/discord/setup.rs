//! How an application comes to send its interactions to us: by hand, in Discord's own pages.

/// An example endpoint of this channel for `quintet.toml`.
pub(super) const EXAMPLE: &str = "[endpoints.discord.main]
application_id = \"…\"   # General Information
bot_token = \"…\"        # Bot
approvers = [\"…\"]      # your user id
# For a webhook only (a public https address, or Workers); it brings commands and buttons, no messages:
# public_key = \"…\"     # General Information";

/// The steps to click; `{address}` is the webhook's address.
pub(super) const STEPS: &str = r#"At https://discord.com/developers/applications, in your application:
1. General Information: Interactions Endpoint URL {address} (Discord tries it at once, with bad signatures too)
2. Installation: scopes bot and applications.commands, permission Send Messages; open the install link
3. Make a command: POST https://discord.com/api/v10/applications/<application id>/commands with the bot token and
   {"name":"ask","description":"Ask your agents","options":[{"type":3,"name":"message","description":"What to do","required":true}]}
"#;

/// The same without a public address.
pub(super) const GATEWAY_STEPS: &str = r#"Nothing to register: the server connects to Discord while it runs.
At https://discord.com/developers/applications, in your application:
1. General Information: leave Interactions Endpoint URL empty, or Discord sends commands and buttons there
2. Installation: scopes bot and applications.commands, permissions View Channels, Send Messages and Read Message History; open the install link
3. Write to the bot, or mention it in a channel. For messages = "all", switch on Message Content Intent (Bot)
4. For a command: POST https://discord.com/api/v10/applications/<application id>/commands with the bot token and
   {"name":"ask","description":"Ask your agents","options":[{"type":3,"name":"message","description":"What to do","required":true}]}
"#;
