//! A model behind an OpenAI-compatible server: its configuration, and one question to it.

use contracts::{Effect, TokenPrices, Tokens};
use platform::config::Section;
use platform::ports::{Outbound, OutboundRequest, PortError};
use platform::secret::Secret;
use serde_json::{Value, json};

/// Timeout of a question.
const TIMEOUT_MS: u64 = 20_000;

/// `[models.openai]`.
#[derive(Clone, Debug)]
pub struct Model {
    base_url: String,
    api_key: Option<Secret>,
    name: String,
    /// Dollars per million tokens.
    pub prices: TokenPrices,
}

/// A model's answer, with the tokens used.
#[derive(Clone, Debug, PartialEq)]
pub struct Completion {
    pub text: String,
    /// None if the server does not report them.
    pub tokens: Option<Tokens>,
}

/// The reason that a model gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error("it was unreachable: {0}")]
    Port(#[from] PortError),
    #[error("it answered with status {0}")]
    Status(u16),
    #[error("its response is not a chat completion")]
    Odd,
}

impl ModelError {
    /// Whether the model certainly did no work.
    pub fn is_without_effect(&self) -> bool {
        match self {
            Self::Port(error) => error.effect == Effect::None,
            // 5xx: the provider may already have processed and billed the request.
            Self::Status(status) => *status < 500,
            Self::Odd => false,
        }
    }
}

impl Model {
    /// Reads the table and reports its problems.
    pub fn read(mut section: Section<'_>) -> Option<Self> {
        let base_url = section.url("base_url");
        let base_url =
            section.required("base_url", base_url, "Write the server's address, such as \"https://api.openai.com/v1\" or \"http://127.0.0.1:11434/v1\".");
        let name = section.text("model");
        let name = section.required("model", name, "Write the model's name on that server.");
        let api_key = section.secret("api_key");
        let prices = section.token_prices();
        let prices = section.required("input_price", prices, "Write input_price and output_price in dollars per million tokens; 0 for a model of your own.");
        section.value("breaks_ties");
        section.finish();
        Some(Self { base_url: base_url?, api_key, name: name?, prices: prices? })
    }

    /// Asks once. `user` is untrusted data in its own message.
    pub async fn ask(
        &self,
        outbound: &dyn Outbound,
        system: &str,
        user: &str,
        tokens_max: u64,
    ) -> Result<Completion, ModelError> {
        let body = json!({
            "model": self.name,
            "temperature": 0,
            "max_tokens": tokens_max,
            "messages": [{ "role": "system", "content": system }, { "role": "user", "content": user }],
        });
        let mut headers = vec![("content-type", "application/json".to_owned())];
        headers.extend(
            self.api_key.as_ref().map(|key| ("authorization", format!("Bearer {}", key.reveal()))),
        );
        let url = format!("{}/chat/completions", self.base_url);
        let request = OutboundRequest {
            method: http::Method::POST,
            url,
            headers,
            body: body.to_string().into(),
            timeout_ms: TIMEOUT_MS,
        };
        let answer = outbound.send(request).await?;
        if answer.status != 200 {
            return Err(ModelError::Status(answer.status));
        }
        let answer: Value = serde_json::from_slice(&answer.body).map_err(|_| ModelError::Odd)?;
        let text = answer
            .pointer("/choices/0/message/content")
            .and_then(Value::as_str)
            .ok_or(ModelError::Odd)?;
        Ok(Completion {
            text: text.to_owned(),
            tokens: answer.get("usage").and_then(Tokens::of_usage),
        })
    }
}
