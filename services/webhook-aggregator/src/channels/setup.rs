//! Registers a webhook with its platform.

use platform::ports::{OutboundRequest, OutboundResponse};

/// Stands in the steps of a channel for the webhook's address.
const ADDRESS: &str = "{address}";

/// The way to register one webhook.
#[derive(Debug)]
pub enum Setup {
    /// A person has to do it; the steps.
    Steps(String),
    /// One request does it.
    Request {
        request: Box<OutboundRequest>,
        /// Whether the platform agrees, else its reason.
        agrees: fn(&OutboundResponse) -> Result<(), String>,
        /// Shown once it has agreed.
        done: String,
    },
    /// The platform takes no such address; the reason.
    Refused(String),
}

impl Setup {
    /// Steps with the webhook's address in the place of `{address}`.
    pub(super) fn steps(steps: &str, path: &str, public: Option<&str>) -> Self {
        let public = public.unwrap_or("https://<your address>");
        Self::Steps(steps.replace(ADDRESS, &format!("{public}{path}")))
    }
}
