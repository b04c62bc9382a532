//! Mail. The mailbox of `account` has the three [`messages`], numbered from 1, and its server
//! refuses letters to `gone@…` for good and to `busy@…` for now.

use crate::ports::PortErrorKind;
use crate::ports::mail::{
    Behind, FilePlace, Letter, Mail, MailAccount, Received, Sent, SentFile, Server,
};
use crate::secret::Secret;
use bytes::Bytes;

/// The messages as they are sent, and as they are read; the last has the file `a.txt` with
/// `a file`.
pub fn messages() -> [(&'static str, Received); 3] {
    let message = |id: &str, subject: &str, text: &str| Received {
        message_id: Some(id.to_owned()),
        from: Some("ines@example.org".to_owned()),
        from_name: Some("Ines".to_owned()),
        subject: subject.to_owned(),
        text: text.to_owned(),
        ..Received::default()
    };
    let file = crate::ports::mail::OfferedFile {
        name: "a.txt".to_owned(),
        kind: "text/plain".to_owned(),
        bytes: 6,
    };
    [
        (
            "From: Ines <Ines@Example.org>\r\nMessage-ID: <1@x>\r\nSubject: one\r\n\r\nthe first\r\n",
            message("1@x", "one", "the first"),
        ),
        (
            "From: Ines <ines@example.org>\r\nMessage-ID: <2@x>\r\nSubject: two\r\n\r\nthe second\r\n",
            message("2@x", "two", "the second"),
        ),
        (
            "From: Ines <ines@example.org>\r\nMessage-ID: <3@x>\r\nSubject: three\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nthe third\r\n--b\r\nContent-Type: text/plain\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\na file\r\n--b--\r\n",
            Received { files: vec![file], ..message("3@x", "three", "the third") },
        ),
    ]
}

/// Messages come once and in order, files by their place; refusals differ from faults.
pub async fn check(mail: &dyn Mail, account: &MailAccount) {
    let page = mail.fetch(account, Behind::Newest).await.unwrap();
    assert_eq!((page.newest, page.messages.len(), page.has_more), (3, 0, false), "{page:?}");
    let validity = page.validity;
    let behind = |uid| {
        mail.fetch(account, Behind::Message { validity, uid, since_ms: None, gives_up: false })
    };
    let page = behind(1).await.unwrap();
    assert_eq!(page.messages.iter().map(|message| message.uid).collect::<Vec<_>>(), [2, 3]);
    for (got, (_, wanted)) in page.messages.iter().zip(&messages()[1..]) {
        assert_eq!(got.validity, validity);
        let (uid, received_ms, digest) = (got.uid, got.received_ms, got.digest.clone());
        assert_eq!(*got, Received { validity, uid, received_ms, digest, ..wanted.clone() });
    }
    assert_eq!(behind(3).await.unwrap().messages, []);
    let other = Behind::Message { validity: validity + 1, uid: 0, since_ms: None, gives_up: false };
    let page = mail.fetch(account, other).await.unwrap();
    assert_eq!((page.validity, page.newest, page.messages.len()), (validity, 3, 0), "{page:?}");
    files(mail, account, validity).await;
    letters(mail, account).await;
    faults(mail, account).await;
}

async fn files(mail: &dyn Mail, account: &MailAccount, validity: u32) {
    let file = |validity, uid, number| async move {
        mail.file(account, FilePlace { validity, uid, number }).await.unwrap()
    };
    assert_eq!(file(validity, 3, 0).await, Some(Bytes::from_static(b"a file")));
    for (validity, uid, number) in [(validity, 3, 1), (validity, 9, 0), (validity + 1, 3, 0)] {
        assert_eq!(file(validity, uid, number).await, None, "{validity} {uid} {number}");
    }
}

async fn letters(mail: &dyn Mail, account: &MailAccount) {
    let letter = |to: &str| Letter {
        message_id: "a@x".to_owned(),
        in_reply_to: Some("3@x".to_owned()),
        references: vec!["1@x".to_owned(), "3@x".to_owned()],
        to: to.to_owned(),
        subject: "Re: three – grün".to_owned(),
        text: "Done.\n.\nYes.".to_owned(),
        html: Some("<b>Done.</b>".to_owned()),
        file: Some(SentFile {
            name: "out.txt".to_owned(),
            kind: "text/plain".to_owned(),
            content: Bytes::from_static(b"out"),
        }),
    };
    assert_eq!(mail.send(account, &letter("ines@example.org")).await.unwrap(), Sent::Accepted);
    for (to, wanted) in [("gone@example.org", true), ("busy@example.org", false)] {
        match mail.send(account, &letter(to)).await.unwrap() {
            Sent::Refused { is_final, why } => {
                assert_eq!(is_final, wanted, "{to}: {why}");
                assert!(why.starts_with(if wanted { "550" } else { "450" }), "{why}");
            }
            Sent::Accepted => panic!("{to} was accepted"),
        }
    }
}

async fn faults(mail: &dyn Mail, account: &MailAccount) {
    assert_eq!(mail.sign_in(account).await, [Ok(()), Ok(())]);
    let stranger = MailAccount { password: Secret::new("wrong"), ..account.clone() };
    let refused = |error: crate::ports::PortError| {
        assert_eq!(error.kind, PortErrorKind::Invalid, "{error}");
        assert!(!error.to_string().contains("wrong"), "{error}");
    };
    refused(mail.fetch(&stranger, Behind::Newest).await.unwrap_err());
    mail.sign_in(&stranger).await.into_iter().for_each(|tried| refused(tried.unwrap_err()));
    refused(mail.send(&stranger, &Letter::default()).await.unwrap_err());
    let plain = Server::imap("imap://127.0.0.1:1").unwrap();
    assert_eq!(plain.security, crate::ports::mail::Security::Plain);
}
