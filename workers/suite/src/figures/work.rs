//! The repeated work, each kind beside a plain baseline.

use super::numbers::Numbers;
use super::synthetic::{MESSAGE_WORDS, Speech, frequent, graph, vocabulary};
use agency_router::pool::Pool;
use agency_router::route::{World, decide};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use contracts::graph::{Graph, SearchAnswer};
use contracts::routing::RouteRequest;
use serde_json::{Value, json};
use skill_graph_loader::Searcher;
use skill_graph_loader::search::LIMIT_DEFAULT;
use std::cell::RefCell;
use std::hint::black_box;
use std::sync::Arc;
use text_model::arithmetic::Random;
use text_model::features::Tokens;
use text_model::{Model, TrainingSet};

/// Number of messages routed in turn, and of queries.
const MESSAGES: usize = 200;
const QUERIES: usize = 300;

thread_local! {
    /// Data prepared by one request and used by the next ones.
    pub static WORK: RefCell<Work> = RefCell::default();
}

/// Everything prepared so far.
#[derive(Default)]
pub struct Work {
    routing: Option<Routing>,
    training: Option<TrainingSet>,
    searching: Option<Searching>,
}

impl Work {
    /// Prepares (`/routing`, `/training`, `/searching`) or repeats; none for an unknown or
    /// unprepared path.
    pub fn answer(&mut self, path: &str, numbers: &Numbers, body: &str) -> Option<Value> {
        let (times, place) = (numbers.get("times"), numbers.get("query"));
        let repeat = |work: &dyn Fn(usize) -> usize| {
            Some(json!((0..times).map(|time| black_box(work(time))).fold(0, usize::wrapping_add)))
        };
        match path {
            "/routing" => {
                let routing = Routing::of(numbers, body)?;
                let told = json!({ "agents": routing.graph.agents.len(), "messages": routing.requests.len() });
                self.routing = Some(routing);
                Some(told)
            }
            "/training" => {
                let set = TrainingSet::from_graph(&graph(numbers));
                let told = json!({ "labels": set.labels.len(), "lines": set.examples.len() });
                self.training = Some(set);
                Some(told)
            }
            "/searching" => {
                let searching = Searching::of(numbers);
                let index = searching.searcher.index();
                let told = json!({ "files": index.len(), "terms": index.terms_len(), "bytes": searching.bytes(), "queries": searching.queries.len() });
                self.searching = Some(searching);
                Some(told)
            }
            "/route" => {
                self.routing.as_ref().and_then(|routing| repeat(&|time| routing.route(time)))
            }
            "/keywords" => {
                self.routing.as_ref().and_then(|routing| repeat(&|time| routing.by_keywords(time)))
            }
            "/train" => self.training.as_ref().and_then(|set| {
                repeat(&|_| Model::train(set).map_or(0, |model| model.labels().len()))
            }),
            "/read" => self.training.as_ref().and_then(|set| {
                repeat(&|_| {
                    set.examples.iter().map(|line| Tokens::of(&line.text).words.len()).sum()
                })
            }),
            "/search" => {
                self.searching.as_ref().and_then(|searching| repeat(&|_| searching.search(place)))
            }
            "/scan" => self
                .searching
                .as_ref()
                .and_then(|searching| repeat(&|time| searching.scan(place + time))),
            _ => None,
        }
    }
}

struct Routing {
    graph: Graph,
    model: Model,
    requests: Vec<RouteRequest>,
}

impl Routing {
    /// With this graph's own model, as trained by the router.
    fn of(numbers: &Numbers, model_base64: &str) -> Option<Self> {
        let model = Model::from_bytes(&STANDARD.decode(model_base64).ok()?).ok()?;
        let agents = numbers.get("agents");
        let mut speech = Speech::of(agents, 7);
        let message = |place: usize| RouteRequest {
            message: speech.line(place % agents.max(1), MESSAGE_WORDS),
            ..RouteRequest::default()
        };
        Some(Self { graph: graph(numbers), model, requests: (0..MESSAGES).map(message).collect() })
    }

    fn request(&self, time: usize) -> Option<&RouteRequest> {
        self.requests.get(time % MESSAGES)
    }

    /// The whole decision.
    fn route(&self, time: usize) -> usize {
        let pool = Pool::default();
        let world = World { graph: &self.graph, model: Some(&self.model), pool: &pool, now_ms: 0 };
        self.request(time).map_or(0, |request| decide(request, world).agent.as_str().len())
    }

    /// The usual first attempt: the agent with the most keywords in the message.
    fn by_keywords(&self, time: usize) -> usize {
        let lower =
            self.request(time).map(|request| request.message.to_lowercase()).unwrap_or_default();
        let hits = |keywords: &[String]| {
            keywords.iter().filter(|keyword| lower.contains(keyword.as_str())).count()
        };
        self.graph.agents.iter().map(|agent| hits(&agent.keywords)).max().unwrap_or(0)
    }
}

struct Searching {
    searcher: Searcher,
    queries: Vec<String>,
}

impl Searching {
    fn of(numbers: &Numbers) -> Self {
        let words = vocabulary();
        let mut random = Random::new(7);
        let queries = (0..QUERIES).map(|place| query(&mut random, &words, place)).collect();
        Self { searcher: Searcher::build(Arc::new(graph(numbers))), queries }
    }

    fn bytes(&self) -> usize {
        self.searcher.graph().skills.iter().map(|skill| skill.body.len()).sum()
    }

    fn query(&self, place: usize) -> &str {
        self.queries.get(place % QUERIES).map_or("", String::as_str)
    }

    /// From the query to the bytes of the response.
    fn search(&self, place: usize) -> usize {
        let query = self.query(place);
        let answer = SearchAnswer {
            query: query.to_owned(),
            version: None,
            results: self.searcher.search(query, LIMIT_DEFAULT),
        };
        serde_json::to_vec(&answer).map_or(0, |bytes| bytes.len())
    }

    /// Without an index: scans every file for the query.
    fn scan(&self, place: usize) -> usize {
        let query = self.query(place);
        self.searcher.graph().skills.iter().filter(|skill| skill.body.contains(query)).count()
    }
}

/// One to five words. Of four queries one has a typo, one a prefix, one a letter that many words
/// begin with.
fn query(random: &mut Random, words: &[String], place: usize) -> String {
    let count = 1 + random.below(5);
    let mut said: Vec<String> = (0..count).map(|_| frequent(random, words).to_owned()).collect();
    let mut any = || words.get(random.below(words.len().max(1))).cloned().unwrap_or_default();
    match place % 4 {
        0 => {
            let mut word = any();
            word.insert(word.len() / 2, 'w');
            said.push(word);
        }
        1 => said.push(any().chars().take(3).collect()),
        2 => said.push("b".to_owned()),
        _ => {}
    }
    said.join(" ")
}
