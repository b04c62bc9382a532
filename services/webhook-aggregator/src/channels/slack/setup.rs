//! How an app comes to send its events to us: by hand, in Slack's own pages.

/// An example endpoint of this channel for `quintet.toml`.
pub(super) const EXAMPLE: &str = "[endpoints.slack.T0AAAA111]
app_token = \"xapp-…\"   # Basic Information → App-Level Tokens, scope connections:write
bot_token = \"xoxb-…\"   # OAuth & Permissions
approvers = [\"U…\"]     # your member id
team = \"T…\"            # the workspace's id; not needed where it names the endpoint
# For a webhook only (a public https address, or Workers), instead of app_token:
# signing_secret = \"…\" # Basic Information";

/// The steps to click; `{address}` is the webhook's address.
pub(super) const STEPS: &str = "At https://api.slack.com/apps, in your app:
1. Event Subscriptions: switch on, Request URL {address}
   subscribe to the bot events app_mention, message.im and message.channels
2. Interactivity & Shortcuts: switch on, Request URL {address}
3. Slash Commands (as you like): Request URL {address}
4. OAuth & Permissions: bot scopes chat:write, app_mentions:read, im:history, channels:history; install to the workspace
5. App Home: allow messages from the Messages tab
";

/// The same without a public address.
pub(super) const SOCKET_STEPS: &str = "Nothing to register: the server connects to Slack while it runs.
At https://api.slack.com/apps, in your app:
1. Socket Mode: switch on
2. Basic Information → App-Level Tokens: a token with the scope connections:write is app_token
3. Event Subscriptions: switch on; subscribe to the bot events app_mention, message.im and message.channels
4. Interactivity & Shortcuts: switch on
5. OAuth & Permissions: bot scopes chat:write, app_mentions:read, im:history, channels:history; install to the workspace
6. App Home: allow messages from the Messages tab
";
