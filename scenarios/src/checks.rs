//! The checking steps: events, chats and programs. Positive checks wait; negative checks look once,
//! so a story first waits for something later.

use crate::failure::Mismatch;
use crate::host::Request;
use crate::player::{PATIENCE_MS, Player};
use crate::step::Deed;
use contracts::event::Stage;
use serde_json::Value;

/// The list of events, with the maximum of a story.
const EVENTS: &str = "/webhook-aggregator/api/events?channel=telegram&limit=500";

impl Player<'_> {
    /// Runs one checking step.
    ///
    /// # Errors
    /// The difference between what the step expects and what there is.
    pub async fn look(&mut self, deed: &Deed) -> Result<(), Mismatch> {
        match deed {
            Deed::Becomes { name, state, reason } => {
                self.becomes(name, *state, reason.as_deref()).await
            }
            Deed::WentTo { name, agent } => {
                let event = self.event(name).await?;
                if event["agent"] == agent.as_str() {
                    Ok(())
                } else {
                    Err(Mismatch::new(format!("`{name}` with {agent}"), told(&event)))
                }
            }
            Deed::PressAnswered { name, text } => {
                self.update(name)?;
                self.eventually(|host| match host.telegram().press_answer(name) {
                    Some(answer) if answer.contains(text.as_str()) => Ok(()),
                    Some(answer) => Err(Mismatch::new(format!("…{text}…"), answer)),
                    None => Err(Mismatch::new(format!("…{text}…"), "the press was not answered")),
                })
                .await
            }
            Deed::Shows { who, text } => self.chat(who, text, true).await,
            Deed::NoLongerShows { who, text } => self.chat(who, text, false).await,
            Deed::NeverShows { who, text } => {
                let shown = self
                    .host
                    .telegram()
                    .shown(who)
                    .into_iter()
                    .find(|shown| shown.contains(text.as_str()));
                shown.map_or(Ok(()), |shown| {
                    Err(Mismatch::new(format!("nothing with …{text}…"), shown))
                })
            }
            Deed::IsEmpty { who } => {
                let shown = self.host.telegram().shown(who);
                if shown.is_empty() {
                    Ok(())
                } else {
                    Err(Mismatch::new("nothing was ever sent there", shown.join("\n")))
                }
            }
            Deed::Events { count } => {
                let events = self.events().await?;
                let list: Vec<_> = events.iter().map(told).collect();
                if events.len() == *count {
                    Ok(())
                } else {
                    Err(Mismatch::new(
                        format!("{count} events"),
                        format!("{}:\n{}", events.len(), list.join("\n")),
                    ))
                }
            }
            Deed::HasRun { agent, count } => {
                self.eventually(|host| match host.runs(agent) {
                    runs if runs == *count => Ok(()),
                    runs => Err(Mismatch::new(
                        format!("{count} starts of {agent}'s program"),
                        runs.to_string(),
                    )),
                })
                .await
            }
            other => Err(Mismatch::new("a step that looks", format!("{other:?}"))),
        }
    }

    /// Waits until a chat shows the text, or no longer shows it.
    async fn chat(&mut self, who: &str, text: &str, wanted: bool) -> Result<(), Mismatch> {
        let expected =
            format!("the chat {} …{text}…", if wanted { "shows" } else { "does not show" });
        self.eventually(|host| {
            let texts: Vec<String> =
                host.telegram().chat(who).into_iter().map(|message| message.text).collect();
            let came = || format!("{} message(s):\n- {}", texts.len(), texts.join("\n- "));
            if texts.iter().any(|shown| shown.contains(text)) == wanted {
                Ok(())
            } else {
                Err(Mismatch::new(expected.clone(), came()))
            }
        })
        .await
    }

    /// Waits for a state. Any other final state fails at once.
    async fn becomes(
        &mut self,
        name: &str,
        state: Stage,
        reason: Option<&str>,
    ) -> Result<(), Mismatch> {
        let because = reason.map(|reason| format!(" because …{reason}…")).unwrap_or_default();
        let expected = format!("`{name}` {}{because}", state.as_str());
        let deadline = self.host.now_ms() + PATIENCE_MS;
        loop {
            let event = self.event(name).await?;
            let now = event["state"].as_str().and_then(Stage::parse);
            let fits = reason.is_none_or(|reason| {
                event["reason"].as_str().is_some_and(|given| given.contains(reason))
            });
            match now {
                Some(now) if now == state && fits => return Ok(()),
                Some(now) if now.is_final() || self.host.now_ms() >= deadline => {
                    return Err(Mismatch::new(expected, self.history(&event).await));
                }
                _ => self.host.breathe().await,
            }
        }
    }

    /// The event of a message or press.
    ///
    /// # Errors
    /// When nothing was sent under the name, or the event is not there.
    pub async fn event(&mut self, name: &str) -> Result<Value, Mismatch> {
        let key = self.update(name)?["update_id"].to_string();
        let events = self.events().await?;
        let found = events.into_iter().find(|event| event["dedupeKey"] == key.as_str());
        found.ok_or_else(|| {
            Mismatch::new(format!("an event of `{name}` (update {key})"), "there is none")
        })
    }

    /// The question that waits about an event, else the approval of its run.
    ///
    /// # Errors
    /// No such event, or a request that fails.
    pub async fn asked_about(&mut self, name: &str) -> Result<String, Mismatch> {
        let event = self.event(name).await?;
        let open = self.get("/personal-assistant/api/approvals?state=pending").await?;
        let open = open["approvals"].as_array().cloned().unwrap_or_default();
        let waiting = open.iter().find(|row| row["eventId"] == event["id"]).map(|row| &row["id"]);
        let id = waiting.unwrap_or(&event["approvalId"]);
        Ok(id.as_str().unwrap_or_default().to_owned())
    }

    async fn events(&mut self) -> Result<Vec<Value>, Mismatch> {
        let answer = self.get(EVENTS).await?;
        Ok(answer["events"].as_array().cloned().unwrap_or_default())
    }

    async fn get(&mut self, path: &str) -> Result<Value, Mismatch> {
        let request = Request {
            method: "GET".to_owned(),
            path: path.to_owned(),
            scope: "operator".to_owned(),
            ..Request::default()
        };
        let answer = self.send(request).await?;
        if answer.status == 200 {
            Ok(answer.body)
        } else {
            Err(Mismatch::new(
                format!("{path} is answered 200"),
                format!("{}: {}", answer.status, answer.body),
            ))
        }
    }

    /// An event's timeline, for the failure message.
    async fn history(&mut self, event: &Value) -> String {
        let path =
            format!("/webhook-aggregator/api/events/{}", event["id"].as_str().unwrap_or_default());
        let detail = self.get(&path).await.unwrap_or_default();
        let line = |entry: &Value, what: &str| {
            format!("+{} ms {} {}", entry["afterMs"], entry["stage"], entry[what])
        };
        let stages =
            detail["stages"].as_array().into_iter().flatten().map(|entry| line(entry, "note"));
        let failed = detail["attemptsLog"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|entry| format!("failed: {} {}", entry["stage"], entry["error"]));
        std::iter::once(told(event)).chain(stages).chain(failed).collect::<Vec<_>>().join("\n")
    }
}

fn told(event: &Value) -> String {
    let part = |member: &str| event[member].as_str().unwrap_or("-").to_owned();
    format!("{} ({}), agent {}: {:?}", part("state"), part("reason"), part("agent"), part("text"))
}
