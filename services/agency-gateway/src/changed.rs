//! The last lines of an answer: what the run has changed in a git repository.

use platform::ports::Changes;

/// Our own lines below the agent's words; none where nothing has changed.
pub(crate) fn lines(changes: &Changes) -> Option<String> {
    if changes.files == 0 {
        return None;
    }
    let files =
        if changes.files == 1 { "1 file".to_owned() } else { format!("{} files", changes.files) };
    let more = changes.files.saturating_sub(changes.names.len());
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    let names = changes.names.join(", ");
    let branch = changes.branch.as_ref().map(|branch| format!(", on branch {branch}"));
    let how = changes.worktree.as_ref().map(|id| {
        format!("\nSee it with: quintet work diff {id} (keep or discard it the same way)")
    });
    Some(format!(
        "\n\nChanged: {files} ({names}{more}), +{} \u{2212}{} lines{}.{}",
        changes.added,
        changes.removed,
        branch.unwrap_or_default(),
        how.unwrap_or_default()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_counted_and_named() {
        let mut changes = Changes {
            files: 7,
            names: vec!["a.rs".to_owned(), "b.rs".to_owned()],
            added: 10,
            removed: 2,
            branch: Some("main".to_owned()),
            worktree: None,
        };
        let expected =
            "\n\nChanged: 7 files (a.rs, b.rs and 5 more), +10 \u{2212}2 lines, on branch main.";
        assert_eq!(lines(&changes).as_deref(), Some(expected));
        changes.files = 0;
        assert_eq!(lines(&changes), None);
    }
}
