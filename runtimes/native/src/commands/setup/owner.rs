//! Finding out who the owner is: by an id that was given, by the platform, or by the first message.
//! Without a question, only by a message with a word that nobody else can know.

use super::Setup;
use super::running::{Running, now_ms, pause};
use crate::connect::{Connected, failed};
use crate::exit::No;
use crate::ports::clock::SystemClock;
use crate::stop::StopSignal;
use crate::terminal::{ask_or_end, remark, say};
use crate::up;
use anyhow::Result;
use platform::ports::ClockExt;
use platform::text::{printable, short};
use webhook_aggregator::channels::enrol::{FirstMessage, Person};

/// Characters shown of a name.
const NAME_CHARS: usize = 60;
/// Random bytes in the word that proves the sender of a message.
const WORD_BYTES: usize = 8;

impl Setup {
    /// Whether a platform hands messages to the server alone, so that it has to hear the first one.
    pub(super) fn needs_first_message_through_server(&self) -> bool {
        if !self.connected.approvers.is_empty() || self.args.approver.is_some() {
            return false;
        }
        let owner = self.connected.learnt.owner.is_some();
        let heard = self.connected.enrol.hears_without_taking();
        !owner && (!heard || self.is_read_by_server())
    }
    /// The running server reads this account's messages already.
    fn is_read_by_server(&self) -> bool {
        let own = format!("{}.{}", self.connected.channel, self.connected.name);
        self.connected.is_known
            && self.running.as_ref().is_some_and(|running| running.endpoints.contains(&own))
    }
    /// The approver to write down; none where the configuration has one.
    pub(super) async fn approver(&self) -> Result<Option<String>> {
        if let Some(id) = &self.args.approver {
            return Ok(Some(id.clone()));
        }
        if !self.connected.approvers.is_empty() {
            remark(&format!("The approvers stay: {}.", self.connected.approvers.join(", ")));
            return Ok(None);
        }
        if let Some(owner) = &self.connected.learnt.owner
            && self.is_owner(owner).await?
        {
            return Ok(Some(owner.id.clone()));
        }
        self.hear().await.map(Some)
    }
    /// Waits for a first message. Nothing is taken from the platform, so the server answers it.
    async fn hear(&self) -> Result<String> {
        // Anyone can write to a bot, so without a question a message has to prove its sender.
        let word = self.args.yes.then(|| SystemClock.random_hex(WORD_BYTES));
        self.invite(word.as_deref());
        let account = self.connected.account()?;
        let until_ms = self.until_ms();
        let (mut after, mut seen) = (None, Seen::default());
        while now_ms() < until_ms {
            let Some(heard) = self.connected.enrol.hear(&account, after).await else { break };
            let heard = match heard {
                Ok(heard) => heard,
                Err(trouble) if trouble.is_away => {
                    remark(&format!("{}. Trying again …", trouble.what));
                    pause().await;
                    continue;
                }
                Err(trouble) => return Err(failed(trouble)),
            };
            let chosen = match &word {
                Some(word) => seen.sender_of(word, &heard.messages),
                None => {
                    self.choose(seen.people_now(heard.messages, self.since_ms), &mut seen).await?
                }
            };
            if let Some(id) = chosen {
                return Ok(id);
            }
            after = heard.further.or(after);
            pause().await;
        }
        Err(self.nobody_wrote("Nothing was written."))
    }
    /// Connects first, so that the server hears who writes; without an approver it runs nothing.
    pub(super) async fn run_through_server(mut self) -> Result<()> {
        if self.args.yes {
            return Err(No(
                "the first message is heard by the server, which keeps no words of strangers, so \
                 --yes cannot tell who you are, and nothing was changed. Name yourself with \
                 --approver ID, or leave --yes out."
                    .to_owned(),
            )
            .into());
        }
        if self.running.is_none() && self.args.no_start {
            return Err(No(
                "the first message is heard by the server, and --no-start was given, so nothing was \
                 written. Leave it out, or name yourself with --approver ID."
                    .to_owned(),
            )
            .into());
        }
        // From here on Ctrl-C puts the configuration back.
        let stop = StopSignal::listen()?;
        self.register().await?;
        let change = self.write(None).await?;
        if self.running.is_some() {
            let heard = tokio::select! {
                heard = self.hear_through_server() => heard,
                () = stop.wait() => Err(stopped()),
            };
            let Err(error) = heard else { return Ok(()) };
            change.undo()?;
            if let Some(running) = &self.running {
                running.reload().await?;
            }
            return Err(error);
        }
        let data = self.data.clone();
        let config = self.args.config.clone();
        let server = up::up(data.clone(), config.as_deref(), self.args.listen, None);
        tokio::pin!(server);
        let heard = async {
            self.running = Some(Running::of_start(&data).await?);
            self.hear_through_server().await
        };
        tokio::select! {
            // First: the signal ends the server too, which then answers no more.
            biased;
            () = stop.wait() => {
                change.undo()?;
                server.await?;
                return Err(stopped());
            }
            ended = &mut server => {
                change.undo()?;
                return ended.and_then(|()| Err(stopped()));
            }
            heard = heard => if let Err(error) = heard {
                change.undo()?;
                data.remove_of_run();
                return Err(error);
            },
        }
        server.await
    }
    async fn hear_through_server(&self) -> Result<()> {
        let Some(running) = &self.running else { return Ok(()) };
        self.invite(None);
        let since_ms = now_ms();
        let until_ms = self.until_ms();
        let mut seen = Seen::default();
        let account = self.connected.account()?;
        while now_ms() < until_ms {
            let found =
                running.strangers(self.connected.channel, &self.connected.name, since_ms).await?;
            let mut people = Vec::new();
            for id in found {
                let name = self.connected.enrol.name_of(&account, &id).await.unwrap_or_default();
                people.push(Person { id, name });
            }
            if let Some(id) = self.choose(people, &mut seen).await? {
                let change = self.write(Some(&id)).await?;
                self.end(&change, Some(&id));
                say("Your first message came before you were known: write again.");
                return Ok(());
            }
            pause().await;
        }
        Err(self.nobody_wrote("The configuration is as it was."))
    }
    fn until_ms(&self) -> i64 {
        let wait_ms = i64::try_from(self.args.wait).unwrap_or(i64::MAX).saturating_mul(1_000);
        now_ms().saturating_add(wait_ms)
    }
    fn invite(&self, word: Option<&str>) {
        let wait = self.args.wait;
        let wait =
            if wait >= 120 { format!("{} minutes", wait / 60) } else { format!("{wait} seconds") };
        let Connected { enrol, learnt, .. } = &self.connected;
        let how = match word {
            Some(word) => enrol.ask_word(learnt, word),
            None => learnt.first_message.clone(),
        };
        remark(&format!("\nNow {how}\nWaiting for your message, up to {wait} …"));
    }
    fn nobody_wrote(&self, end: &str) -> anyhow::Error {
        No(format!(
            "no message of yours came within {} s. {end} Run this again and write to the bot, or name \
             yourself with --approver ID.",
            self.args.wait
        ))
        .into()
    }
    /// The one of these people who is the owner.
    async fn choose(&self, people: Vec<Person>, seen: &mut Seen) -> Result<Option<String>> {
        for person in people {
            if !seen.declined.contains(&person.id) {
                if self.is_owner(&person).await? {
                    return Ok(Some(person.id));
                }
                seen.declined.push(person.id);
            }
        }
        Ok(None)
    }
    /// Asks whether a person is the one who types here.
    async fn is_owner(&self, person: &Person) -> Result<bool> {
        let shown = shown(person);
        if self.args.yes {
            remark(&format!("The approver is {shown}."));
            return Ok(true);
        }
        // In a thread of its own, so that Ctrl-C is noticed meanwhile.
        let question = format!("Is this you: {shown}? [y/N] ");
        match tokio::task::spawn_blocking(move || ask_or_end(&question)).await?? {
            Some(said) => Ok(matches!(said.to_lowercase().as_str(), "y" | "yes")),
            None => Err(No(
                "the question was not answered, so nothing was written. Answer it, or run this with \
                 --yes or --approver ID."
                    .to_owned(),
            )
            .into()),
        }
    }
}

