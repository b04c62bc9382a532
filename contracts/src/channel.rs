//! The closed list of channels. Names, webhook paths and ways in live here and nowhere else.
//!
//! Only the aggregator knows more about a channel: its keys, its wire formats and its set-up steps
//! are in `services/webhook-aggregator/src/channels/`.

/// How messages of a channel reach us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WayIn {
    /// The platform posts to [`ChannelKind::webhook_path`] and signs what it posts.
    Webhook,
    /// We fetch them from a mailbox; a webhook is for `quintet send` alone.
    Mailbox,
    /// Our own API, `POST /api/messages`; there is no platform behind it.
    Api,
}

macro_rules! channels {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal, $title:literal, [$($way:ident),+];)+) => {
        /// A channel. The wire text is the lower-case name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ChannelKind {
            $($(#[doc = $doc])+ $name,)+
        }
        impl ChannelKind {
            /// Every channel, in the order in which people are offered them.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];
            /// The name in addresses, ids, configuration keys and commands.
            pub const fn as_str(self) -> &'static str { match self { $(Self::$name => $text),+ } }
            /// The name in texts for people.
            pub const fn title(self) -> &'static str { match self { $(Self::$name => $title),+ } }
            /// The ways in, the default first.
            pub const fn ways_in(self) -> &'static [WayIn] {
                match self { $(Self::$name => &[$(WayIn::$way),+]),+ }
            }
        }
    };
}

channels! {
    /// A bot of Telegram's Bot API.
    Telegram = "telegram", "Telegram", [Webhook];
    /// An app in a Slack workspace.
    Slack = "slack", "Slack", [Webhook];
    /// An application with a bot on Discord.
    Discord = "discord", "Discord", [Webhook];
    /// An account, or an application service, of a Matrix homeserver.
    Matrix = "matrix", "Matrix", [Webhook];
    /// A phone number of WhatsApp's Cloud API.
    WhatsApp = "whatsapp", "WhatsApp", [Webhook];
    /// A mailbox: IMAP in, SMTP out.
    Mail = "mail", "e-mail", [Mailbox, Webhook];
    /// Any program that posts signed webhooks.
    Hook = "hook", "Webhooks", [Webhook];
    /// The dashboard's console and the owner's own programs.
    Web = "web", "the web console", [Api];
}

impl ChannelKind {
    /// The channel of this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|channel| channel.as_str() == text)
    }
    /// Whether persons write there, who may be senders and approvers. The posts of a program are
    /// content and never commands.
    pub const fn has_people(self) -> bool {
        !matches!(self, Self::Hook)
    }
    /// Whether an answer can be sent there; else it is in the transcript alone.
    pub const fn has_chats(self) -> bool {
        !matches!(self, Self::Hook | Self::Web)
    }
    /// The channels with a path for webhooks.
    pub fn with_webhooks() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|channel| channel.ways_in().contains(&WayIn::Webhook))
    }
    /// Path of an endpoint's webhook. A route puts `{endpoint}` in the endpoint's place.
    pub fn webhook_path(self, endpoint: &str) -> String {
        format!("/{self}/{endpoint}")
    }
    /// Paths that a platform itself puts behind [`webhook_path`](Self::webhook_path).
    pub const fn below_webhook(self) -> &'static [&'static str] {
        match self {
            Self::Matrix => &["/_matrix/app/v1/transactions/{transaction}", "/_matrix/app/v1/ping"],
            _ => &[],
        }
    }
}

impl std::fmt::Display for ChannelKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channel_names_are_read_back_and_fit_into_ids_and_addresses() {
        for channel in ChannelKind::ALL {
            let name = channel.as_str();
            assert_eq!(ChannelKind::parse(name), Some(*channel));
            assert!(name.bytes().all(|byte| byte.is_ascii_lowercase()), "{name}");
        }
        assert_eq!(ChannelKind::parse("fax"), None);
    }
}
