//! A mailbox in memory, whose other side a test plays.

use crate::ports::mail::{
    Behind, FilePlace, Letter, Mail, MailAccount, PAGE_MESSAGES_MAX, Page, Received, Sent,
};
use crate::ports::{PortError, PortErrorKind, PortResult};
use async_trait::async_trait;
use bytes::Bytes;
use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;

/// One mailbox. It takes one password; a letter to `gone@…` or `busy@…` is refused.
pub struct MemoryMail {
    password: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    validity: u32,
    messages: Vec<Received>,
    files: HashMap<(u32, usize), Bytes>,
    letters: Vec<Letter>,
    /// Faults of the next sendings, in order.
    faults: VecDeque<PortError>,
    /// Faults of the next looks.
    blind: usize,
    looks: usize,
}

impl MemoryMail {
    /// An empty mailbox that opens with this password.
    pub fn new(password: &str) -> Self {
        let state = Mutex::new(State { validity: 1, ..State::default() });
        Self { password: password.to_owned(), state }
    }
    /// Puts a message into the mailbox, with the contents of its files.
    pub fn deliver(&self, message: Received, files: &[&'static [u8]]) {
        let mut state = self.state.lock().unwrap();
        let uid = state.messages.last().map_or(1, |last| last.uid + 1);
        let validity = state.validity;
        for (number, content) in files.iter().enumerate() {
            state.files.insert((uid, number), Bytes::from_static(content));
        }
        state.messages.push(Received { validity, uid, ..message });
    }
    /// Numbers all messages anew, as a server does that was restored from a backup.
    pub fn renumber(&self) {
        let mut state = self.state.lock().unwrap();
        state.validity += 1;
        let validity = state.validity;
        for (message, uid) in state.messages.iter_mut().zip(1..) {
            (message.validity, message.uid) = (validity, uid);
        }
    }
    /// The letters that were accepted.
    pub fn letters(&self) -> Vec<Letter> {
        self.state.lock().unwrap().letters.clone()
    }
    /// The next sending ends so.
    pub fn fail_next(&self, error: PortError) {
        self.state.lock().unwrap().faults.push_back(error);
    }
    /// The next looks find no server.
    pub fn blind_next(&self, times: usize) {
        self.state.lock().unwrap().blind = times;
    }
    /// Looks so far.
    pub fn looks(&self) -> usize {
        self.state.lock().unwrap().looks
    }
    fn open(&self, account: &MailAccount) -> PortResult<()> {
        if account.password.reveal() == self.password {
            return Ok(());
        }
        Err(PortError::clean(PortErrorKind::Invalid, "the server refuses the sign-in"))
    }
}

#[async_trait]
impl Mail for MemoryMail {
    async fn fetch(&self, account: &MailAccount, behind: Behind) -> PortResult<Page> {
        self.open(account)?;
        let mut state = self.state.lock().unwrap();
        state.looks += 1;
        if state.blind > 0 {
            state.blind -= 1;
            return Err(PortError::clean(PortErrorKind::Unavailable, "no server answers"));
        }
        let newest = state.messages.last().map_or(0, |last| last.uid);
        let page = Page { validity: state.validity, newest, ..Page::default() };
        match behind {
            Behind::Message { validity, uid, since_ms, .. } if validity == state.validity => {
                let since_ms = since_ms.unwrap_or(i64::MIN);
                let is_new =
                    |message: &&Received| message.uid > uid && message.received_ms >= since_ms;
                let mut behind = state.messages.iter().filter(is_new);
                let messages = behind.by_ref().take(PAGE_MESSAGES_MAX).cloned().collect();
                Ok(Page { messages, has_more: behind.next().is_some(), ..page })
            }
            _ => Ok(page),
        }
    }
    async fn file(&self, account: &MailAccount, file: FilePlace) -> PortResult<Option<Bytes>> {
        self.open(account)?;
        let state = self.state.lock().unwrap();
        let is_valid = file.validity == state.validity;
        Ok(state.files.get(&(file.uid, file.number)).filter(|_| is_valid).cloned())
    }
    async fn send(&self, account: &MailAccount, letter: &Letter) -> PortResult<Sent> {
        self.open(account)?;
        let mut state = self.state.lock().unwrap();
        if let Some(error) = state.faults.pop_front() {
            return Err(error);
        }
        let refused = |is_final, why: &str| Ok(Sent::Refused { is_final, why: why.to_owned() });
        if letter.to.starts_with("gone@") {
            return refused(true, "550 no such user");
        }
        if letter.to.starts_with("busy@") {
            return refused(false, "450 try again later");
        }
        state.letters.push(letter.clone());
        Ok(Sent::Accepted)
    }
    async fn sign_in(&self, account: &MailAccount) -> [PortResult<()>; 2] {
        [self.open(account), self.open(account)]
    }
}
