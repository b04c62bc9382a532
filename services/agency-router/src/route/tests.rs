//! The order of decision, step by step, on a small graph.

use super::*;
use crate::samples::graph;
use contracts::routing::{OutcomeReport, PoolOutcome, Previous};
use text_model::TrainingSet;

fn model() -> Model {
    Model::train(&TrainingSet::from_graph(&graph())).unwrap()
}

fn ask(message: &str) -> RouteRequest {
    RouteRequest { message: message.to_owned(), ..RouteRequest::default() }
}

fn decide_with(request: &RouteRequest, pool: &Pool) -> Decision {
    let (graph, model) = (graph(), model());
    decide(request, World { graph: &graph, model: Some(&model), pool, now_ms: 1_000 })
}

fn route(request: &RouteRequest) -> Decision {
    decide_with(request, &Pool::default())
}

fn down(agents: &[&str]) -> Pool {
    let mut pool = Pool::default();
    for agent in agents {
        (0..3).for_each(|_| {
            pool.apply(
                &OutcomeReport {
                    agent: AgentId::from(*agent),
                    gateway: None,
                    outcome: PoolOutcome::Failed,
                    latency_ms: None,
                    complexity: None,
                    tokens: None,
                    rest_until: None,
                },
                1_000,
                0.5,
            );
        });
    }
    pool
}

#[test]
fn route_by_content_names_the_deciding_words() {
    let decision = route(&ask("scan the server for vulnerabilities"));
    assert_eq!(decision.agent.as_str(), "security");
    assert!(
        decision.steps[0].contains("security (") && decision.steps[0].contains('“'),
        "{:?}",
        decision.steps
    );
    assert!(
        decision
            .matched_keywords
            .iter()
            .any(|term| term.contains("vulnerab") || term.contains("scan")),
        "{:?}",
        decision.matched_keywords
    );
    assert!(decision.confidence > 0.3 && decision.confidence <= 1.0);
    assert_eq!(decision.skill_files, ["agent-security"]);
    assert!(!decision.fallback && !decision.out_of_scope);
}

#[test]
fn route_prefers_a_mention_over_content() {
    let decision = route(&ask("@pm scan the server for vulnerabilities"));
    assert_eq!((decision.agent.as_str(), decision.confidence), ("pm", 1.0));
    assert_eq!(decision.steps, ["The message names pm (@pm)."]);
}

#[test]
fn route_keeps_a_follow_up_with_the_conversations_agent() {
    let request =
        RouteRequest { sticky_agent: Some(AgentId::from("codegen")), ..ask("yes, do it") };
    assert_eq!(route(&request).agent.as_str(), "codegen");
    let other = RouteRequest {
        message: "scan the server for vulnerabilities and leaked keys".to_owned(),
        ..request
    };
    assert_eq!(route(&other).agent.as_str(), "security");
}

#[test]
fn route_keeps_a_short_answer_with_the_agent_that_asked() {
    let asked = |message: &str| RouteRequest {
        sticky_agent: Some(AgentId::from("codegen")),
        asked: true,
        ..ask(message)
    };
    for message in ["A", "the staging server", "scan the server for vulnerabilities"] {
        let decision = route(&asked(message));
        assert_eq!(decision.agent.as_str(), "codegen", "{message}");
        assert!(!decision.needs_choice);
    }
    for message in
        ["@pm A", "/pm A", "scan the server for vulnerabilities and leaked keys, please, all of it"]
    {
        assert_ne!(route(&asked(message)).agent.as_str(), "codegen", "{message}");
    }
    let unasked = RouteRequest { asked: false, ..asked("scan the server for vulnerabilities") };
    assert_eq!(route(&unasked).agent.as_str(), "security");
    assert_eq!(route(&RouteRequest { asked: false, ..asked("B") }).agent.as_str(), "codegen");
}

#[test]
fn route_sends_out_of_scope_messages_to_the_fallback_agent() {
    let decision = route(&ask("qwxz blorf zzyq"));
    assert_eq!(decision.agent.as_str(), "assistant");
    assert!(decision.out_of_scope && !decision.needs_choice, "{:?}", decision.steps);
}

#[test]
fn route_replaces_an_agent_that_is_down_with_a_related_one() {
    let decision = decide_with(&ask("fix the failing build in the parser"), &down(&["codegen"]));
    assert_eq!(decision.agent.as_str(), "security");
    assert!(decision.fallback);
    assert!(
        decision.steps[1].contains("codegen is down, so it goes to security"),
        "{:?}",
        decision.steps
    );
}

