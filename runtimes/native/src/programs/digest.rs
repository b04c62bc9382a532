//! Short names for long ones.

use sha2::{Digest, Sha256};

/// 16 hexadecimal digits that no two lists of parts have in common.
pub(super) fn digest(parts: &[&[u8]]) -> String {
    let mut digest = Sha256::new();
    for part in parts {
        digest.update(part);
        digest.update([0]);
    }
    digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worktrees_of_different_agents_and_conversations_have_different_names() {
        let names = [("a b", "c"), ("a_b", "c"), ("a", "b c"), ("a", "c"), ("a b", "d")];
        let made: std::collections::BTreeSet<String> = names
            .map(|(agent, conversation)| digest(&[agent.as_bytes(), conversation.as_bytes()]))
            .into();
        assert_eq!(made.len(), names.len());
        assert_ne!(digest(&[b"a", b"bc"]), digest(&[b"ab", b"c"]));
    }
}
