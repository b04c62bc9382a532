//! `quintet __mail`: a message that is built to exhaust its reader ends the reader alone.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The reader's exit and output for a message.
fn read(raw: &[u8]) -> (bool, Vec<u8>) {
    let mut reader = Command::new(env!("CARGO_BIN_EXE_quintet"))
        .args(["__mail", "whole"])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // It may end before it has read everything.
    let _ = reader.stdin.take().unwrap().write_all(raw);
    let done = reader.wait_with_output().unwrap();
    (done.status.success(), done.stdout)
}

#[test]
fn reader_of_mail_reads_a_message_and_prints_it() {
    let (is_read, told) =
        read(b"From: Ines <ines@example.org>\r\nTo: desk@example.org\r\n\r\nhello");
    let told: serde_json::Value = serde_json::from_slice(&told).unwrap();
    assert!(is_read);
    assert_eq!((&told["from"], &told["text"]), (&"ines@example.org".into(), &"hello".into()));
    assert_eq!(told["to"], serde_json::json!(["desk@example.org"]));
}

#[test]
fn message_that_exhausts_its_reader_ends_within_its_limits() {
    let nested = format!("From: x\n{}", "Content-Type: message/rfc822\n\n".repeat(400_000));
    let part = "\n--a\nContent-Type: multipart/x; boundary=zz\n\n";
    let seeking = format!("Content-Type: multipart/mixed; boundary=a\n\n{}", part.repeat(200_000));
    let many =
        format!("Content-Type: multipart/mixed; boundary=a\n\n{}", "\n--a\n\n".repeat(6_000_000));
    for (name, raw) in [("nested", nested), ("seeking", seeking), ("many", many)] {
        let begun = Instant::now();
        let (is_read, _) = read(raw.as_bytes());
        assert!(begun.elapsed() < Duration::from_mins(1), "{name}");
        assert!(
            !is_read || name == "many",
            "{name}: the attack must be one, or this tests nothing"
        );
    }
}
