//! The first steps on the overview.

use super::bed::Bed;
use super::day;
use contracts::ServiceName;
use contracts::calls::personal_assistant::ReadLedgerStats;
use contracts::calls::webhook_aggregator::ReadInboxStats;
use contracts::monitoring::{InboxStats, LedgerStats};

/// The signs of the steps, in their order; empty without the list.
async fn signs(bed: &Bed) -> Vec<String> {
    let cookie = bed.sign_in().await;
    let page = bed.get("/dashboard", &cookie).await.text;
    let part = |text: &str| text.split_once("</span>").map(|(sign, _)| sign.to_owned());
    page.split("<span class=\"sign\">").skip(1).filter_map(part).collect()
}

#[tokio::test]
async fn first_steps_are_shown_until_all_are_done() {
    let bed = Bed::new();
    assert_eq!(signs(&bed).await, Vec::<String>::new());
    bed.fakes.on::<ReadInboxStats>(|(), _| {
        Ok(InboxStats { chats: 0, working_agents: 1, ..day::inbox() })
    });
    assert_eq!(signs(&bed).await, ["To do", "Done", "Done", "Done"]);
    bed.fakes.on::<ReadLedgerStats>(|(), _| Ok(LedgerStats::default()));
    assert_eq!(signs(&bed).await, ["To do", "Done", "To do", "To do"]);
    bed.fakes.down(ServiceName::WebhookAggregator);
    assert_eq!(signs(&bed).await, ["Unknown", "Unknown", "To do", "To do"]);
}
