//! The native cost of one route: the whole decision over graphs of 4, 20 and 150 agents, beside a
//! keyword counter in the same run. `cargo xtask bench` runs it.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a measuring tool: it stops where it cannot measure"
)]

use agency_router::pool::Pool;
use agency_router::route::{World, decide};
use contracts::graph::Graph;
use contracts::routing::RouteRequest;
use serde_json::{Value, json};
use std::time::Instant;
use text_model::arithmetic::Random;
use text_model::{Model, TrainingSet};

const LINES: usize = 100;
const ROUNDS: usize = 4_000;

fn main() {
    println!(
        "{:<10} {:>10} {:>10} {:>10} {:>12} {:>12} {:>10} {:>10}",
        "agents", "p50 µs", "p99 µs", "model µs", "× keywords", "training s", "model KB", "lines"
    );
    for agents in [4, 20, 150] {
        let (graph, messages) = synthetic(agents, 7);
        let set = TrainingSet::from_graph(&graph);
        let start = Instant::now();
        let model = Model::train(&set).unwrap();
        let training = start.elapsed().as_secs_f64();
        let pool = Pool::default();
        let world = World { graph: &graph, model: Some(&model), pool: &pool, now_ms: 0 };
        let requests: Vec<RouteRequest> = messages
            .iter()
            .map(|text| RouteRequest { message: text.clone(), ..RouteRequest::default() })
            .collect();
        let (p50, p99) = times(&requests, |request| decide(request, world).agent.as_str().len());
        let (score, _) = times(&requests, |request| model.score(&request.message).winner);
        let (base, _) = times(&requests, |request| by_keywords(&graph, &request.message));
        let bytes = model.to_bytes().len();
        println!(
            "{agents:<10} {p50:>10.1} {p99:>10.1} {score:>10.1} {:>12.2} {training:>12.2} {:>10} \
             {:>10}",
            p50 / base,
            bytes / 1024,
            set.examples.len()
        );
    }
}

/// Median and 99th percentile, microseconds.
fn times(requests: &[RouteRequest], mut work: impl FnMut(&RouteRequest) -> usize) -> (f64, f64) {
    let mut micros: Vec<f64> = (0..ROUNDS)
        .map(|round| {
            let request = &requests[round % requests.len()];
            let start = Instant::now();
            std::hint::black_box(work(request));
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    micros.sort_by(f64::total_cmp);
    (micros[ROUNDS / 2], micros[ROUNDS * 99 / 100])
}

/// The usual first attempt: the agent with the most keywords in the message.
fn by_keywords(graph: &Graph, message: &str) -> usize {
    let lower = message.to_lowercase();
    let hits = |keywords: &[String]| {
        keywords.iter().filter(|keyword| lower.contains(keyword.as_str())).count()
    };
    (0..graph.agents.len()).max_by_key(|place| hits(&graph.agents[*place].keywords)).unwrap_or(0)
}

/// Agents with unique and shared words, and messages of twenty words.
fn synthetic(agents: usize, seed: u64) -> (Graph, Vec<String>) {
    let mut random = Random::new(seed);
    let word = |random: &mut Random| -> String {
        (0..2 + random.below(3)).map(|_| SYLLABLES[random.below(SYLLABLES.len())]).collect()
    };
    let shared: Vec<String> = (0..300).map(|_| word(&mut random)).collect();
    let own: Vec<Vec<String>> =
        (0..agents).map(|_| (0..30).map(|_| word(&mut random)).collect()).collect();
    let line = |random: &mut Random, agent: usize, words: usize| -> String {
        let pick = |random: &mut Random| {
            if random.below(3) == 0 {
                own[agent][random.below(30)].clone()
            } else {
                shared[random.below(300)].clone()
            }
        };
        (0..words).map(|_| pick(random)).collect::<Vec<_>>().join(" ")
    };
    let rows: Vec<Value> = (0..agents)
        .map(|agent| {
            let examples: Vec<String> = (0..LINES)
                .map(|_| {
                    let words = 4 + random.below(8);
                    line(&mut random, agent, words)
                })
                .collect();
            json!({"id": format!("agent-{agent}"), "skill": format!("agents/agent-{agent}"), "title": format!("Agent {agent}"), "description": "",
                   "keywords": own[agent][..10], "aliases": [], "bullets": [], "examples": examples, "negatives": [], "complexity": [],
                   "relatedAgents": [], "relatedChannels": [], "model": null, "fallback": agent == 0, "public": false})
        })
        .collect();
    let messages = (0..200).map(|n| line(&mut random, n % agents, 20)).collect();
    (
        serde_json::from_value(
            json!({"version": "bench", "agents": rows, "channels": [], "skills": [], "links": []}),
        )
        .unwrap(),
        messages,
    )
}

const SYLLABLES: [&str; 40] = [
    "ba", "be", "bo", "ca", "ce", "co", "da", "de", "do", "fa", "fe", "fo", "ga", "ge", "go", "la",
    "le", "lo", "ma", "me", "mo", "na", "ne", "no", "pa", "pe", "po", "ra", "re", "ro", "sa", "se",
    "so", "ta", "te", "to", "va", "ve", "vo", "za",
];
