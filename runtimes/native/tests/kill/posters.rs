//! Several concurrent Telegrams. Each posts updates and repeats each until it is acknowledged,
//! repeats a few after that, and keeps few messages unanswered.

use crate::bed::{TELEGRAM_SECRET, telegram_update};
use crate::http;
use crate::now_ms;
use crate::recorder::Recorder;
use fastrand::Rng;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

pub const OWNER: u64 = 700_100_200;
const POSTERS: u64 = 4;
/// Private chats per poster; their lanes run in parallel.
const CHATS: u64 = 3;
/// Maximum acknowledged but unanswered messages per poster.
const UNANSWERED_MAX: usize = 3;
/// One in this many updates is delivered again after its acknowledgement.
const AGAIN: u64 = 10;

const MESSAGES: [&str; 5] = [
    "Fix the TypeError in the login flow",
    "Is the login form open to injection?",
    "Plan the next sprint for the mobile team",
    "Write unit tests for the parser",
    "What can you do?",
];

/// Times of an update's first post and of its acknowledgement, milliseconds since the epoch.
#[derive(Clone, Copy, Debug)]
pub struct Posted {
    pub first_ms: i64,
    pub acked_ms: i64,
}

pub type AllPosted = BTreeMap<u64, Posted>;

/// All chats that post.
pub fn chats() -> Vec<u64> {
    (0..POSTERS * CHATS).map(|n| OWNER + n).collect()
}

/// Whether a text is a placeholder before the answer.
pub fn is_placeholder(text: &str) -> bool {
    text.starts_with("Working on it (")
        || text.starts_with("I am still working on an earlier message")
}

pub struct Posters {
    address: Arc<RwLock<Option<String>>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<AllPosted>>,
}

impl Posters {
    pub fn start(recorder: &Recorder, seed: u64) -> Self {
        let (address, stop): (Arc<RwLock<Option<String>>>, Arc<AtomicBool>) = Default::default();
        let threads = (0..POSTERS).map(|number| {
            let poster = Poster {
                number,
                address: address.clone(),
                stop: stop.clone(),
                recorder: recorder.clone(),
                random: Rng::with_seed(seed ^ (number + 1)),
            };
            std::thread::spawn(move || poster.run())
        });
        let threads = threads.collect();
        Self { address, stop, threads }
    }
    /// Sets the server's address; none while it is dead.
    pub fn open(&self, address: Option<&str>) {
        *self.address.write().unwrap() = address.map(str::to_owned);
    }
    /// Posts no new updates; repeats open ones until they are acknowledged.
    pub fn finish(self) -> AllPosted {
        self.stop.store(true, Ordering::Relaxed);
        self.threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    }
}

struct Poster {
    number: u64,
    address: Arc<RwLock<Option<String>>>,
    stop: Arc<AtomicBool>,
    recorder: Recorder,
    random: Rng,
}

impl Poster {
    fn run(mut self) -> AllPosted {
        let mut posted = AllPosted::new();
        let mut unanswered: Vec<u64> = Vec::new();
        for n in 0.. {
            while !self.stop.load(Ordering::Relaxed) && unanswered.len() >= UNANSWERED_MAX {
                unanswered
                    .retain(|update| !self.recorder.shows(*update, |text| !is_placeholder(text)));
                std::thread::sleep(Duration::from_millis(2));
            }
            if self.stop.load(Ordering::Relaxed) {
                break;
            }
            let update = (self.number + 1) * 1_000_000 + n;
            let chat = OWNER + self.number * CHATS + self.random.u64(0..CHATS);
            let message = MESSAGES[self.random.usize(0..MESSAGES.len())];
            let body = telegram_update(update, chat, message);
            let first_ms = now_ms();
            self.until_acknowledged(&body);
            posted.insert(update, Posted { first_ms, acked_ms: now_ms() });
            unanswered.push(update);
            if self.random.u64(0..AGAIN) == 0 {
                self.until_acknowledged(&body);
            }
        }
        posted
    }
    /// Only a 2xx acknowledges, as for Telegram.
    fn until_acknowledged(&self, body: &str) {
        loop {
            let address = self.address.read().unwrap().clone();
            let answer = address.and_then(|address| {
                http::ask(
                    &address,
                    "POST",
                    "/telegram/main",
                    &[TELEGRAM_SECRET, ("content-type", "application/json")],
                    body,
                )
                .ok()
            });
            match answer.map(|answer| answer.status) {
                Some(200..=299) => return,
                Some(status @ 400..=499) => panic!("refused with {status}: {body}"),
                _ => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }
}
