//! The reports of a program, put together.

use crate::ending::unfinished;
use crate::usage_limit;
use contracts::approval::Outcome;
use contracts::task::UsageLimit;
use contracts::{Micros, TokenPrices, Tokens};
use jiff::tz::TimeZone;
use serde_json::Value;
use std::collections::BTreeMap;

/// Maximum refused tools and open questions that are kept.
const DENIED_MAX: usize = 20;
/// Maximum bytes of a report of usage, and of the name of a session.
const USAGE_BYTES_MAX: usize = 16 << 10;
const SESSION_BYTES_MAX: usize = 128;
/// Maximum characters of a tool's input in a text.
const INPUT_CHARS_MAX: usize = 120;

/// Everything that a program has reported so far.
#[derive(Debug, Default)]
pub(crate) struct Told {
    /// The agent's last message: the answer when no result comes.
    pub(super) message: Option<String>,
    /// The last thing that it said about its work; never the answer.
    pub(super) words: Option<String>,
    pub(super) result: Option<String>,
    /// Why it failed, perhaps without a word.
    pub(super) failed: Option<String>,
    /// A final report has come.
    pub(super) ended: bool,
    /// The cost that it reported.
    pub(super) cost: Option<Micros>,
    /// Tokens by message; a message is reported more than once.
    pub(super) tokens: BTreeMap<String, Tokens>,
    /// Usage as it was reported last.
    pub(super) usage: Option<Value>,
    /// The backend's name of the session.
    pub(super) session: Option<String>,
    /// Tools that it was refused.
    pub(super) denied: Vec<String>,
    /// A tool that it asked for; nobody answered.
    pub(super) asks: Option<String>,
    /// It has used a tool, or done anything else than to say that it cannot work.
    pub(super) worked: bool,
    /// The end of a limit that its service has told, milliseconds. Alone it ends no run.
    pub(super) limit_ends_ms: Option<i64>,
    /// Its end says that the service takes no more work.
    pub(super) is_limited: bool,
}

