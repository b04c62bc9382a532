//! Rules for comments: plain English with the field's terms, at a readable width.

/// Maximum columns of a comment line. Table rows and lines without a place to break may be longer.
const COLUMNS_MAX: usize = 100;

/// Words that hide who does what, with the replacement. They are matched as whole words.
const BANNED_WORDS: &[(&str, &str)] = &[
    ("whoever", "name the actor: the sender, the caller, the owner"),
    ("nobody's", "use the field's term: out of scope, stale, unassigned"),
    ("somebody", "name the actor: another gateway, the sender, a person"),
    ("in vain", "say the consequence, or leave it out"),
    ("as it stands", "say unchanged"),
    ("begun again", "say restarted or retried"),
    ("told apart", "say distinguished"),
    ("under way", "say started, running or pending"),
    ("is told of", "say who learns it: the sender gets, the caller sees"),
];

/// Adds the broken rules of one file's comments.
pub(super) fn rules(name: &str, text: &str, found: &mut Vec<String>) {
    for (number, line) in text.lines().enumerate() {
        let Some(comment) = comment_of(line) else { continue };
        let place = format!("{name}:{}", number + 1);
        let words = format!(" {} ", comment.to_lowercase().replace(|c: char| !is_letter(c), " "));
        for (banned, instead) in BANNED_WORDS {
            if words.contains(&format!(" {banned} ")) {
                found.push(format!("{place}: “{banned}” is not plain English; {instead}"));
            }
        }
        if comment.starts_with("What ") || comment.contains(". What ") {
            found.push(format!(
                "{place}: a sentence begins with “What”; begin with the noun, such as “The reason”"
            ));
        }
        let breakable = !comment.starts_with('|') && comment.contains(' ');
        if breakable && line.chars().count() > COLUMNS_MAX {
            found.push(format!(
                "{place}: the comment exceeds {COLUMNS_MAX} columns; wrap it, or say less"
            ));
        }
    }
}

fn is_letter(c: char) -> bool {
    c.is_alphanumeric() || c == '\''
}

/// The text of a line that is a comment.
fn comment_of(line: &str) -> Option<&str> {
    let comment = line.trim_start().strip_prefix("//")?;
    Some(comment.trim_start_matches(['/', '!']).trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &str) -> Vec<String> {
        let mut found = Vec::new();
        rules("platform/src/x.rs", line, &mut found);
        found
    }

    #[test]
    fn comment_rules_name_the_banned_word_and_the_replacement() {
        assert!(found("/// Whoever asks, gets it.")[0].contains("name the actor"));
        assert!(found("    // So the owner is not asked in vain.")[0].starts_with("platform/"));
        assert!(found("//! What a model learns from.")[0].contains("begin with the noun"));
        assert!(found("/// It ends. What is left is kept.")[0].contains("begin with the noun"));
        assert_eq!(found("let x = \"somebody\"; // code lines are not checked").len(), 0);
        assert_eq!(found("/// Whatever the somebodyish word.").len(), 0);
    }

    #[test]
    fn comment_rules_bound_the_width_except_for_tables_and_long_words() {
        let long = "word ".repeat(25);
        assert_eq!(found(&format!("// {long}")).len(), 1);
        assert_eq!(found(&format!("//! | {long} |")).len(), 0);
        assert_eq!(found(&format!("// https://{}", "x".repeat(120))).len(), 0);
    }
}
