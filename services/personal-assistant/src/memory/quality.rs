//! How well recall finds what was said: 200 facts among 1,000 other messages of a long chat, and a
//! question about each. `docs/memory.md` has the figures.

use super::recall::{Kind, index, recall};
use contracts::Tokens;
use platform::memory::MemorySql;
use platform::ports::{Sql, Statement};

const PAIRS: &str = include_str!("../../data/memory-pairs.txt");
const OTHERS: [&str; 4] = [
    include_str!("../../../../routing-knowledge/agents/agent-codegen.md"),
    include_str!("../../../../routing-knowledge/agents/agent-security.md"),
    include_str!("../../../../routing-knowledge/agents/agent-pm.md"),
    include_str!("../../../../routing-knowledge/agents/agent-assistant.md"),
];
/// Messages that a chat without a memory would show: the last ones.
const LAST: usize = 20;

/// Facts with their questions.
fn pairs() -> Vec<(&'static str, &'static str)> {
    PAIRS.lines().map(|line| line.split_once(" | ").unwrap()).collect()
}

/// The chat, in order: a fact after every five other messages.
fn chat() -> Vec<String> {
    let others =
        OTHERS.iter().flat_map(|file| file.lines()).filter_map(|line| line.strip_prefix("- "));
    let mut others = others.take(1_000);
    let mut chat = Vec::new();
    for (fact, _) in pairs() {
        chat.extend(others.by_ref().take(5).map(str::to_owned));
        chat.push(fact.to_owned());
    }
    chat
}

async fn stored(chat: &[String]) -> MemorySql {
    let sql = MemorySql::with_migrations(&[
        include_str!("../../../../migrations/0001_personal_assistant.sql"),
        include_str!("../../../../migrations/0012_memory.sql"),
    ]);
    for (place, text) in chat.iter().enumerate() {
        let batch: Vec<Statement> = index(&format!("msg_{place:06}"), text);
        sql.batch(batch).await.unwrap();
    }
    sql
}

#[tokio::test]
async fn recall_finds_nine_of_ten_facts_among_a_thousand_messages() {
    let (pairs, chat) = (pairs(), chat());
    assert_eq!((pairs.len(), chat.len()), (200, 1_200));
    let sql = stored(&chat).await;
    let (mut first, mut among, mut tokens, mut missed) = (0, 0, 0, Vec::new());
    for (fact, question) in &pairs {
        let found = recall(&sql, question, Kind::Message, 8).await.unwrap();
        let texts: Vec<&str> = found
            .iter()
            .map(|found| chat[found.doc["msg_".len()..].parse::<usize>().unwrap()].as_str())
            .collect();
        tokens += texts.iter().map(|text| Tokens::of_text(text)).sum::<u64>();
        first += usize::from(texts.first() == Some(fact));
        if texts.contains(fact) { among += 1 } else { missed.push(*question) }
    }
    let last = &chat[chat.len() - LAST..];
    let by_last = pairs.iter().filter(|(fact, _)| last.iter().any(|text| text == fact)).count();
    let last_tokens: u64 = last.iter().map(|text| Tokens::of_text(text)).sum();
    let mean = tokens / pairs.len() as u64;
    println!(
        "recall@8 {among}/200, first {first}/200, {mean} tokens a turn; last {LAST} messages: {by_last}/200, {last_tokens} tokens a turn; missed: {missed:#?}"
    );
    assert!(among >= 180 && first >= 150, "recall@8 {among}, first {first}: {missed:#?}");
    assert!(by_last <= 4 && mean <= 2 * last_tokens, "{by_last} {mean} {last_tokens}");
}
