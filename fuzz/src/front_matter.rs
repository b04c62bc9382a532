//! The front matter of a skill file: cut off, read, asked for every kind of value.

use skill_graph_loader::parse::document;
use skill_graph_loader::parse::front_matter::{self, Cut, FrontMatter};
use skill_graph_loader::parse::yaml_repair::Trouble;

/// Values that need more are not written and read back: the loader refuses front matter above
/// 64 KiB.
const YAML_BYTES_MAX: usize = 60 * 1024;

/// Checks a file's text. Accepted: it has keys.
pub fn check(data: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(data) else { return false };
    let text = document::normal(text);
    let cut = front_matter::cut(&text);
    check_cut(&text, &cut);
    let Some(yaml) = cut.yaml else { return false };
    let (front, troubles) = front_matter::read(yaml, cut.yaml_line);
    check_troubles(&cut, &troubles);
    let Some(front) = front else { return false };
    assert!(troubles.iter().all(|trouble| !trouble.fatal), "keys and a fatal trouble at once");
    check_values(&cut, &front);
    check_round_trip(&front);
    true
}

/// The two parts are parts of the text, and their lines are counted right.
fn check_cut(text: &str, cut: &Cut<'_>) {
    assert!(text.ends_with(cut.body));
    let above = &text.as_bytes().get(..text.len() - cut.body.len()).unwrap_or_default();
    let lines_above = above.split(|byte| *byte == b'\n').count() - 1;
    if !cut.body.is_empty() {
        assert_eq!(line_number(lines_above + 1), cut.body_line);
    }
    assert!(!(cut.unclosed && cut.yaml.is_some()), "closed and unclosed at once");
}

fn check_troubles(cut: &Cut<'_>, troubles: &[Trouble]) {
    for trouble in troubles {
        assert!(!trouble.message.is_empty());
        assert!(
            cut.yaml_line <= trouble.line && trouble.line <= cut.body_line,
            "{trouble:?} {cut:?}"
        );
    }
}

/// No getter panics, lists hold no empty or repeated text, and lines are in the front matter.
fn check_values(cut: &Cut<'_>, front: &FrontMatter) {
    for key in front.extra(&[]).keys() {
        assert!(front.has(key), "`{key}` is listed and not there");
        front.flag(key);
        assert!(front.text(key).is_none_or(|text| !text.is_empty()));
        let list = front.list(key);
        assert_eq!(front_matter::unique(list.clone()), list);
        let places = front.sentences(key).into_iter().map(|(_, line)| line);
        for line in places.chain([front.line(key)]) {
            assert!(cut.yaml_line <= line && line <= cut.body_line, "`{key}` is at line {line}");
        }
    }
}

/// JSON is YAML: the values written as JSON are the same values when read again.
fn check_round_trip(front: &FrontMatter) {
    let values = front.extra(&[]);
    let json = serde_json::to_string(&values).unwrap_or_default();
    if json.len() > YAML_BYTES_MAX {
        return;
    }
    let (again, troubles) = front_matter::read(&json, 1);
    let again = again.map(|again| again.extra(&[]));
    assert_eq!(again.as_ref(), Some(&values), "{json} {troubles:?}");
}

fn line_number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
