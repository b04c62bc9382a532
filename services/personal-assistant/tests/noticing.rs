//! Notices of the budget in the approvers' chats.

use crate::kit::Bed;
use serde_json::json;

/// Spends this many dollars, and returns the texts that were sent since.
async fn spend(bed: &Bed, task: &str, dollars: f64) -> Vec<String> {
    let before = bed.deliveries().len();
    let token = bed.claimed(task, 0.5).await;
    let (status, _) = bed.settle(task, &token, Some(dollars), "success").await;
    assert_eq!(status, 200);
    bed.background().await;
    bed.deliveries()[before..].iter().map(|delivery| delivery.text.clone()).collect()
}

#[tokio::test]
async fn each_step_of_the_budget_is_told_once_and_without_amounts() {
    let bed = Bed::with(json!({"budget": {"daily": 10.0}}));
    bed.approver("7");
    assert_eq!(spend(&bed, "a", 4.9).await, Vec::<String>::new());
    let half = spend(&bed, "b", 0.2).await;
    assert_eq!(half.len(), 1);
    assert!(half[0].starts_with("50 % of today's budget is spent."), "{half:?}");
    assert!(!half[0].contains('$'));
    assert_eq!(spend(&bed, "c", 0.1).await, Vec::<String>::new(), "told once");
    let most = spend(&bed, "d", 3.0).await;
    assert!(most[0].starts_with("80 % of today's budget"), "{most:?}");
    let all = spend(&bed, "e", 5.0).await;
    assert!(all[0].starts_with("All of today's budget is spent."), "{all:?}");
    assert_eq!(all.len(), 1);
}

#[tokio::test]
async fn notice_that_was_not_sent_is_tried_again_with_the_next_cost() {
    let bed = Bed::with(json!({"budget": {"daily": 10.0}}));
    bed.approver("7");
    bed.neighbours.down(contracts::ServiceName::WebhookAggregator);
    assert_eq!(spend(&bed, "a", 6.0).await.len(), 0);
    bed.neighbours.up(contracts::ServiceName::WebhookAggregator);
    assert_eq!(spend(&bed, "b", 0.1).await.len(), 1);
}
