//! How an app comes to send its events to us: by hand, in Slack's own pages.

/// An example endpoint of this channel for `quintet.toml`.
pub(super) const EXAMPLE: &str = "[endpoints.slack.T0AAAA111]
signing_secret = \"…\"   # Basic Information
bot_token = \"xoxb-…\"   # OAuth & Permissions
approvers = [\"U…\"]     # your member id
team = \"T…\"            # the workspace's id; not needed where it names the endpoint";

/// The steps to click; `{address}` is the webhook's address.
pub(super) const STEPS: &str = "At https://api.slack.com/apps, in your app:
1. Event Subscriptions: switch on, Request URL {address}
   subscribe to the bot events app_mention, message.im and message.channels
2. Interactivity & Shortcuts: switch on, Request URL {address}
3. Slash Commands (as you like): Request URL {address}
4. OAuth & Permissions: bot scopes chat:write, app_mentions:read, im:history, channels:history; install to the workspace
5. App Home: allow messages from the Messages tab
";