#[test]
fn route_replaces_an_agent_that_is_down_with_no_unrelated_one() {
    for all in [&["codegen", "security"][..], &["codegen", "security", "pm", "assistant"]] {
        let decision = decide_with(&ask("fix the failing build in the parser"), &down(all));
        assert_eq!(decision.agent.as_str(), "codegen");
        assert!(!decision.fallback);
        assert!(
            decision.steps[1].contains("no agent that the graph relates to it is free"),
            "{:?}",
            decision.steps
        );
    }
}

#[test]
fn route_never_replaces_an_agent_that_was_named_or_bound() {
    let named = ask("@codegen fix the failing build");
    let bound = RouteRequest {
        bound_agent: Some(AgentId::from("codegen")),
        ..ask("fix the failing build")
    };
    let codegen = vec![AgentId::from("codegen")];
    for request in [named, bound] {
        let down = decide_with(&request, &down(&["codegen"]));
        let failed = RouteRequest { exclude: codegen.clone(), ..request };
        for decision in [down, route(&failed)] {
            assert_eq!(decision.agent.as_str(), "codegen");
            assert!(!decision.fallback && !decision.needs_choice);
            assert!(decision.steps[1].contains("is for it alone"), "{:?}", decision.steps);
        }
    }
}

#[test]
fn route_skips_excluded_and_private_agents() {
    let request = RouteRequest {
        exclude: vec![AgentId::from("codegen")],
        ..ask("fix the failing build in the parser")
    };
    let decision = route(&request);
    assert!(decision.fallback && decision.agent.as_str() == "security");
    assert!(decision.alternatives.iter().all(|other| other.agent.as_str() != "codegen"));
    let request = RouteRequest { public_only: true, ..ask("@codegen fix the failing build") };
    let decision = route(&request);
    assert_eq!(decision.agent.as_str(), "assistant");
    assert!(decision.steps[1].contains("not open to this sender"));
}

#[test]
fn route_uses_the_built_in_assistant_without_a_model() {
    let graph = crate::built_in::graph();
    let decision = decide(
        &ask("hello"),
        World { graph: &graph, model: None, pool: &Pool::default(), now_ms: 0 },
    );
    assert_eq!(decision.agent.as_str(), "assistant");
    assert!(decision.out_of_scope && decision.steps[0].contains("No skill graph"));
}

/// A decision by words between two agents with these probabilities; `accept` is the winner's
/// threshold.
fn between(best: f64, second: f64, accept: f32) -> Decision {
    let (graph, model) = (graph(), model());
    let world = World { graph: &graph, model: Some(&model), pool: &Pool::default(), now_ms: 0 };
    let content = Content {
        ranked: vec![
            (AgentId::from("codegen"), best),
            (AgentId::from("security"), second),
            (AgentId::from("pm"), 1.0 - best - second),
        ],
        in_scope: 0.9,
        out_of_scope: false,
        winner_terms: vec![],
        runner_up_terms: vec![],
        unknown_words: 0.0,
        thresholds: text_model::Thresholds { accept, ask: 0.15 },
        overruled: None,
        leaning: content::Leaning::default(),
    };
    let leanings =
        Leanings { channel: None, complexity: Complexity::Simple, complexity_stated: false };
    into_decision(
        by_content(world, Some(&content), leanings),
        Some(content),
        &ask("fix the security of the parser"),
        world,
        Complexity::Simple,
    )
}

#[test]
fn route_reason_includes_complexity_and_channel() {
    let (mut graph, model) = (graph(), model());
    graph.agents.iter_mut().for_each(|agent| agent.complexity = vec![Complexity::Complex]);
    graph.agents.iter_mut().for_each(|agent| agent.related_channels = vec!["slack".to_owned()]);
    let world = World { graph: &graph, model: Some(&model), pool: &Pool::default(), now_ms: 0 };
    let said = |channel: &str| {
        let request = RouteRequest {
            channel: Some(channel.to_owned()),
            complexity: Some(Complexity::Complex),
            ..ask("fix the failing build")
        };
        decide(&request, world).steps.remove(0)
    };
    assert!(
        said("slack")
            .contains("that it is complex speaks for it; that it comes by slack speaks for it"),
        "{}",
        said("slack")
    );
    assert!(said("web").contains("; that it comes by web speaks against it"), "{}", said("web"));
}

