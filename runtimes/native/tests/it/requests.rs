//! Hostile requests and files: each is refused, and the server goes on.

use crate::bed::{Home, Server};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Everything that the server answers to these bytes until it closes the connection.
fn raw(server: &Server, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // It may close before everything is sent.
    let _ = stream.write_all(bytes);
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said);
    String::from_utf8_lossy(&said).into_owned()
}

fn status(answer: &str) -> &str {
    answer.split_whitespace().nth(1).unwrap_or_default()
}

#[test]
fn hidden_second_request_is_never_answered() {
    let home = Home::new();
    let server = home.up();
    let hidden =
        format!("GET /webhook-aggregator/health HTTP/1.1\r\nHost: {}\r\n\r\n", server.address);
    for framing in [
        format!("Content-Length: {}\r\nTransfer-Encoding: chunked", hidden.len() + 5),
        "Content-Length: 5\r\nContent-Length: 6".to_owned(),
        "Content-Length: +5".to_owned(),
        "Transfer-Encoding: xchunked".to_owned(),
    ] {
        let head = format!(
            "POST /telegram/none HTTP/1.1\r\nHost: {}\r\n{framing}\r\n\r\n",
            server.address
        );
        let answer = raw(&server, format!("{head}0\r\n\r\n{hidden}").as_bytes());
        assert!(status(&answer).starts_with('4'), "{framing}: {answer}");
        assert!(!answer.contains("\"status\":\"ok\""), "{framing}: {answer}");
    }
    assert_eq!(server.ask("GET", "/webhook-aggregator/health", &[], "").status, 200);
}

#[test]
fn huge_heads_and_deep_bodies_are_refused() {
    let home = Home::new();
    let server = home.up();
    let many: String = (0..5_000).map(|n| format!("X-{n}: 1\r\n")).collect();
    let long = format!("X-Long: {}\r\n", "x".repeat(2 << 20));
    for headers in [many, long] {
        let answer = raw(
            &server,
            format!("GET /webhook-aggregator/health HTTP/1.1\r\nHost: x\r\n{headers}\r\n")
                .as_bytes(),
        );
        assert_eq!(status(&answer), "431", "{answer}");
    }
    let bearer = format!("Bearer {}", home.token("operator"));
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    let deep = "[".repeat(100_000);
    let answer = server.ask("POST", "/personal-assistant/api/halt", &headers, &deep);
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_eq!(server.get("/personal-assistant/api/halts")["all"], false);
}

#[test]
fn words_of_a_database_language_are_words() {
    let home = Home::new();
    let server = home.up();
    let event = server.say("'; DROP TABLE event; --");
    server.event_in(&event, "done");
    for query in ["channel=%27%20OR%201%3D1--", "state=%27%20OR%20%27%27%3D%27"] {
        let bearer = format!("Bearer {}", home.token("operator"));
        let path = format!("/webhook-aggregator/api/events?{query}");
        let answer = server.ask("GET", &path, &[("authorization", &bearer)], "");
        let found = answer.json()["events"].as_array().map_or(0, Vec::len);
        assert!((400..500).contains(&answer.status) || found == 0, "{query}: {answer:?}");
    }
    assert_eq!(server.event(&event)["state"], "done");
}

#[test]
fn spellings_of_a_path_reach_nothing_internal() {
    let home = Home::new();
    let server = home.up();
    let bearer = format!("Bearer {}", home.token("operator"));
    for path in [
        "/personal-assistant/internal/halts/check",
        "/personal-assistant/%69nternal/halts/check",
        "//personal-assistant//internal/halts/check",
        "/personal-assistant/api/../internal/halts/check",
        "/personal-assistant/api/%2e%2e/internal/halts/check",
        "/PERSONAL-ASSISTANT/INTERNAL/halts/check",
    ] {
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        let answer = server.ask("POST", path, &headers, "{\"tasks\":[]}");
        assert!(matches!(answer.status, 400 | 401 | 403 | 404), "{path}: {answer:?}");
    }
}

/// A backup whose entries lead out of the directory, or are links.
#[test]
fn hostile_backup_restores_nothing() {
    let home = Home::new();
    let outside = home.path("outside");
    std::fs::write(&outside, "untouched").unwrap();
    let file = |name: &str, size: u64| {
        let mut header = tar::Header::new_gnu();
        // `set_path` refuses what this test is about.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(size);
        header.set_mode(0o600);
        header
    };
    let mut link = file("inbox.db", 0);
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_link_name(&outside).unwrap();
    let absolute = outside.display().to_string();
    let hostile = [file("../outside", 4), file(&absolute, 4), link];
    for (number, mut header) in hostile.into_iter().enumerate() {
        let path = home.path(&format!("hostile-{number}.tar.gz"));
        let gzip = flate2::write::GzEncoder::new(
            std::fs::File::create(&path).unwrap(),
            flate2::Compression::fast(),
        );
        let mut archive = tar::Builder::new(gzip);
        header.set_cksum();
        let content = &b"evil"[..usize::try_from(header.size().unwrap()).unwrap()];
        archive.append(&header, content).unwrap();
        archive.into_inner().unwrap().finish().unwrap();
        let done = home.run(&["restore", path.to_str().unwrap()]);
        assert_ne!(done.code, 0, "{done:?}");
        assert_eq!(std::fs::read_to_string(&outside).unwrap(), "untouched");
        assert!(!home.data().join("inbox.db").exists(), "{done:?}");
    }
}
