//! Mail, out: one letter for an answer, questions that a word answers, and letters that do not
//! arrive.

use crate::bed::{Bed, GATEWAY};
use crate::mail::{DESK, INES, bed, events, key, look, mail};
use contracts::Shard;
use contracts::calls::personal_assistant::Press;
use platform::ports::mail::{Bounce, Letter, Received};
use platform::ports::{PortError, PortErrorKind};
use serde_json::{Value, json};

async fn pump(bed: &Bed, ms: i64) {
    bed.clock.advance(ms);
    webhook_aggregator::pump(&bed.deps, &Shard::new(DESK)).await.unwrap();
    bed.settle().await;
}

#[tokio::test]
async fn answer_is_one_letter_in_the_thread_of_its_message() {
    let bed = bed();
    look(&bed).await;
    let first = Received {
        subject: "Re: The login".to_owned(),
        references: vec!["root@example.org".to_owned()],
        ..mail("1", "fix it")
    };
    bed.mail.deliver(first, &[]);
    look(&bed).await;
    let task = bed.lease().await.remove(0);
    let renew = json!({ "epoch": task["epoch"], "progress": "reading" });
    let path = format!("/api/tasks/{}/renew", task["taskId"].as_str().unwrap());
    assert_eq!(bed.post(&path, GATEWAY, &renew).await.0, 200);
    pump(&bed, 6_000).await;
    assert_eq!(bed.mail.letters(), [], "no letter for progress");
    bed.mail.deliver(
        Received { references: vec!["root@example.org".to_owned()], ..mail("2", "and that") },
        &[],
    );
    look(&bed).await;
    assert_eq!(bed.mail.letters(), [], "nor for a message that waits");
    bed.finish(&task, "success", "It is **done**.").await;
    let letters = bed.mail.letters();
    let [letter] = letters.as_slice() else { panic!("{letters:?}") };
    assert!(letter.message_id.starts_with("quintet."), "{letter:?}");
    assert!(letter.message_id.ends_with("@example.org"), "{letter:?}");
    let expected = Letter {
        message_id: letter.message_id.clone(),
        in_reply_to: Some("1@example.org".to_owned()),
        references: vec!["root@example.org".to_owned(), "1@example.org".to_owned()],
        to: INES.to_owned(),
        subject: "Re: The login".to_owned(),
        text: "It is **done**.".to_owned(),
        html: Some("<html><body>It is <strong>done</strong>.</body></html>".to_owned()),
        file: None,
    };
    assert_eq!(*letter, expected);
    assert_eq!(bed.event(&key("1")).await["state"], "done");
    // A reply to it is of the same conversation.
    let reply = Received {
        in_reply_to: Some(letter.message_id.clone()),
        references: vec![
            "root@example.org".to_owned(),
            "1@example.org".to_owned(),
            letter.message_id.clone(),
        ],
        quoted: Some("It is done.".to_owned()),
        ..mail("3", "thanks, and now the rest of it, all of what I wrote about")
    };
    bed.mail.deliver(reply, &[]);
    look(&bed).await;
    let events = events(&bed).await;
    assert!(
        events.iter().all(|event| event["conversation"] == events[0]["conversation"]),
        "{events:?}"
    );
}

#[tokio::test]
async fn programs_lists_strangers_and_we_ourselves_get_no_letter() {
    let bed = bed();
    look(&bed).await;
    let from = |id: &str, from: &str, domain: &str| Received {
        from: Some(from.to_owned()),
        authentication: Some(format!("mx.example.org; dmarc=pass header.from={domain}")),
        ..mail(id, "hello")
    };
    bed.mail.deliver(Received { is_automatic: true, ..mail("1", "I am away") }, &[]);
    bed.mail.deliver(from("2", "desk@example.org", "example.org"), &[]);
    bed.mail.deliver(from("3", "bo@evil.example", "evil.example"), &[]);
    bed.mail.deliver(Received { authentication: None, ..mail("4", "hello") }, &[]);
    look(&bed).await;
    pump(&bed, 60_000).await;
    assert_eq!(events(&bed).await.len(), 4);
    assert_eq!(bed.lease().await.len(), 0);
    assert_eq!(bed.mail.letters(), []);
}

