//! Which endpoints there are, who may use them, and how fast.

use crate::channels::{self, Channel, Connection, Mode};
use crate::schedule_rules::{self, Mistake};
use contracts::endpoint::CONSOLE;
use contracts::outbox::Target;
use contracts::schedule::{MadeBy, SCHEDULES_MAX};
use contracts::{AgentId, ChannelKind, Shard};
use inbox::{ScheduleSpec, StoredSchedule};
use platform::agents::Agents;
use platform::config::{Report, Section};
use platform::files::FileLimits;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;

/// The aggregator's part of the configuration.
#[derive(Clone, Debug, Default)]
pub struct Config {
    pub endpoints: Vec<Endpoint>,
    /// Messages a minute from one sender; 0 = no limit.
    pub sender_per_minute: u32,
    /// Messages a minute through one endpoint; 0 = no limit.
    pub endpoint_per_minute: u32,
    /// Limits of files, in messages and in answers.
    pub files: FileLimits,
    /// Which agents may have effects: their lost runs are not repeated without the owner.
    pub agents: Agents,
    /// `[schedules]`.
    pub schedules: Vec<ScheduleSpec>,
}

/// A chat that messages come to by themselves.
#[derive(Clone, Debug)]
pub struct Chat<'a> {
    pub endpoint: &'a Endpoint,
    /// Where answers go.
    pub target: Target,
    /// The approver in whose name they come.
    pub approver: &'a str,
}

/// One bot, app or workspace.
#[derive(Clone, Debug)]
pub struct Endpoint {
    pub channel: ChannelKind,
    pub name: String,
    /// The platform's side; `None` for the web console, which our own sign-in proves.
    pub connection: Option<Arc<dyn Connection>>,
    /// Platform user ids that may press approve and reject.
    pub approvers: Vec<String>,
    /// Who may ask; `*` opens it for agents with `public: true`.
    pub senders: Vec<String>,
    /// Made at first start for `quintet send`; answers on this machine alone.
    pub local: bool,
    /// The agent that everything here is for, unless it names another.
    pub agent: Option<AgentId>,
    /// The same for single chats, by the platform's id.
    pub chats: HashMap<String, AgentId>,
}

/// How a sender stands to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Among the senders (or approvers, by default).
    Known,
    /// Let in by `*`: public agents only.
    Public,
    Stranger,
}

impl Endpoint {
    /// The inbox of this endpoint.
    pub fn shard(&self) -> Shard {
        Shard::of(self.channel.as_str(), &self.name)
    }
    /// Each approver, to be reached directly.
    pub fn approver_targets(&self) -> Vec<Target> {
        let direct = |user: &String| Target {
            channel: self.channel.to_string(),
            endpoint: self.name.clone(),
            chat: user.clone(),
            direct: true,
            ..Target::default()
        };
        self.approvers.iter().map(direct).collect()
    }
    /// The agent that a chat is bound to, by any of its ids.
    pub fn agent_of<'a>(&self, ids: impl IntoIterator<Item = &'a String>) -> Option<AgentId> {
        let bound = ids.into_iter().find_map(|chat| self.chats.get(chat));
        bound.or(self.agent.as_ref()).cloned()
    }
    /// Whether this user may decide.
    pub fn is_approver(&self, user: &str) -> bool {
        self.approvers.iter().any(|id| id == user)
    }
    /// Whether we fetch its messages, in place of a webhook.
    pub fn is_fetched(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.mode() != Mode::Webhook)
    }
    /// How this user stands.
    pub fn standing(&self, user: &str) -> Standing {
        let listed = |list: &[String]| list.iter().any(|id| id == user);
        if listed(&self.senders) || listed(&self.approvers) {
            Standing::Known
        } else if listed_star(&self.senders) {
            Standing::Public
        } else {
            Standing::Stranger
        }
    }
}

fn listed_star(list: &[String]) -> bool {
    list.iter().any(|id| id == "*")
}

