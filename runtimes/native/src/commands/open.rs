//! `quintet open`: prints a new link that signs the owner in to the dashboard.

use crate::client::Client;
use crate::terminal::{say, say_json};
use anyhow::Result;
use contracts::ServiceName;
use contracts::calls::monitoring_dashboard::MakeSignInLink;
use serde_json::json;

/// Makes the link and prints it. No browser is started with it, because every program of this user
/// can read the arguments of a process.
///
/// # Errors
/// When the server refuses or does not answer.
pub async fn open(client: &Client, as_json: bool) -> Result<()> {
    let made = client.ask::<MakeSignInLink>(&(), &()).await?;
    let link = client.address(ServiceName::MonitoringDashboard, &made.path).await?;
    if as_json {
        say_json(&json!({ "link": link, "expiresAt": made.expires_at }));
    } else {
        say(&format!("{link}\nThis link signs you in once, within 10 minutes."));
    }
    Ok(())
}
