//! A model behind an OpenAI-compatible server: what the configuration says of it, and one question to it.

use contracts::{Effect, TokenPrices, Tokens};
use platform::config::Section;
use platform::ports::{Outbound, OutboundRequest, PortError};
use platform::secret::Secret;
use serde_json::{Value, json};

/// A question that takes longer is given up.
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

/// What a model said, and what it read and wrote.
#[derive(Clone, Debug, PartialEq)]
pub struct Said {
    pub text: String,
    /// None when the server does not say.
    pub tokens: Option<Tokens>,
}

/// Why a model said nothing.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    #[error("it was not reached: {0}")]
    Port(#[from] PortError),
    #[error("it answered with status {0}")]
    Status(u16),
    #[error("its answer is not that of a chat completion")]
    Odd,
}

impl ModelError {
    /// Whether the model certainly did no work.
    pub fn is_without_effect(&self) -> bool {
        match self {
            Self::Port(error) => error.effect == Effect::None,
            // Above, somebody failed who may have had it worked on.
            Self::Status(status) => *status < 500,
            Self::Odd => false,
        }
    }
}

impl Model {
    /// Reads the table; what is wrong goes into its report.
    pub fn read(mut section: Section<'_>) -> Option<Self> {
        let base_url = section.url("base_url");
        let base_url =
            section.required("base_url", base_url, "Write the server's address, such as \"https://api.openai.com/v1\" or \"http://127.0.0.1:11434/v1\".");
        let name = section.text("model");
        let name =
            section.required("model", name, "Write the model's name, as its server knows it.");
        let api_key = section.secret("api_key");
        let prices = section.token_prices();
        let prices = section.required("input_price", prices, "Write input_price and output_price in dollars per million tokens; 0 for a model of your own.");
        section.value("breaks_ties");
        section.finish();
        Some(Self { base_url: base_url?, api_key, name: name?, prices: prices? })
    }

    /// Asks once; `user` is data of somebody else and stands in a message of its own.
    pub async fn ask(
        &self,
        outbound: &dyn Outbound,
        system: &str,
        user: &str,
        tokens_max: u64,
    ) -> Result<Said, ModelError> {
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
        Ok(Said { text: text.to_owned(), tokens: answer.get("usage").and_then(Tokens::of_usage) })
    }
}
