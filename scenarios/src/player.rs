//! Plays a story on a host, step by step; the first failure ends it.

use crate::configuration::{SECRET_TOKEN, WEBHOOK};
use crate::exchange::Exchange;
use crate::failure::{Failure, Mismatch};
use crate::host::{Answer, Host, Request};
use crate::step::Deed;
use crate::story::{Action, Step, Story};
use crate::telegram;
use serde_json::Value;
use std::collections::HashMap;

/// Maximum wait for a positive check, in the host's time. Results come far sooner unless the
/// machine is busy.
pub const PATIENCE_MS: i64 = 40_000;
/// The first update id; only uniqueness matters.
const FIRST_UPDATE: u64 = 880_001;

/// A running story.
pub struct Player<'a> {
    pub host: &'a mut dyn Host,
    /// The update sent under each name.
    updates: HashMap<String, Value>,
    next: u64,
}

/// Plays a story to its end.
///
/// # Errors
/// The failed step.
pub async fn play(story: &Story, host: &mut dyn Host) -> Result<(), Failure> {
    let mut player = Player { host, updates: HashMap::new(), next: FIRST_UPDATE };
    for step in &story.steps {
        if let Err(mismatch) = player.step(step).await {
            let (host, notes) = (player.host.name().to_owned(), player.host.notes());
            return Err(Failure {
                file: story.file.clone(),
                line: step.line,
                step: step.text.clone(),
                mismatch,
                host,
                notes,
            });
        }
    }
    Ok(())
}