async fn ask(bed: &Bed, revision: u32, text: &str, buttons: Value) {
    let target = json!({ "channel": "mail", "endpoint": "desk", "chat": INES, "direct": true });
    let delivery = json!({ "id": "ask-1", "revision": revision, "target": target, "text": text, "buttons": buttons });
    let (status, answer) = bed
        .post("/internal/outbox", "secret-personal-assistant", &json!({ "deliveries": [delivery] }))
        .await;
    assert_eq!(status, 200, "{answer}");
    bed.settle().await;
}

fn reply(id: &str, to: &Letter, text: &str) -> Received {
    Received {
        in_reply_to: Some(to.message_id.clone()),
        references: vec![to.message_id.clone()],
        subject: format!("Re: {}", to.subject),
        ..mail(id, text)
    }
}

#[tokio::test]
async fn question_is_answered_by_one_word_of_an_approver() {
    let bed = bed();
    look(&bed).await;
    ask(
        &bed,
        1,
        "Approval **needed**\n> rm *a*",
        json!({ "approve": "a1:x:y", "reject": "a1:x:n" }),
    )
    .await;
    let question = bed.mail.letters().remove(0);
    assert!(
        question.text.ends_with("\n\nReply with one word to answer: yes (Approve) · no (Reject)"),
        "{question:?}"
    );
    assert!(question.text.contains("> rm *a*"), "{question:?}");
    assert_eq!((question.to.as_str(), question.subject.as_str()), (INES, "Approval needed"));
    // Neither a forged word nor a longer text is a press.
    let forged = Received { authentication: None, ..reply("1", &question, "yes") };
    bed.mail.deliver(forged, &[]);
    bed.mail.deliver(reply("2", &question, "yes, but tell me first what it costs"), &[]);
    look(&bed).await;
    assert_eq!(bed.fakes.count::<Press>(), 0);
    bed.mail.deliver(
        Received { quoted: Some("Approval needed".into()), ..reply("3", &question, "Yes.") },
        &[],
    );
    look(&bed).await;
    let presses = bed.fakes.bodies::<Press>();
    let [press] = presses.as_slice() else { panic!("{presses:?}") };
    assert_eq!((&press["token"], &press["chat"]), (&json!("a1:x:y"), &json!(INES)));
    assert_eq!(press["actor"], format!("mail:desk:{INES}"));
    let said =
        |text: &str| bed.mail.letters().iter().filter(|letter| letter.text.contains(text)).count();
    assert_eq!(said("Approved"), 1);
    // The outcome is no further letter, and a later word changes nothing.
    ask(&bed, 2, "Approved by Ines:\nApproval needed", Value::Null).await;
    assert_eq!(said("Approved"), 1);
    bed.mail.deliver(reply("4", &question, "no"), &[]);
    look(&bed).await;
    assert_eq!(bed.fakes.count::<Press>(), 1);
    let event = bed.event(&key("4")).await;
    assert_eq!((&event["state"], &event["reason"]), (&json!("ignored"), &json!("question_closed")));
    assert_eq!(said("no longer open"), 1);
}

#[tokio::test]
async fn short_reply_to_an_answer_is_a_message() {
    let bed = bed();
    look(&bed).await;
    bed.mail.deliver(mail("1", "fix it"), &[]);
    look(&bed).await;
    let task = bed.lease().await.remove(0);
    bed.finish(&task, "success", "Shall I ship it?").await;
    let answer = bed.mail.letters().remove(0);
    bed.mail.deliver(reply("2", &answer, "ship it"), &[]);
    look(&bed).await;
    assert_eq!(bed.event(&key("2")).await["text"], "ship it");
    assert_eq!(bed.lease().await.len(), 1);
}

async fn answered(bed: &Bed, from: &str) -> Value {
    look(bed).await;
    let message = Received { from: Some(from.to_owned()), ..mail("1", "fix it") };
    bed.mail.deliver(message, &[]);
    look(bed).await;
    let task = bed.lease().await.remove(0);
    bed.finish(&task, "success", "Done.").await;
    bed.event(&format!("{from} 1@example.org")).await
}

fn bed_for(sender: &str) -> Bed {
    let mut keys = crate::mail::keys();
    keys["senders"] = json!([sender]);
    crate::mail::bed_of(keys)
}

