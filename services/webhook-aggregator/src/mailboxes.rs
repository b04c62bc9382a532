//! Mailboxes that are read: a look every half minute, one mailbox after the other side by side.
//!
//! The place that was reached is kept after the messages before it are stored. One that is fetched
//! again is known by its key.

use crate::channels::{Link, Mailbox};
use crate::config::Endpoint;
use crate::{Deps, ingest};
use futures_util::future::join_all;
use inbox::{InboxExt, KeepSocket, ReadSocket};
use platform::backoff::Exponential;
use platform::ports::mail::{Behind, Page};
use platform::ports::{Mail, MailAccount, PortError, PortErrorKind};
use platform::secret::digest_hex;
use serde::{Deserialize, Serialize};

/// Between two looks that find nothing.
const LOOK_MS: i64 = 30_000;
/// After a failure.
const BACKOFF: Exponential = Exponential { first_ms: 5_000, max_ms: 300_000 };
/// While the sign-in is refused: servers close an account after a few attempts.
const REFUSED_MS: i64 = 300_000;
/// Messages that came so long before the last one may have been passed over when a server numbers
/// its messages anew.
const OVERLAP_MS: i64 = 2 * 24 * 3_600_000;
/// Looks that fail at one message before it counts as one that cannot be read.
const FAILURES_MAX: u32 = 5;
const FIX: &str =
    "Check imap, user, password and folder of the endpoint, then run `quintet doctor`.";

/// Reads every mailbox, until the process ends.
pub async fn mailboxes(deps: &Deps) {
    let Some(mail) = deps.mail.as_deref() else { return };
    let read = deps.config.endpoints.iter().filter_map(|endpoint| {
        let mailbox = endpoint.connection.as_ref()?.mailbox()?;
        let account = mailbox.account()?;
        Some(Reader { deps, mail, endpoint, mailbox, account, place: None }.follow())
    });
    join_all(read).await;
}

/// How far a mailbox is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Place {
    /// Digest of the server, the user and the folder: another mailbox has other numbers.
    #[serde(default)]
    mailbox: String,
    validity: u32,
    /// The last message that is stored.
    uid: u32,
    /// Nothing before this time is taken when the numbers have changed, milliseconds.
    since_ms: i64,
    /// The newest message when the numbers changed: up to it, messages may be old ones.
    old_to: u32,
}

struct Reader<'a> {
    deps: &'a Deps,
    mail: &'a dyn Mail,
    endpoint: &'a Endpoint,
    mailbox: &'a dyn Mailbox,
    account: &'a MailAccount,
    place: Option<Place>,
}

impl Reader<'_> {
    async fn follow(mut self) {
        let clock = &*self.deps.clock;
        let mut failures = 0;
        loop {
            let wait_ms = match self.round(failures >= FAILURES_MAX).await {
                Ok(has_more) => {
                    failures = 0;
                    self.note(Link::connected());
                    if has_more { 0 } else { LOOK_MS }
                }
                Err(error) if error.kind == PortErrorKind::Invalid => {
                    self.note(Link::refused(error.detail, Some(FIX)));
                    REFUSED_MS
                }
                Err(error) => {
                    failures += 1;
                    self.note(Link::reconnecting(format!(
                        "No mail is fetched ({}).",
                        error.detail
                    )));
                    BACKOFF.wait_ms(failures, clock)
                }
            };
            if wait_ms > 0 {
                clock.sleep_until(clock.now_ms() + wait_ms).await;
            }
        }
    }

    /// Which mailbox is read.
    fn mailbox_digest(&self) -> String {
        let MailAccount { imap, user, folder, .. } = self.account;
        let text = format!("{}:{}\n{user}\n{folder}", imap.host, imap.port);
        digest_hex(text.as_bytes())
    }

    /// One look; whether there is more.
    async fn round(&mut self, gives_up: bool) -> Result<bool, PortError> {
        let Some(place) = self.known().await? else {
            // Old mail is not answered.
            let page = self.mail.fetch(self.account, Behind::Newest).await?;
            let (validity, uid) = (page.validity, page.newest);
            let (since_ms, mailbox) = (self.deps.clock.now_ms(), self.mailbox_digest());
            self.keep(Place { mailbox, validity, uid, since_ms, old_to: 0 }).await?;
            return Ok(false);
        };
        let Place { validity, uid, since_ms, old_to, .. } = place;
        let since_ms = Some(since_ms).filter(|_| uid < old_to);
        let behind = Behind::Message { validity, uid, since_ms, gives_up };
        let page = self.mail.fetch(self.account, behind).await?;
        // Without a message newer than the last one, the numbers begin anew too.
        if page.validity != validity || page.newest < uid {
            let (validity, old_to) = (page.validity, page.newest);
            tracing::warn!(endpoint = %self.endpoint.shard(), "the mailbox has new numbers; its latest messages are read again");
            self.keep(Place { validity, uid: 0, old_to, ..place }).await?;
            return Ok(true);
        }
        self.store(place, page).await
    }

    async fn store(&mut self, mut place: Place, page: Page) -> Result<bool, PortError> {
        for message in page.messages {
            let is_old = message.uid <= place.old_to && message.received_ms < place.since_ms;
            if !is_old {
                let inbound = self.mailbox.read_mail(&message);
                let raw = message.broken.unwrap_or_default();
                let stored = ingest::store(self.deps, self.endpoint, inbound, raw.as_bytes()).await;
                let stored = stored.map_err(|error| {
                    PortError::unknown(PortErrorKind::Unavailable, error.0.detail)
                })?;
                stored.begin(self.deps);
            }
            let since_ms = place.since_ms.max(message.received_ms.saturating_sub(OVERLAP_MS));
            // A date in the future would pass over what comes.
            let since_ms = since_ms.min(self.deps.clock.now_ms());
            place = Place { uid: message.uid, since_ms, ..place };
            self.keep(place.clone()).await?;
        }
        if !page.has_more && place.uid < place.old_to {
            place.uid = place.old_to;
            self.keep(place).await?;
        }
        Ok(page.has_more)
    }

    /// The place as it was kept; none for another mailbox. One that cannot be read is no beginning:
    /// mail would be passed over.
    async fn known(&mut self) -> Result<Option<Place>, PortError> {
        if self.place.is_none() {
            let kept = self.deps.inbox.ask(&self.endpoint.shard(), ReadSocket).await?;
            let place: Option<Place> =
                kept.map(|kept| serde_json::from_str(&kept)).transpose().map_err(|_| {
                    let what = "how far the mailbox was read cannot be read";
                    PortError::unknown(PortErrorKind::Unavailable, what)
                })?;
            let digest = self.mailbox_digest();
            // Earlier versions kept no digest.
            let place = place.filter(|place| place.mailbox.is_empty() || place.mailbox == digest);
            self.place = place.map(|place| Place { mailbox: digest, ..place });
        }
        Ok(self.place.clone())
    }
    async fn keep(&mut self, place: Place) -> Result<(), PortError> {
        let state = serde_json::to_string(&place).ok();
        self.deps.inbox.ask(&self.endpoint.shard(), KeepSocket { state }).await?;
        self.place = Some(place);
        Ok(())
    }
    fn note(&self, link: Link) {
        self.deps.links.note(self.endpoint.shard(), link, self.deps.clock.now_ms());
    }
}