/// Messages and people that were looked at.
#[derive(Default)]
struct Seen {
    /// Ids of people who are not the owner.
    declined: Vec<String>,
    is_told_of_old: bool,
}

impl Seen {
    /// The people who wrote since the set-up began.
    fn people_now(&mut self, messages: Vec<FirstMessage>, since_ms: i64) -> Vec<Person> {
        let (old, new): (Vec<_>, Vec<_>) =
            messages.into_iter().partition(|message| message.is_before(since_ms));
        if !old.is_empty() && !self.is_told_of_old {
            self.is_told_of_old = true;
            remark("Messages from before this set-up do not count: if one is yours, write again.");
        }
        new.into_iter().map(|message| message.from).collect()
    }
    /// The one who sent the word; of the others it is told once that they do not count.
    fn sender_of(&mut self, word: &str, messages: &[FirstMessage]) -> Option<String> {
        if let Some(message) = messages.iter().find(|message| message.says(word)) {
            remark(&format!("The approver is {}.", shown(&message.from)));
            return Some(message.from.id.clone());
        }
        for message in messages {
            if !self.declined.contains(&message.from.id) {
                remark(&format!("Without the word, so not counted: {}.", shown(&message.from)));
                self.declined.push(message.from.id.clone());
            }
        }
        None
    }
}

fn stopped() -> anyhow::Error {
    No("stopped before you were known. The configuration is as it was.".to_owned()).into()
}

/// `Ines (@ines), id 700100200`; a name is the person's own words, so it is cut and cleaned.
fn shown(person: &Person) -> String {
    let name = short(&printable(&person.name), NAME_CHARS);
    if name.is_empty() { format!("id {}", person.id) } else { format!("{name}, id {}", person.id) }
}
