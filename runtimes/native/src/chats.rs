//! Connecting chats from the dashboard: the steps of `quintet setup`, inside the server.

use crate::connect::{self, Connected, Given};
use crate::endpoint_file::Change;
use crate::exit::{Unreachable, Usage, is_no};
use crate::live::Live;
use crate::ports::clock::SystemClock;
use async_trait::async_trait;
use contracts::ChannelKind;
use monitoring_dashboard::chats::{Chats, Field, Offered, Refused, Trial};
use platform::ports::{Clock, ClockExt, Outbound};
use platform::secret::Secret;
use platform::text::{printable, short};
use std::sync::{Arc, OnceLock};
use tokio::sync::Mutex;
use webhook_aggregator::channels;
use webhook_aggregator::channels::enrol::{Heard, Person};

/// A trial that is older is given up, milliseconds.
const TRIAL_MS: i64 = 15 * 60_000;

/// Maximum characters of a name.
const NAME_CHARS: usize = 60;

/// A name as it is shown.
fn shown(name: &str) -> String {
    short(&printable(name), NAME_CHARS)
}

/// The chats of this server; one trial at a time.
pub struct NativeChats {
    outbound: Arc<dyn Outbound>,
    live: OnceLock<Arc<Live>>,
    trial: Arc<Mutex<Option<Pending>>>,
}

/// A trial with what was found out so far.
struct Pending {
    shown: Trial,
    connected: Connected,
    /// The server itself hears who writes: the endpoint is in force, without an approver, by this
    /// change.
    through_server: Option<Change>,
    /// The platform was changed as the endpoint needs it.
    is_registered: bool,
    /// Ids of people who are not the owner.
    declined: Vec<String>,
    since_ms: i64,
    after: Option<i64>,
}

impl NativeChats {
    /// Before the endpoints are served.
    pub fn new(outbound: Arc<dyn Outbound>) -> Self {
        Self { outbound, live: OnceLock::new(), trial: Arc::default() }
    }
    /// Takes up the endpoints of the server.
    pub fn open(&self, live: Arc<Live>) {
        let _ = self.live.set(live);
    }
    fn live(&self) -> Result<&Arc<Live>, Refused> {
        self.live.get().ok_or_else(|| Refused {
            what: "The server is still starting.".to_owned(),
            fix: "Try again in a moment.".to_owned(),
        })
    }
    async fn begin(
        &self,
        channel: ChannelKind,
        api_base: Option<String>,
        secrets: Vec<Secret>,
    ) -> anyhow::Result<Pending> {
        let live = self.live().map_err(|refused| Usage(refused.what))?;
        let asked = connect::enrol(channel)?.secrets();
        for (one, secret) in asked.iter().zip(&secrets) {
            (one.sound)(secret.reveal()).map_err(|why| Usage(why.to_owned()))?;
        }
        let secrets = asked.iter().map(|one| one.key).zip(secrets).collect();
        let given = Given { api_base, secrets, ..Given::default() };
        let in_force = live.in_force();
        let connected =
            Connected::attempt(channel, given, &in_force.file, self.outbound.clone()).await?;
        let Connected { enrol, learnt, name, .. } = &connected;
        let notes =
            learnt.notes.iter().map(|note| format!("Note: {}. {}", note.what, note.fix)).collect();
        let endpoint = format!("{channel}.{name}");
        let is_read = connected.is_known && in_force.endpoints.contains(&endpoint);
        let owner = learnt.owner.clone();
        let through_server = connected.approvers.is_empty()
            && owner.is_none()
            && (is_read || !enrol.hears_without_taking());
        let shown = Trial {
            id: SystemClock.random_hex(8),
            title: learnt.title.clone(),
            endpoint,
            notes,
            first_message: learnt.first_message.clone(),
            people: owner.into_iter().map(|person| (person.id, shown(&person.name))).collect(),
            approvers: connected.approvers.clone(),
            trouble: None,
            in_the_way: false,
        };
        let mut pending = Pending {
            shown,
            connected,
            through_server: None,
            is_registered: false,
            declined: Vec::new(),
            since_ms: SystemClock.now_ms(),
            after: None,
        };
        if through_server {
            pending.hear_through_server(live)?;
        }
        Ok(pending)
    }
    /// Gives the trial up: the endpoint that was put in force to hear its owner goes again.
    async fn give_up(&self) {
        let Some(live) = self.live.get() else { return };
        if let Some(pending) = self.trial.lock().await.take() {
            pending.undo(live);
        }
    }
    /// Gives this trial up once it is old.
    fn expire(&self, live: Arc<Live>, id: String, since_ms: i64) {
        let trial = self.trial.clone();
        tokio::spawn(async move {
            SystemClock.sleep_until(since_ms.saturating_add(TRIAL_MS)).await;
            let mut guard = trial.lock().await;
            if guard.as_ref().is_some_and(|pending| pending.shown.id == id)
                && let Some(pending) = guard.take()
            {
                pending.undo(&live);
            }
        });
    }
    /// As the server stops.
    pub async fn close(&self) {
        self.give_up().await;
    }
}