#[tokio::test]
async fn letter_that_is_refused_for_good_is_kept_and_one_that_is_refused_for_now_is_sent_again() {
    let bed = bed_for("gone@example.org");
    let event = answered(&bed, "gone@example.org").await;
    assert_eq!(event["replies"][0]["state"], "failed", "{event}");
    assert!(event["replies"][0]["error"].as_str().unwrap().contains("550"), "{event}");
    let bed = bed_for("busy@example.org");
    let event = answered(&bed, "busy@example.org").await;
    assert_eq!(event["replies"][0]["state"], "queued", "{event}");
}

/// Without a verdict it may have arrived: it is sent again under the same id, a few times.
#[tokio::test]
async fn letter_without_a_verdict_is_sent_again_under_its_id() {
    let bed = bed();
    look(&bed).await;
    bed.mail.deliver(mail("1", "fix it"), &[]);
    look(&bed).await;
    let task = bed.lease().await.remove(0);
    bed.mail.fail_next(PortError::unknown(PortErrorKind::Timeout, "no verdict"));
    bed.finish(&task, "success", "Done.").await;
    assert_eq!(bed.mail.letters().len(), 0);
    pump(&bed, 600_000).await;
    assert_eq!(bed.mail.letters().len(), 1);
    assert_eq!(bed.event(&key("1")).await["state"], "done");
}

#[tokio::test]
async fn bounce_marks_the_answer_as_one_that_did_not_arrive() {
    let bed = bed();
    let event = answered(&bed, INES).await;
    assert_eq!(event["replies"][0]["state"], "sent", "{event}");
    let letter = bed.mail.letters().remove(0);
    let bounce = |message_id: &str, id: &str| Received {
        from: Some("mailer-daemon@example.org".to_owned()),
        authentication: None,
        is_automatic: true,
        bounce: Some(Bounce {
            message_id: message_id.to_owned(),
            recipient: INES.to_owned(),
            why: "550 mailbox full".to_owned(),
        }),
        ..mail(id, "")
    };
    bed.mail.deliver(bounce("quintet.unknown@example.org", "b1"), &[]);
    bed.mail.deliver(bounce(&letter.message_id, "b2"), &[]);
    look(&bed).await;
    pump(&bed, 1_000).await;
    let event = bed.event(&key("1")).await;
    assert_eq!(event["replies"][0]["state"], "failed", "{event}");
    assert!(event["replies"][0]["error"].as_str().unwrap().contains("mailbox full"), "{event}");
    let letters = bed.mail.letters();
    let [_, told] = letters.as_slice() else { panic!("{letters:?}") };
    assert!(told.text.contains("could not be delivered"), "{told:?}");
    // The approver's mailbox is full as well: that is the end of it.
    bed.mail.deliver(bounce(&told.message_id, "b3"), &[]);
    look(&bed).await;
    pump(&bed, 600_000).await;
    assert_eq!(bed.mail.letters().len(), 2, "a bounce gets no answer");
}

#[tokio::test]
async fn file_of_an_answer_is_a_letter_with_it() {
    let bed = bed();
    look(&bed).await;
    bed.mail.deliver(Received { subject: "A file".to_owned(), ..mail("1", "make one") }, &[]);
    look(&bed).await;
    let task = bed.lease().await.remove(0);
    let path = format!("/api/tasks/{}/files", task["taskId"].as_str().unwrap());
    let (status, stored) = bed.ask("PUT", &path, GATEWAY, &[], "a,b\n").await;
    assert_eq!(status, 200);
    let stored: Value = serde_json::from_slice(&stored).unwrap();
    let path = format!("/api/tasks/{}/result", task["taskId"].as_str().unwrap());
    let result = json!({ "epoch": task["epoch"], "outcome": "success", "text": "Here.", "actualCost": 0.0,
        "files": [{ "name": "out.csv", "sha256": stored["sha256"] }] });
    assert_eq!(bed.post(&path, GATEWAY, &result).await.0, 200);
    bed.settle().await;
    pump(&bed, 1_000).await;
    let letters = bed.mail.letters();
    assert_eq!(letters.len(), 2, "{letters:?}");
    let file = letters[1].file.as_ref().unwrap();
    assert_eq!((file.name.as_str(), &file.content[..]), ("out.csv", &b"a,b\n"[..]));
    assert_eq!(
        (letters[1].subject.as_str(), letters[1].in_reply_to.as_deref()),
        ("Re: A file", Some("1@example.org"))
    );
}