#[test]
fn route_asks_the_sender_to_choose_between_two_close_agents() {
    let decision = between(0.45, 0.4, 0.6);
    assert!(decision.needs_choice);
    assert_eq!(decision.alternatives[0].agent.as_str(), "security");
    assert!(decision.steps[1].contains("the sender should choose"));
    assert!(
        between(0.45, 0.25, 0.6).needs_choice && !between(0.45, 0.2, 0.6).needs_choice,
        "below its threshold from half as likely on"
    );
}

#[test]
fn route_ties_regardless_of_the_winners_threshold() {
    assert!(between(0.52, 0.48, 0.5).needs_choice);
    assert!(between(0.58, 0.42, 0.35).needs_choice);
    assert!(!between(0.6, 0.4, 0.35).needs_choice);
    assert!(!between(1.0, 0.0, 0.35).needs_choice);
}

#[test]
fn route_takes_a_follow_ups_complexity_from_the_previous_message() {
    let message = "Migrate the entire platform to the new database, then rewrite all services and \
        deploy them to production"
        .to_owned();
    let previous = Some(Previous {
        decision_id: "dec_1".into(),
        agent: AgentId::from("codegen"),
        message,
        taken_back_from: vec![],
    });
    let of = |previous, message| {
        route(&RouteRequest {
            sticky_agent: Some(AgentId::from("codegen")),
            previous,
            ..ask(message)
        })
        .complexity
    };
    assert_eq!(
        (of(previous.clone(), "yes, do it"), of(None, "yes, do it")),
        (Complexity::Complex, Complexity::Simple)
    );
    assert_eq!(of(previous, "what time is it?"), Complexity::Simple);
}

#[test]
fn route_decides_any_text() {
    for message in [
        "",
        "@",
        "/",
        "@@@@",
        "\u{0}",
        "修复构建",
        "/\u{202e}",
        &"x".repeat(16_000),
        &"@codegen".repeat(2_000),
    ] {
        let decision = route(&RouteRequest {
            channel: Some("nowhere".to_owned()),
            sticky_agent: Some(AgentId::from("gone")),
            ..ask(message)
        });
        assert!((0.0..=1.0).contains(&decision.confidence), "{message}");
    }
}

#[test]
fn route_follows_the_senders_correction() {
    let previous = Some(Previous {
        decision_id: "dec_1".into(),
        agent: AgentId::from("codegen"),
        message: "fix the failing build".to_owned(),
        taken_back_from: vec![],
    });
    let said = |message: &str| route(&RouteRequest { previous: previous.clone(), ..ask(message) });
    let named = said("not you, security");
    assert_eq!((named.agent.as_str(), named.takes_back, named.fallback), ("security", true, false));
    assert_eq!(
        named.steps,
        [
            "You said that the message before was not for codegen.",
            "You said that it is for security."
        ]
    );
    for words in ["not you", "not you, codegen"] {
        let unnamed = said(words);
        assert!(
            unnamed.agent.as_str() != "codegen" && unnamed.takes_back && !unnamed.fallback,
            "{words}"
        );
        assert!(
            unnamed
                .steps
                .iter()
                .any(|step| step.contains("But codegen was ruled out, so it goes to")),
            "{:?}",
            unnamed.steps
        );
    }
}

#[test]
fn route_records_the_agent_named_by_the_sender_only() {
    let previous = Some(Previous {
        decision_id: "dec_1".into(),
        agent: AgentId::from("codegen"),
        message: "fix the failing build".to_owned(),
        taken_back_from: vec![],
    });
    let said = |message: &str| route(&RouteRequest { previous: previous.clone(), ..ask(message) });
    assert_eq!(said("not you, security").corrected_to, Some(AgentId::from("security")));
    assert_eq!(said("not you").corrected_to, None);
    // About a message that codegen already has, it changes nothing.
    for words in ["that was for codegen", "I meant codegen"] {
        assert_eq!(
            (said(words).takes_back, said(words).agent.as_str()),
            (false, "codegen"),
            "{words}"
        );
    }
}

#[test]
fn route_avoids_both_ruled_out_agents_unless_one_is_named() {
    let previous = Previous {
        decision_id: "dec_2".into(),
        agent: "pm".into(),
        message: "fix the failing build".to_owned(),
        taken_back_from: vec!["codegen".into()],
    };
    let said =
        |message: &str| route(&RouteRequest { previous: Some(previous.clone()), ..ask(message) });
    assert!(
        !["codegen", "pm"].contains(&said("not you").agent.as_str()),
        "{:?}",
        said("not you").steps
    );
    assert_eq!(
        said("not you, codegen after all").agent.as_str(),
        route(&ask("not you, codegen after all")).agent.as_str()
    );
    assert_eq!(said("not you, codegen").agent.as_str(), "codegen");
}

