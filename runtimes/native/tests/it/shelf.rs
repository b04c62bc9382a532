//! Files of a fake platform: those that people put into its chats, and those that came for them.

/// A file of a chat.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    pub name: String,
    /// The id of the chat.
    pub chat: String,
    pub content: Vec<u8>,
}

/// A file that a person sends.
pub struct Given {
    pub name: &'static str,
    pub content_type: &'static str,
    pub content: Vec<u8>,
}

/// The files that a platform keeps.
#[derive(Default)]
pub struct Shelf {
    /// By their ids.
    kept: Vec<(String, Vec<u8>)>,
    sent: Vec<Sent>,
}

impl Shelf {
    /// Has a file of this id.
    pub fn keep(&mut self, id: &str, content: &[u8]) {
        self.kept.push((id.to_owned(), content.to_vec()));
    }
    /// The file at an address that ends with its id.
    pub fn file(&self, path: &str) -> Option<Vec<u8>> {
        let found = self.kept.iter().find(|(id, _)| path.ends_with(&format!("/{id}")));
        found.map(|(_, content)| content.clone())
    }
    pub fn send(&mut self, sent: Sent) {
        self.sent.push(sent);
    }
    /// The files that came for the chats, oldest first.
    pub fn sent(&self) -> Vec<Sent> {
        self.sent.clone()
    }
}