/// Writes the configuration and takes it up; if that fails, everything is as it was.
fn apply(live: &Live, connected: &Connected, approver: Option<&str>) -> anyhow::Result<Change> {
    let change = connected.change(approver)?;
    change.write()?;
    if let Err(error) = live.reload() {
        change.undo()?;
        return Err(error);
    }
    Ok(change)
}

fn put_back(live: &Live, change: &Change) {
    if let Err(error) = change.undo().and_then(|()| live.reload()) {
        tracing::warn!(error = format!("{error:#}"), "a connection was not undone");
    }
}

/// The message and its last line, which says the fix.
fn refused(error: &anyhow::Error) -> Refused {
    let text = format!("{error:#}");
    let is_told = is_no(error) || error.is::<Unreachable>();
    match text.split_once('\n').filter(|_| is_told) {
        Some((what, fix)) => Refused { what: what.to_owned(), fix: fix.to_owned() },
        None => Refused { what: text, fix: "Correct it, then try again.".to_owned() },
    }
}

fn gone() -> Refused {
    Refused {
        what: "That connection is no longer waiting, so nothing was changed.".to_owned(),
        fix: "Try the token again.".to_owned(),
    }
}

impl Pending {
    fn hear_through_server(&mut self, live: &Live) -> anyhow::Result<()> {
        self.through_server = Some(apply(live, &self.connected, None)?);
        Ok(())
    }
    fn undo(&self, live: &Live) {
        if let Some(change) = &self.through_server {
            put_back(live, change);
        }
    }
    /// Changes the platform as the endpoint needs it, and notes what was done.
    async fn register(&mut self) -> anyhow::Result<()> {
        if !self.is_registered {
            let Connected { enrol, learnt, .. } = &self.connected;
            let done = enrol.register(&self.connected.account()?, learnt).await;
            self.shown.notes.extend(done.map_err(connect::failed)?);
            self.is_registered = true;
        }
        Ok(())
    }
    /// Adds who wrote since the last look.
    async fn hear(&mut self, live: &Live) -> anyhow::Result<()> {
        let account = self.connected.account()?;
        let mut people = Vec::new();
        if self.through_server.is_some() {
            let Connected { channel, name, .. } = &self.connected;
            for id in live.strangers(*channel, name, self.since_ms).await? {
                if !self.is_seen(&id) {
                    let name = self.connected.enrol.name_of(&account, &id).await;
                    people.push(Person { id, name: name.unwrap_or_default() });
                }
            }
        } else if let Some(heard) = self.connected.enrol.hear(&account, self.after).await {
            let heard = heard.map_err(connect::failed)?;
            people = self.those_new(heard);
        }
        for Person { id, name } in people {
            if !self.is_seen(&id) {
                // A name is the stranger's own: it must not turn round the id beside it.
                self.shown.people.push((id, shown(&name)));
            }
        }
        Ok(())
    }
    /// The people who wrote since this began. A full page of others is passed over.
    fn those_new(&mut self, heard: Heard) -> Vec<Person> {
        let new = heard.messages.into_iter().filter(|message| !message.is_before(self.since_ms));
        let people: Vec<Person> = new.map(|message| message.from).collect();
        if people.iter().all(|person| self.declined.contains(&person.id)) {
            self.after = heard.further.or(self.after);
        }
        people
    }
    fn is_seen(&self, id: &str) -> bool {
        let is_shown = self.shown.people.iter().any(|(known, _)| known == id);
        is_shown || self.declined.iter().any(|known| known == id)
    }
    async fn finish(&mut self, live: &Live, approver: Option<&str>) -> anyhow::Result<()> {
        let change = apply(live, &self.connected, approver)?;
        if let Err(error) = self.register().await {
            put_back(live, &change);
            return Err(error);
        }
        for note in &self.shown.notes {
            tracing::info!(endpoint = self.shown.endpoint, note, "a chat was connected");
        }
        Ok(())
    }
}

