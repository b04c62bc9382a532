//! The rights that a file asks for: an agent for unknown senders, or for all that fits no other.

use crate::parse::document::normal;
use crate::parse::front_matter::{self, FrontMatter};
use crate::parse::yaml_repair::{key_of, plain};

/// The keys that give rights.
const RIGHTS: [&str; 2] = ["public", "fallback"];

/// The keys of a file that give a right.
pub fn asked(text: &str) -> Vec<&'static str> {
    front_of(&normal(text))
        .map_or_else(Vec::new, |front| RIGHTS.into_iter().filter(|key| front.flag(key)).collect())
}

/// The file without the keys that give rights. `None` when they are written in a way in which they
/// cannot be left out.
pub fn without(text: &str) -> Option<String> {
    let text = normal(text);
    if asked(&text).is_empty() {
        return Some(text);
    }
    let cut = front_matter::cut(&text);
    let mut left = String::with_capacity(text.len());
    let mut skipping = false;
    for line in cut.yaml?.split_inclusive('\n') {
        if let Some(key) = key_of(line.trim_end()) {
            skipping = RIGHTS.contains(&plain(key).as_str());
        }
        if !skipping {
            left.push_str(line);
        }
    }
    let whole = format!("---\n{left}---\n{}", cut.body);
    asked(&whole).is_empty().then_some(whole)
}

fn front_of(text: &str) -> Option<FrontMatter> {
    let cut = front_matter::cut(text);
    front_matter::read(cut.yaml?, cut.yaml_line).0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_are_left_out_with_their_lines() {
        let text =
            "---\nname: x\npublic: true\n\"Fall_back\": yes\ndescription: |\n  X\n---\nbody\n";
        assert_eq!(asked(text), RIGHTS);
        assert_eq!(without(text).unwrap(), "---\nname: x\ndescription: |\n  X\n---\nbody\n");
        let list = "---\npublic:\n  - true\nname: x\n---\n";
        assert_eq!(without(list).unwrap(), "---\nname: x\n---\n");
        let none = "---\nname: x\npublic: false\n---\n";
        assert_eq!(without(none).unwrap(), none);
    }

    #[test]
    fn rights_that_cannot_be_left_out_refuse_the_file() {
        for text in [
            "---\n{name: x, public: true}\n---\n",
            "---\n? public\n: true\n---\n",
            "---\nname: x\n\"pub\\u006cic\": true\n---\n",
        ] {
            assert_eq!(asked(text), ["public"], "{text}");
            assert_eq!(without(text), None, "{text}");
        }
    }
}
