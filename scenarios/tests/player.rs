//! The player itself: wrong stories fail at the right line with the right words, and the manual is
//! complete.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

use scenarios::failure::Failure;
use scenarios::host::Host;
use scenarios::in_process::InProcess;
use scenarios::player::play;
use scenarios::story::Story;
use scenarios::{agent, exchange, step};

async fn outcome(text: &str) -> Result<(), Failure> {
    let story = Story::parse("wrong.md", text).unwrap();
    let mut host = InProcess::start(&story).await;
    let played = play(&story, &mut host).await;
    host.close().await;
    played
}

/// The failure of a story whose last line is wrong.
async fn failure_of(blocks: &str) -> Failure {
    let text = format!("# Wrong on purpose\n\n{blocks}");
    let failure = outcome(&text).await.unwrap_err();
    let line = text.lines().nth(failure.line - 1).unwrap().trim();
    assert!(
        failure.step == line || line.ends_with(&failure.step),
        "{failure}\nnames line {}: {line}",
        failure.line
    );
    failure
}

#[tokio::test]
async fn player_reports_position_step_and_difference() {
    let failure = failure_of("```steps\nowner writes \"good morning\" as hello\nhello becomes done\nchat owner never showed \"e\"\n```\n").await;
    assert_eq!((failure.line, failure.step.as_str()), (6, "chat owner never showed \"e\""));
    let told = failure.to_string();
    assert!(told.starts_with("wrong.md:6: chat owner never showed \"e\"   (on in-process)\n  expected: nothing with …e…\n  came:     "), "{told}");
}

#[tokio::test]
async fn player_fails_at_once_at_another_end_and_prints_the_timeline() {
    let failure =
        failure_of("```steps\nowner writes \"good morning\" as hello\nhello becomes dead\n```\n")
            .await;
    assert_eq!(failure.mismatch.expected, "`hello` dead");
    for part in ["done (-), agent assistant", "\"routed\"", "\"answered\""] {
        assert!(failure.mismatch.came.contains(part), "{failure}");
    }
}

#[tokio::test]
async fn player_fails_every_kind_of_check() {
    let wrong = [
        "hello becomes done because \"rain\"",
        "hello went to pm",
        "chat owner shows \"no agent ever says this\"",
        "chat owner no longer shows \"assistant\"",
        "chat owner is empty",
        "there are 2 events",
        "agent codegen has run 1 times",
        "other becomes done",
        "owner presses Approve under hello as yes",
        "owner writes \"again\" as hello",
    ];
    for line in wrong {
        let failure = failure_of(&format!(
            "```steps\nowner writes \"good morning\" as hello\nhello becomes done\n{line}\n```\n"
        ))
        .await;
        assert_eq!(failure.line, 6, "{failure}");
    }
}

#[tokio::test]
async fn player_fails_a_wrong_api_response() {
    let budget = "GET /personal-assistant/api/budget";
    for expectation in [
        "answers 404",
        "answers 200\n/scopes/0/limit is 49.0",
        "answers 200\n/scopes has 7 entries",
        "eventually answers 200\n/timeZone contains \"Mars\"",
        "answers 200\n/nowhere is 1",
    ] {
        let failure = failure_of(&format!("```http\n{budget}\n\n{expectation}\n```\n")).await;
        assert_eq!(failure.step, budget);
    }
}

#[test]
fn manual_has_every_form() {
    let manual = std::fs::read_to_string(scenarios::folder().join("README.md")).unwrap();
    let steps = step::FORMS.iter().map(|form| form.text);
    let agents = agent::FORMS.iter().map(|form| form.text);
    let requests = exchange::REQUESTS
        .iter()
        .map(|form| form.text)
        .chain(exchange::FORMS.iter().map(|form| form.text));
    let missing: Vec<_> = steps
        .chain(agents)
        .chain(requests)
        .filter(|form| !manual.contains(&format!("\n| `{form}` | ")))
        .collect();
    assert!(missing.is_empty(), "scenarios/README.md has no line for: {missing:?}");
}

#[test]
fn stories_use_every_step() {
    let texts: String = scenarios::stories()
        .iter()
        .map(|name| std::fs::read_to_string(scenarios::folder().join(name)).unwrap())
        .collect();
    let used = |form: &scenarios::grammar::Form<step::Deed>| {
        texts
            .lines()
            .any(|line| scenarios::grammar::parse(std::slice::from_ref(form), line).is_ok())
    };
    let unused: Vec<_> =
        step::FORMS.iter().filter(|form| !used(form)).map(|form| form.text).collect();
    assert!(unused.is_empty(), "no story shows: {unused:?}");
}