impl Player<'_> {
    async fn step(&mut self, step: &Step) -> Result<(), Mismatch> {
        match &step.action {
            Action::Agent(agent) => self
                .host
                .set_agent(agent)
                .map_err(|why| Mismatch::new("the agent's program is put in place", why)),
            Action::Exchange(exchange) => self.exchange(exchange).await,
            Action::Deed(deed) => self.deed(deed).await,
        }
    }

    async fn deed(&mut self, deed: &Deed) -> Result<(), Mismatch> {
        match deed {
            Deed::Write { who, text, name } => {
                let update = telegram::message(self.number(), who, text, self.host.now_ms());
                self.deliver(name, update).await
            }
            Deed::Repeat { name } => {
                let update = self.update(name)?.clone();
                self.webhook(SECRET_TOKEN, &update, 200).await
            }
            Deed::Forge { text } => {
                let update =
                    telegram::message(self.number(), crate::step::OWNER, text, self.host.now_ms());
                self.webhook("a-guess", &update, 401).await
            }
            Deed::Press { who, button, under, name } => self.press(who, button, under, name).await,
            Deed::TelegramRefuses { status, reason } => {
                self.host.telegram().refuse(Some((*status, reason.clone())));
                Ok(())
            }
            Deed::TelegramAccepts => {
                self.host.telegram().refuse(None);
                Ok(())
            }
            Deed::Advance { ms } => self.advance(*ms).await,
            Deed::Restart => {
                self.host.restart().await.map_err(|why| Mismatch::new("the host starts again", why))
            }
            look => self.look(look).await,
        }
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    async fn deliver(&mut self, name: &str, update: Value) -> Result<(), Mismatch> {
        if self.updates.contains_key(name) {
            return Err(Mismatch::new(
                "a name of its own for each message and press",
                format!("`{name}` was used before"),
            ));
        }
        self.updates.insert(name.to_owned(), update.clone());
        self.webhook(SECRET_TOKEN, &update, 200).await
    }

    /// Delivers an update as Telegram does and checks the status.
    async fn webhook(&mut self, secret: &str, update: &Value, status: u16) -> Result<(), Mismatch> {
        let headers = vec![
            ("x-telegram-bot-api-secret-token", secret.to_owned()),
            ("content-type", "application/json".to_owned()),
        ];
        let request = Request {
            method: "POST".to_owned(),
            path: WEBHOOK.to_owned(),
            scope: "nobody".to_owned(),
            headers,
            body: update.to_string(),
        };
        let answer = self.send(request).await?;
        if answer.status == status {
            Ok(())
        } else {
            Err(Mismatch::new(
                format!("the webhook is answered {status}"),
                format!("{}: {}", answer.status, answer.body),
            ))
        }
    }

    async fn press(
        &mut self,
        who: &str,
        button: &str,
        under: &str,
        name: &str,
    ) -> Result<(), Mismatch> {
        let approval = self.asked_about(under).await?;
        let asks = |host: &dyn Host| {
            if approval.is_empty() { None } else { host.telegram().question(&approval) }
        };
        let question = self
            .eventually(|host| {
                asks(host).ok_or_else(|| {
                    Mismatch::new(format!("a message that asks about `{under}`"), "none was sent")
                })
            })
            .await?;
        let data = question
            .buttons
            .iter()
            .find(|(label, _)| label == button)
            .map(|(_, data)| data.clone());
        let labels: Vec<_> = question.buttons.iter().map(|(label, _)| label.as_str()).collect();
        let data =
            data.ok_or_else(|| Mismatch::new(format!("a button `{button}`"), labels.join(", ")))?;
        let update = telegram::press(self.number(), who, name, &question, &data);
        self.deliver(name, update).await
    }

    async fn advance(&mut self, ms: i64) -> Result<(), Mismatch> {
        if let Some(max) = self.host.advance_max_ms().filter(|max| ms > *max) {
            let fix = format!(
                "{ms} ms; write a line `hosts: in-process` under the story's title, or wait for \
                 the result"
            );
            return Err(Mismatch::new(format!("at most {max} ms on a host in real time"), fix));
        }
        self.host.advance(ms).await;
        Ok(())
    }

    /// Runs a request; `{NAME}`, `{NAME.task}` and `{NAME.approval}` stand for ids of an event.
    async fn exchange(&mut self, exchange: &Exchange) -> Result<(), Mismatch> {
        let deadline = self.host.now_ms() + PATIENCE_MS;
        loop {
            let (path, body) =
                (self.filled(&exchange.path).await?, self.filled(&exchange.body).await?);
            let headers = if body.is_empty() {
                Vec::new()
            } else {
                vec![("content-type", "application/json".to_owned())]
            };
            let request = Request {
                method: exchange.method.clone(),
                path,
                scope: exchange.scope.clone(),
                headers,
                body,
            };
            let answer = self.send(request).await?;
            match exchange.check(answer.status, &answer.body) {
                Err(_) if exchange.eventually && self.host.now_ms() < deadline => {
                    self.host.breathe().await;
                }
                verdict => return verdict,
            }
        }
    }

    async fn filled(&mut self, text: &str) -> Result<String, Mismatch> {
        let mut text = text.to_owned();
        let named: Vec<String> = self
            .updates
            .keys()
            .filter(|name| text.contains(&format!("{{{name}")))
            .cloned()
            .collect();
        for name in named {
            let event = self.event(&name).await?;
            for (part, member) in [("", "id"), (".task", "taskId"), (".approval", "approvalId")] {
                text = text.replace(
                    &format!("{{{name}{part}}}"),
                    event[member].as_str().unwrap_or_default(),
                );
            }
        }
        Ok(text)
    }

    /// Sends a request that must get a response with any status.
    ///
    /// # Errors
    /// When the host does not answer.
    pub async fn send(&mut self, request: Request) -> Result<Answer, Mismatch> {
        let what = format!("an answer to {} {}", request.method, request.path);
        self.host.send(request).await.map_err(|why| Mismatch::new(what, why))
    }

    /// The update sent under a name.
    ///
    /// # Errors
    /// When nothing was sent under the name; names what was.
    pub fn update(&self, name: &str) -> Result<&Value, Mismatch> {
        self.updates.get(name).ok_or_else(|| {
            let mut known: Vec<_> = self.updates.keys().map(String::as_str).collect();
            known.sort_unstable();
            Mismatch::new(format!("something named `{name}` before this step"), known.join(", "))
        })
    }

    /// Retries until it matches or the patience ends, then returns the last difference.
    ///
    /// # Errors
    /// The last difference.
    pub async fn eventually<T>(
        &mut self,
        look: impl Fn(&dyn Host) -> Result<T, Mismatch>,
    ) -> Result<T, Mismatch> {
        let deadline = self.host.now_ms() + PATIENCE_MS;
        loop {
            match look(&*self.host) {
                Err(_) if self.host.now_ms() < deadline => self.host.breathe().await,
                seen => return seen,
            }
        }
    }
}
