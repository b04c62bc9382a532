//! The page that connects a chat.

use super::bed::{BASE, Bed};
use async_trait::async_trait;
use contracts::ChannelKind;
use monitoring_dashboard::chats::{Chats, Field, Offered, Refused, Trial};
use platform::secret::Secret;
use std::sync::{Arc, Mutex};

/// One channel, one trial; it notes what it is asked to do.
#[derive(Default)]
struct Fake {
    done: Mutex<Vec<String>>,
}

#[async_trait]
impl Chats for Fake {
    fn offered(&self) -> Vec<Offered> {
        let secrets = vec![Field { title: "bot token", place: "@BotFather" }];
        let guide = "Write /newbot.\nhttps://example.org/new?a=1".to_owned();
        vec![Offered { channel: ChannelKind::Telegram, guide, address: None, secrets }]
    }
    fn endpoints(&self) -> Vec<String> {
        vec!["slack.T0AAAA111".to_owned()]
    }
    async fn attempt(
        &self,
        _: ChannelKind,
        _: Option<String>,
        secrets: Vec<Secret>,
    ) -> Result<String, Refused> {
        if secrets[0].reveal() == "7:good" {
            return Ok("t1".to_owned());
        }
        let (what, fix) =
            ("Telegram refuses the bot token.".to_owned(), "Copy it again.".to_owned());
        Err(Refused { what, fix })
    }
    async fn look(&self, trial: &str) -> Option<Trial> {
        (trial == "t1").then(|| Trial {
            id: "t1".to_owned(),
            title: "@desk_bot".to_owned(),
            endpoint: "telegram.main".to_owned(),
            people: vec![("7".to_owned(), "<b>Ines</b>".to_owned())],
            trouble: Some("a webhook is set".to_owned()),
            in_the_way: true,
            ..Trial::default()
        })
    }
    async fn decline(&self, trial: &str) -> Result<(), Refused> {
        self.done.lock().unwrap().push(format!("{trial} none"));
        Ok(())
    }
    async fn register(&self, trial: &str) -> Result<(), Refused> {
        self.done.lock().unwrap().push(format!("{trial} registered"));
        Ok(())
    }
    async fn finish(&self, trial: &str, approver: Option<&str>) -> Result<String, Refused> {
        self.done.lock().unwrap().push(format!("{trial} {approver:?}"));
        Ok("telegram.main".to_owned())
    }
}

#[tokio::test]
async fn chat_is_connected_by_its_token_and_a_press_of_this_is_me() {
    let fake = Arc::new(Fake::default());
    let bed = Bed::with_chats(Some(fake.clone()));
    let cookie = bed.sign_in().await;
    let page = bed.get("/dashboard/chats", &cookie).await;
    assert!(
        page.text.contains("slack.T0AAAA111")
            && page.text.contains("href=\"https://example.org/new?a=1\"")
    );
    let token = page.token("/dashboard/chats", "secret0");
    let form = |secret| [("token", token.as_str()), ("channel", "telegram"), ("secret0", secret)];
    let refused = bed.post("/dashboard/chats", &cookie, &form("7:bad")).await;
    assert_eq!(refused.status, 422);
    assert!(refused.text.contains("Copy it again.") && !refused.text.contains("7:bad"));
    let answer = bed.post("/dashboard/chats", &cookie, &form("7:good")).await;
    let place = answer.location().strip_prefix(BASE).unwrap().to_owned();
    assert_eq!(place, "/dashboard/chats?trial=t1");
    let page = bed.get(&place, &cookie).await;
    assert!(
        page.text.contains("&lt;b&gt;Ines") && !page.text.contains("<b>Ines"),
        "a name is text"
    );
    let token = page.token("/dashboard/chats/finish", "This is me");
    let finish = |approver| [("token", token.as_str()), ("trial", "t1"), ("approver", approver)];
    let other = bed.post("/dashboard/chats/finish", &cookie, &finish("8")).await;
    assert_eq!(other.status, 403, "the form is for the person that it showed");
    let answer = bed.post("/dashboard/chats/finish", &cookie, &finish("7")).await;
    assert!(answer.location().ends_with("?done=telegram.main"));
    assert_eq!(*fake.done.lock().unwrap(), ["t1 Some(\"7\")"]);
}

#[tokio::test]
async fn owner_is_awaited_while_strangers_are_shown() {
    let fake = Arc::new(Fake::default());
    let bed = Bed::with_chats(Some(fake.clone()));
    let cookie = bed.sign_in().await;
    let page = bed.get("/dashboard/chats?trial=t1", &cookie).await;
    assert!(page.text.contains("data-again=") && page.text.contains("id 7"), "{}", page.text);
    for (path, label) in [
        ("/dashboard/chats/decline", "None of these"),
        ("/dashboard/chats/register", "Change it now"),
    ] {
        let token = page.token(path, label);
        let forged = [("token", "x"), ("trial", "t1")];
        assert_eq!(bed.post(path, &cookie, &forged).await.status, 403, "{path}");
        let answer = bed.post(path, &cookie, &[("token", token.as_str()), ("trial", "t1")]).await;
        assert!(answer.location().ends_with("?trial=t1"), "{path}");
    }
    assert_eq!(*fake.done.lock().unwrap(), ["t1 none", "t1 registered"]);
}

#[tokio::test]
async fn worker_shows_what_to_put_where_and_takes_no_secret() {
    let bed = Bed::new();
    let cookie = bed.sign_in().await;
    let page = bed.get("/dashboard/chats", &cookie).await;
    assert!(
        page.text.contains("wrangler secret put QUINTET_CONFIG") && !page.text.contains("secret0")
    );
    assert_eq!(bed.post("/dashboard/chats", &cookie, &[("channel", "telegram")]).await.status, 404);
}
