//! The names under which approvers are shown. A name is what its platform gave; its owner may
//! choose it freely, so it decides nothing and the id stays on record.

use crate::Deps;
use platform::sql;
use platform::text::{printable, short};

/// Maximum characters of a name.
const NAME_CHARS_MAX: usize = 60;
/// Words that a name must not pass for: our own names of who decides.
const OURS: [&str; 9] =
    ["api", "approver", "console", "dashboard", "expiry", "owner", "policy", "quintet", "rules"];

/// Keeps the name of a person who decides. The decision does not depend on it.
pub async fn note(deps: &Deps, actor: &str, name: Option<&str>) {
    let name = name.map(|name| short(printable(name).trim(), NAME_CHARS_MAX));
    let Some(name) = name.filter(|name| !name.is_empty()) else { return };
    let keep = sql!(
        "INSERT INTO person (actor, name, named_at) VALUES (?1, ?2, ?3)
         ON CONFLICT (actor) DO UPDATE SET name = excluded.name, named_at = excluded.named_at WHERE name <> excluded.name",
        actor,
        name,
        deps.clock.now_ms()
    );
    if let Err(error) = deps.sql.query(keep).await {
        tracing::warn!(%error, "the name of an approver was not kept");
    }
}

/// A decider as people see it: the name, with the id behind it where the name alone could be
/// another's. `persons` is the number of names on record.
pub fn shown(actor: &str, name: Option<&str>, persons: i64) -> String {
    let Some(name) = name else { return actor.to_owned() };
    let name = printable(name);
    let is_word = |word: &str| OURS.contains(&word.to_lowercase().as_str());
    let passes_for_us =
        name.contains(':') || name.split(|c: char| !c.is_alphanumeric()).any(is_word);
    if persons > 1 || passes_for_us { format!("{name} ({actor})") } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_stands_alone_only_where_it_can_be_nobody_elses() {
        let id = "telegram:main:7";
        assert_eq!(shown(id, Some("Ana Silva"), 1), "Ana Silva");
        assert_eq!(shown(id, Some("Ana Silva"), 2), "Ana Silva (telegram:main:7)");
        for name in ["the Owner", "policy", "api", "slack:T0:U1"] {
            assert_eq!(shown(id, Some(name), 1), format!("{name} (telegram:main:7)"));
        }
        assert_eq!(shown(id, None, 3), id);
        assert_eq!(shown(id, Some("A\u{202e}na\nB"), 1), "A\u{fffd}na B");
    }
}
