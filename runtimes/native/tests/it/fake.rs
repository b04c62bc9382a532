//! A fake platform that answers as a test says.
#![allow(dead_code, reason = "each test file uses its own part")]

use crate::exchange::{Request, Response};
use serde_json::Value;
use std::io::BufReader;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Status, one more header (empty for none), body.
pub type Reply = (u16, &'static str, Value);
type Script = dyn Fn(&str, &Value) -> Reply + Send + Sync;

/// A platform's API on this machine; it listens until the test ends.
pub struct Fake {
    pub api_base: String,
    calls: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Fake {
    /// Answers `GET /path` and the body by this function.
    pub fn start(script: impl Fn(&str, &Value) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let api_base = format!("http://{}", listener.local_addr().unwrap());
        let (script, calls): (Arc<Script>, _) = (Arc::new(script), Arc::default());
        let fake = Self { api_base, calls: Arc::clone(&calls) };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, calls) = (script.clone(), calls.clone());
                std::thread::spawn(move || serve(stream, &*script, &calls));
            }
        });
        fake
    }
    /// The calls so far: `POST /path` and the body.
    pub fn calls(&self) -> Vec<(String, Value)> {
        self.calls.lock().unwrap().clone()
    }
}

fn serve(stream: TcpStream, script: &Script, calls: &Mutex<Vec<(String, Value)>>) -> Option<()> {
    let mut write = stream.try_clone().ok()?;
    let mut read = BufReader::new(stream);
    loop {
        let request = Request::read(&mut read)?;
        let body = request.json();
        calls.lock().unwrap().push((request.call.clone(), body.clone()));
        let (status, header, answer) = script(&request.call, &body);
        Response::with(status, header, &answer).write(&mut write)?;
    }
}