#[test]
fn route_keeps_agents_ruled_out_in_later_runs() {
    let again = RouteRequest {
        taken_back_from: vec!["codegen".into()],
        exclude: vec!["security".into()],
        ..ask("@codegen fix the failing build")
    };
    let decision = route(&again);
    assert!(!["codegen", "security"].contains(&decision.agent.as_str()), "{:?}", decision.steps);
}

#[test]
fn route_marks_follow_ups_for_the_dispatcher() {
    let previous = Some(Previous {
        decision_id: "dec_1".into(),
        agent: AgentId::from("codegen"),
        message: "fix the failing build".to_owned(),
        taken_back_from: vec![],
    });
    let after = |message: &str| {
        route(&RouteRequest {
            previous: previous.clone(),
            sticky_agent: Some("codegen".into()),
            ..ask(message)
        })
        .follows_up
    };
    assert_eq!(
        (after("yes, do it"), after("scan the server"), route(&ask("yes, do it")).follows_up),
        (true, false, false)
    );
}

#[test]
fn route_ignores_a_name_when_judging_complexity() {
    let of = |message: &str| route(&ask(message)).complexity;
    assert_eq!(
        (of("/security hello"), of("@codegen thanks"), of("hello")),
        (Complexity::Simple, Complexity::Simple, Complexity::Simple)
    );
}

#[test]
fn route_uses_the_binding_unless_an_agent_is_named() {
    let bound = |message: &str| {
        route(&RouteRequest {
            bound_agent: Some(AgentId::from("pm")),
            sticky_agent: Some(AgentId::from("security")),
            ..ask(message)
        })
    };
    assert_eq!(bound("fix the failing build").agent.as_str(), "pm");
    assert_eq!(bound("@codegen fix the failing build").agent.as_str(), "codegen");
    assert!(bound("fix it").steps[0].contains("bound to pm"));
    let gone =
        RouteRequest { bound_agent: Some(AgentId::from("gone")), ..ask("fix the failing build") };
    assert_eq!(
        route(&gone).agent.as_str(),
        "codegen",
        "a binding to an unknown agent has no effect"
    );
}

#[test]
fn route_keeps_a_reply_with_its_agent_unless_its_words_clearly_fit_another() {
    let reply = |message: &str| RouteRequest {
        sticky_agent: Some(AgentId::from("security")),
        is_reply: true,
        ..ask(message)
    };
    let unsure =
        route(&reply("and what would you say about the other one that we spoke of yesterday"));
    assert_eq!(unsure.agent.as_str(), "security");
    assert!(unsure.steps[0].contains("replies to security"));
    let sure = route(&reply("fix the failing build"));
    assert!(sure.agent.as_str() == "codegen" && sure.confidence >= talk::SURE, "{sure:?}");
    assert_eq!(
        route(&RouteRequest { sticky_agent: None, ..reply("fix the failing build") })
            .agent
            .as_str(),
        "codegen"
    );
}

#[test]
fn route_decides_a_corrected_message_again() {
    let previous = contracts::routing::Previous {
        decision_id: "dec_1".into(),
        agent: AgentId::from("codegen"),
        message: "fix the failing build".into(),
        taken_back_from: vec![],
    };
    let after =
        |message: &str| route(&RouteRequest { previous: Some(previous.clone()), ..ask(message) });
    let named = after("not you, security");
    assert_eq!((named.agent.as_str(), named.takes_back), ("security", true));
    assert!(named.steps[0].starts_with(TAKEN_BACK), "{:?}", named.steps);
    let anybody_else = after("wrong agent");
    assert_ne!(anybody_else.agent.as_str(), "codegen");
    assert!(!after("scan the server").takes_back);
    let naming = contracts::routing::Previous {
        message: "@codegen fix the failing build".into(),
        ..previous.clone()
    };
    let after =
        |message: &str| route(&RouteRequest { previous: Some(naming.clone()), ..ask(message) });
    assert_eq!(
        after("not you, security").agent.as_str(),
        "security",
        "the last instruction counts, not the name before"
    );
    assert_ne!(after("wrong agent").agent.as_str(), "codegen");
}