#[async_trait]
impl Chats for NativeChats {
    fn offered(&self) -> Vec<Offered> {
        let all =
            channels::all().filter_map(|(channel, _)| Some((channel, channels::enrol(channel)?)));
        let offered = all.map(|(channel, enrol)| Offered {
            channel,
            guide: enrol.guide(None),
            address: enrol.asks_address(),
            secrets: enrol
                .secrets()
                .iter()
                .map(|asked| Field { title: asked.title, place: asked.place })
                .collect(),
        });
        offered.collect()
    }
    fn endpoints(&self) -> Vec<String> {
        self.live.get().map(|live| live.in_force().endpoints).unwrap_or_default()
    }
    async fn attempt(
        &self,
        channel: ChannelKind,
        address: Option<String>,
        secrets: Vec<Secret>,
    ) -> Result<String, Refused> {
        self.give_up().await;
        let live = self.live()?;
        let pending =
            self.begin(channel, address, secrets).await.map_err(|error| refused(&error))?;
        let id = pending.shown.id.clone();
        self.expire(live.clone(), id.clone(), pending.since_ms);
        // Another one that began meanwhile is replaced as well.
        if let Some(other) = self.trial.lock().await.replace(pending) {
            other.undo(live);
        }
        Ok(id)
    }
    async fn look(&self, trial: &str) -> Option<Trial> {
        let live = self.live.get()?;
        let mut guard = self.trial.lock().await;
        let pending = guard.as_mut().filter(|pending| pending.shown.id == trial)?;
        if pending.shown.approvers.is_empty() {
            let heard = pending.hear(live).await;
            pending.shown.trouble = heard.err().map(|error| format!("{error:#}"));
            pending.shown.in_the_way = !pending.is_registered
                && (pending.shown.trouble.is_some() || pending.through_server.is_some());
        }
        Some(pending.shown.clone())
    }
    async fn decline(&self, trial: &str) -> Result<(), Refused> {
        let live = self.live()?;
        let mut guard = self.trial.lock().await;
        let pending =
            guard.as_mut().filter(|pending| pending.shown.id == trial).ok_or_else(gone)?;
        let people = std::mem::take(&mut pending.shown.people);
        pending.declined.extend(people.into_iter().map(|(id, _)| id));
        if pending.through_server.is_none() && !pending.connected.enrol.hears_without_taking() {
            pending.hear_through_server(live).map_err(|error| refused(&error))?;
        }
        Ok(())
    }
    async fn register(&self, trial: &str) -> Result<(), Refused> {
        let mut guard = self.trial.lock().await;
        let pending =
            guard.as_mut().filter(|pending| pending.shown.id == trial).ok_or_else(gone)?;
        pending.register().await.map_err(|error| refused(&error))
    }
    async fn finish(&self, trial: &str, approver: Option<&str>) -> Result<String, Refused> {
        let live = self.live()?;
        let mut guard = self.trial.lock().await;
        let pending =
            guard.as_mut().filter(|pending| pending.shown.id == trial).ok_or_else(gone)?;
        pending.finish(live, approver).await.map_err(|error| refused(&error))?;
        let endpoint = pending.shown.endpoint.clone();
        *guard = None;
        Ok(endpoint)
    }
}
