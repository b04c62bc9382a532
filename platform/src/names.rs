//! Names: the form in which mentions compare them, and which known one an unknown one means.

/// Below this likeness two names have nothing to do with each other.
const LIKENESS: f64 = 0.7;
/// Maximum names that are offered.
const OFFERED_MAX: usize = 3;

/// A name as mentions compare it: case does not matter, and spaces, `-`, `_` and `/` are equal.
pub fn as_mentioned(name: &str) -> String {
    name.to_lowercase().replace([' ', '_', '/'], "-")
}

/// The known names that are most like this one, the likest first, three at most.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let name = name.to_lowercase();
    let likeness = |other: &str| strsim::jaro_winkler(&name, &other.to_lowercase());
    let mut found: Vec<(f64, &str)> = known
        .into_iter()
        .map(|other| (likeness(other), other))
        .filter(|(likeness, _)| *likeness >= LIKENESS)
        .collect();
    found.sort_by(|(a, left), (b, right)| b.total_cmp(a).then_with(|| left.cmp(right)));
    found.into_iter().take(OFFERED_MAX).map(|(_, other)| other).collect()
}

/// Whether one name is a typing error of another: one letter wrong, missing, added or swapped with
/// its neighbour, or two in a name of six letters. Names of two letters have no typing errors.
pub fn is_typo(name: &str, of: &str) -> bool {
    let (name, of) = (name.to_lowercase(), of.to_lowercase());
    let letters = name.chars().count().min(of.chars().count());
    let errors = match letters {
        0..=2 => return false,
        3..=5 => 1,
        _ => 2,
    };
    name != of && strsim::osa_distance(&name, &of) <= errors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_names_come_likest_first() {
        let known = ["codegen", "security", "pm", "assistant", "code-review"];
        assert_eq!(nearest("codgen", known), ["codegen"]);
        assert_eq!(nearest("code", known), ["codegen", "code-review"]);
        assert_eq!(nearest("Securty", known)[0], "security");
        assert_eq!(nearest("zzz", known), Vec::<&str>::new());
    }

    #[test]
    fn typing_error_is_small() {
        for (name, of) in [
            ("codgen", "codegen"),
            ("Securtiy", "security"),
            ("secrty", "security"),
            ("dosc", "docs"),
        ] {
            assert!(is_typo(name, of), "{name}");
        }
        for (name, of) in
            [("ines", "pm"), ("am", "pm"), ("codegen", "CodeGen"), ("ana", "docs"), ("bob", "bot2")]
        {
            assert!(!is_typo(name, of), "{name}");
        }
    }
}