impl Config {
    /// Reads `[endpoints]`, `[limits]`, `[files]`, `[agents]` and `[schedules]` of the whole
    /// configuration.
    pub fn read(root: &Value, report: &Report) -> Self {
        let mut config = Self {
            endpoints: vec![web_console()],
            sender_per_minute: 30,
            endpoint_per_minute: 600,
            files: FileLimits::read(root, report),
            agents: Agents::read(root),
            schedules: Vec::new(),
        };
        let mut endpoints = Section::new(root.get("endpoints"), "endpoints", report);
        for (kind, channel) in channels::all() {
            let mut names = endpoints.section(kind.as_str());
            for name in names.names() {
                if !is_name(&name) {
                    names.wrong(&name, "is not a valid name for an endpoint.", "Use letters, digits, '-' and '_' (at most 64): it stands in the webhook's address.");
                    continue;
                }
                let section = names.section(&name);
                config.endpoints.extend(endpoint(kind, channel, &name, section));
            }
        }
        endpoints.finish();
        config.check_reply_to(report);
        config.schedules = config.read_schedules(root, report);
        let mut limits = Section::new(root.get("limits"), "limits", report);
        let bound = |value: Option<i64>, default: u32| {
            value.and_then(|n| u32::try_from(n).ok()).unwrap_or(default)
        };
        config.sender_per_minute =
            bound(limits.whole("sender_per_minute", 0, 100_000), config.sender_per_minute);
        config.endpoint_per_minute =
            bound(limits.whole("endpoint_per_minute", 0, 1_000_000), config.endpoint_per_minute);
        limits.finish();
        config
    }
    /// Reads `[schedules]`. The assistant checks when they are due, because it has the time zones.
    fn read_schedules(&self, root: &Value, report: &Report) -> Vec<ScheduleSpec> {
        let mut schedules = Section::new(root.get("schedules"), "schedules", report);
        let names = schedules.names();
        if names.len() > SCHEDULES_MAX {
            let fix = format!("Keep at most {SCHEDULES_MAX}.");
            report.add("schedules", format!("has {} schedules.", names.len()), fix);
        }
        let read = names.into_iter().filter_map(|name| {
            let mut section = schedules.section(&name);
            let spec = schedule_rules::read(&name, &mut section);
            let checked = spec.as_ref().map_or(Ok(()), |spec| self.check_schedule(spec));
            match checked {
                Ok(()) => {}
                Err(Mistake { key: "name", what, fix }) => {
                    report.add(format!("schedules.{name}"), what, fix);
                }
                Err(Mistake { key, what, fix }) => section.wrong(key, &what, fix),
            }
            section.finish();
            spec
        });
        read.collect()
    }
    fn check_schedule(&self, spec: &ScheduleSpec) -> Result<(), Mistake> {
        schedule_rules::check(spec)?;
        self.chat(&spec.conversation).map(|_| ())
    }
    /// The chat of a conversation, and in whose name messages come to it by themselves: its own
    /// person, if that is an approver, else the first approver.
    ///
    /// # Errors
    /// When there is no such endpoint or chat, or the endpoint has no approver.
    pub fn chat(&self, conversation: &str) -> Result<Chat<'_>, Mistake> {
        const FIX: &str =
            "Write it as `quintet events --json` shows it: <channel>:<endpoint>:<chat>.";
        let wrong = |what: String, fix| Mistake { key: "conversation", what, fix };
        let no_endpoint = || wrong(format!("is {conversation:?}, of no endpoint."), FIX);
        let mut parts = conversation.splitn(3, ':');
        let (Some(channel), Some(name), rest) = (parts.next(), parts.next(), parts.next()) else {
            return Err(no_endpoint());
        };
        let endpoint = self.endpoint(channel, name).ok_or_else(no_endpoint)?;
        let rest = rest.unwrap_or_default();
        let found = match &endpoint.connection {
            Some(connection) => connection.chat_of(rest),
            None => (!rest.is_empty()).then(|| (conversation.to_owned(), None)),
        };
        let no_chat = || wrong(format!("is {conversation:?}, which names no chat."), FIX);
        let (chat, thread) = found.ok_or_else(no_chat)?;
        let own = endpoint.approvers.iter().find(|approver| **approver == chat);
        let approver = own.or_else(|| endpoint.approvers.first()).ok_or_else(|| {
            let fix = "Write an approver of the endpoint: a schedule may do what an approver may.";
            wrong(format!("is of {channel}.{name}, which has no approver."), fix)
        })?;
        let (channel, endpoint_name) = (channel.to_owned(), name.to_owned());
        let target = Target { channel, endpoint: endpoint_name, chat, thread, ..Target::default() };
        Ok(Chat { endpoint, target, approver })
    }
    /// Whether a schedule was made by the API, or is in the configuration.
    pub fn is_in_force(&self, known: &StoredSchedule) -> bool {
        known.made_by == MadeBy::Api || self.schedules.iter().any(|spec| spec.is_alike(&known.spec))
    }
    /// Reports programs whose answers would go to an endpoint that there is not.
    fn check_reply_to(&self, report: &Report) {
        for endpoint in &self.endpoints {
            let program = endpoint.connection.as_ref().and_then(|connection| connection.program());
            let Some(target) = program.and_then(|program| program.reply_to) else { continue };
            if self.endpoint(&target.channel, &target.endpoint).is_none() {
                report.add(
                    format!("endpoints.{}.{}.reply_to", endpoint.channel, endpoint.name),
                    format!("names {}.{}, which is no endpoint.", target.channel, target.endpoint),
                    "Write the name of an endpoint of this configuration.",
                );
            }
        }
    }
    /// Reports endpoints whose messages are fetched, for a host whose process does not go on.
    pub fn refuse_polling(&self, report: &Report) {
        for endpoint in &self.endpoints {
            let Some(connection) = &endpoint.connection else { continue };
            let Mode::Fetched { name, webhook_fix } = connection.mode() else { continue };
            let place = format!("endpoints.{}.{}", endpoint.channel, endpoint.name);
            if connection.mailbox().is_some() {
                report.add(place, "is a mailbox, which a Worker cannot read.", webhook_fix);
            } else {
                let message = format!("is \"{name}\", which a Worker cannot do.");
                report.add(format!("{place}.mode"), message, webhook_fix);
            }
        }
    }
    /// The endpoint of this channel and name.
    pub fn endpoint(&self, channel: &str, name: &str) -> Option<&Endpoint> {
        let channel = ChannelKind::parse(channel)?;
        self.endpoints.iter().find(|endpoint| endpoint.channel == channel && endpoint.name == name)
    }
    /// A conversation (`<channel>:<endpoint>:…`) with its inbox; one of the web console also by the
    /// name that its caller gave it.
    pub fn conversation(&self, id: String) -> Option<(String, Shard)> {
        let id = if id.contains(':') { id } else { format!("web:{CONSOLE}:{id}") };
        let mut parts = id.splitn(3, ':');
        let endpoint = self.endpoint(parts.next()?, parts.next()?)?;
        let shard = endpoint.shard();
        Some((id, shard))
    }
    /// Every inbox there is.
    pub fn shards(&self) -> Vec<Shard> {
        self.endpoints.iter().map(Endpoint::shard).collect()
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 64
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b))
}