impl Told {
    /// Only a plain, non-negative amount is a cost: better unknown than wrong. It never falls.
    pub(super) fn cost_so_far(&mut self, reported: Option<&Value>) {
        self.cost = self.cost.max(reported.and_then(Value::as_f64).and_then(Micros::from_dollars));
    }
    /// Tokens under a name. The same name again replaces them where they are more.
    pub(super) fn spend(&mut self, name: &str, tokens: Tokens) {
        let known = self.tokens.entry(name.to_owned()).or_default();
        known.input = known.input.max(tokens.input);
        known.output = known.output.max(tokens.output);
    }
    /// All tokens.
    pub(crate) fn spent(&self) -> Tokens {
        self.tokens.values().fold(Tokens::default(), |sum, tokens| sum.plus(*tokens))
    }
    /// The reported cost, else that of the tokens, without those that were paid before.
    pub(crate) fn cost(&self, prices: Option<TokenPrices>, before: Tokens) -> Option<Micros> {
        self.cost.or_else(|| {
            let spent = self.spent();
            let more = spent.input >= before.input && spent.output >= before.output;
            let before = if more { before } else { Tokens::default() };
            let tokens = Tokens {
                input: spent.input.saturating_sub(before.input),
                output: spent.output.saturating_sub(before.output),
            };
            prices.filter(|_| !self.tokens.is_empty()).map(|prices| prices.cost(tokens))
        })
    }
    /// The cost so far. It never falls.
    pub(crate) fn costs(&mut self, cost: Micros) {
        self.cost = self.cost.max(Some(cost));
    }
    /// All tokens of a run, with the usage that they are from.
    pub(crate) fn spend_in_total(&mut self, tokens: Tokens, usage: &Value) {
        self.spend("", tokens);
        self.usage = Some(usage.clone());
    }
    pub(crate) fn in_session(&mut self, id: &str) {
        self.session = Some(id.to_owned());
    }
    /// More of the agent's message, or the beginning of its next one.
    pub(crate) fn say_more(&mut self, text: &str, is_new: bool) {
        let message = self.message.get_or_insert_default();
        if is_new {
            message.clear();
        }
        message.push_str(text);
        // The message itself is the last words.
        self.words = None;
    }
    /// Bytes of the agent's message.
    pub(crate) fn message_bytes(&self) -> usize {
        self.message.as_ref().map_or(0, String::len)
    }
    /// Its end, which is a failure.
    pub(crate) fn end_with_failure(&mut self, why: &str) {
        self.ended = true;
        self.fail(Some(why));
    }
    /// A message of the agent; returns it as progress.
    pub(super) fn say(&mut self, text: String) -> String {
        if !text.trim().is_empty() {
            self.message = Some(text.clone());
            self.words = Some(text.clone());
        }
        text
    }
    /// A line about its work; returns it as progress.
    pub(crate) fn work(&mut self, text: String) -> String {
        if !text.trim().is_empty() {
            self.words = Some(text.clone());
        }
        text
    }
    pub(crate) fn succeed(&mut self, text: Option<String>) {
        self.ended = true;
        self.failed = None;
        self.result = text;
    }
    pub(super) fn fail(&mut self, why: Option<&str>) {
        self.failed = Some(why.unwrap_or_default().trim().to_owned());
        self.result = None;
    }
    pub(crate) fn deny(&mut self, tool: String) {
        if self.denied.len() < DENIED_MAX && !self.denied.contains(&tool) {
            self.denied.push(tool);
        }
    }
    /// The agent's failure, result or last message, the first that says something.
    pub(crate) fn said(&self) -> Option<&str> {
        let said = [&self.failed, &self.result, &self.message];
        said.into_iter().flatten().map(|text| text.trim()).find(|text| !text.is_empty())
    }
    /// Why it failed, in its own words, even where it never reported its end.
    pub(crate) fn failure(&self) -> Option<&str> {
        self.failed.as_deref().filter(|why| !why.is_empty())
    }
    /// The limit at which it failed; None for any other failure.
    pub(crate) fn usage_limit(&self, now_ms: i64) -> Option<UsageLimit> {
        let of_text = usage_limit::read(self.failure()?, now_ms, &TimeZone::system());
        if !self.is_limited && of_text.is_none() {
            return None;
        }
        match self.limit_ends_ms {
            Some(_) => Some(usage_limit::until(self.limit_ends_ms, now_ms)),
            None => Some(of_text.unwrap_or_default()),
        }
    }
    /// Whether it has certainly done nothing: no tool, no tokens, no cost.
    pub(crate) fn has_done_nothing(&self) -> bool {
        !self.worked
            && self.spent() == Tokens::default()
            && self.cost.unwrap_or_default() == Micros::ZERO
    }
    /// Its usage, unless it is too large to be reported with the result.
    pub(crate) fn usage(&self) -> Option<&Value> {
        self.usage.as_ref().filter(|usage| usage.to_string().len() <= USAGE_BYTES_MAX)
    }
    /// Its name of the session, unless it is none that could be handed to it again.
    pub(crate) fn session(&self) -> Option<&str> {
        self.session.as_deref().filter(|id| id.len() <= SESSION_BYTES_MAX)
    }
    /// Whether the agent has said or done anything.
    pub(crate) const fn has_begun(&self) -> bool {
        self.words.is_some() || self.message.is_some()
    }
    /// The end that was reported: an answer or a failure.
    pub(crate) fn end(&self, agent: &str) -> Option<(Outcome, String)> {
        if let Some(why) = &self.failed {
            let text = if why.is_empty() {
                format!("{agent} reported a failure without saying why.")
            } else {
                format!("{agent} reported a failure: {why}")
            };
            return Some((Outcome::Failed, self.with_last_words(text)));
        }
        self.ended.then(|| (Outcome::Success, self.said().unwrap_or_default().to_owned()))
    }
    /// With what the agent said last, unless the text has it.
    pub(crate) fn with_last_words(&self, text: String) -> String {
        let words = self.words.as_ref().or(self.message.as_ref());
        let words = words.map_or("", |words| words.trim());
        if words.is_empty() || text.contains(words) {
            return text;
        }
        let text = format!("{text}\n\nIts last words: {words}");
        // It did something else after its message, which is as far as its answer got.
        let message = self.message.as_deref().map_or("", str::trim);
        if message.is_empty() || text.contains(message) {
            return text;
        }
        format!("{text}\n\n{}", unfinished(message))
    }
    /// Sentences about tools that it was refused or got no answer about.
    pub(crate) fn notes(&self) -> Vec<String> {
        let denied =
            (!self.denied.is_empty()).then(|| format!("Not allowed: {}.", self.denied.join("; ")));
        let asks = self.asks.as_ref().map(|tool| {
            format!(
                "It asked to use a tool and got no answer, because its format has none: {tool}."
            )
        });
        denied.into_iter().chain(asks).collect()
    }
}

/// The text at a place.
pub(crate) fn text_at<'a>(object: &'a Value, pointer: &str) -> Option<&'a str> {
    object.pointer(pointer)?.as_str()
}

/// The number at a place, else 0.
pub(super) fn count_at(object: &Value, pointer: &str) -> u64 {
    object.pointer(pointer).and_then(Value::as_u64).unwrap_or(0)
}

/// A tool with the part of its input that says most.
pub(super) fn tool(name: &str, input: Option<&Value>) -> String {
    const TELLING: [&str; 8] =
        ["command", "file_path", "filePath", "path", "pattern", "query", "url", "description"];
    let telling = TELLING.iter().find_map(|key| input?.get(key)?.as_str());
    let shown = match (telling, input) {
        (Some(text), _) => text.to_owned(),
        (None, Some(Value::Object(fields))) if !fields.is_empty() => {
            Value::Object(fields.clone()).to_string()
        }
        _ => return name.to_owned(),
    };
    let line = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    let cut: String = line.chars().take(INPUT_CHARS_MAX).collect();
    let dots = if cut.len() < line.len() { "…" } else { "" };
    format!("{name}: {cut}{dots}")
}