fn web_console() -> Endpoint {
    Endpoint {
        channel: ChannelKind::Web,
        name: CONSOLE.to_owned(),
        connection: None,
        approvers: vec!["owner".to_owned()],
        senders: vec!["owner".to_owned()],
        local: false,
        agent: None,
        chats: HashMap::new(),
    }
}

fn endpoint(
    kind: ChannelKind,
    channel: &dyn Channel,
    name: &str,
    mut section: Section<'_>,
) -> Option<Endpoint> {
    let api_base = channel.has_api().then(|| section.url("api_base")).flatten();
    let api_base = api_base.unwrap_or_else(|| channel.default_api_base().to_owned());
    let connection = channel.connect(name, &mut section, api_base);
    let program = connection.as_ref().and_then(|connection| connection.program());
    let program = program.map(|program| vec![program.name.to_owned()]);
    let listed = |section: &mut Section<'_>, key| kind.has_people().then(|| section.texts(key));
    let approvers = listed(&mut section, "approvers").flatten().unwrap_or_default();
    let senders = listed(&mut section, "senders").flatten().or(program);
    let senders = senders.unwrap_or_else(|| approvers.clone());
    let local = section.flag("local").unwrap_or(false);
    let agent = section.text("agent").map(AgentId::from);
    let chats = if kind.has_chats() { bound_chats(&mut section) } else { HashMap::new() };
    section.finish();
    Some(Endpoint {
        channel: kind,
        name: name.to_owned(),
        connection: Some(connection?),
        approvers,
        senders,
        local,
        agent,
        chats,
    })
}

fn bound_chats(section: &mut Section<'_>) -> HashMap<String, AgentId> {
    let mut bound = section.section("chats");
    let chats = bound
        .names()
        .into_iter()
        .filter_map(|chat| Some((chat.clone(), AgentId::from(bound.text(&chat)?))))
        .collect();
    bound.finish();
    chats
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_mistake_is_listed_with_its_place() {
        let root = json!({"endpoints": {
            "telegram": {"main": {"secret_token": "bad secret!", "bot_token": "1:a", "colour": 1}},
            "discord": {"d": {"public_key": "zz"}},
            "fax": {}
        }});
        let report = Report::default();
        Config::read(&root, &report);
        let paths: Vec<_> =
            report.into_problems().into_iter().map(|problem| problem.path).collect();
        assert_eq!(
            paths,
            [
                "endpoints.telegram.main.secret_token",
                "endpoints.telegram.main.colour",
                "endpoints.discord.d.public_key",
                "endpoints.discord.d.application_id",
                "endpoints.discord.d.bot_token",
                "endpoints.fax"
            ]
        );
    }

    #[test]
    fn who_may_ask_defaults_to_who_may_approve() {
        let root = json!({"endpoints": {"slack": {"T1": {"signing_secret": "s", "bot_token": "x", "approvers": ["U1"]}}}});
        let report = Report::default();
        let config = Config::read(&root, &report);
        assert!(report.into_problems().is_empty());
        let endpoint = config.endpoint("slack", "T1").unwrap();
        assert_eq!(endpoint.standing("U1"), Standing::Known);
        assert_eq!(endpoint.standing("U2"), Standing::Stranger);
    }
}
