//! Finds the best files for a query. Each word of the query expands to terms (itself, words it
//! begins, other forms, typos), and each term adds to the score of its files.

use crate::search::index::{Index, Shape};
use crate::search::tokenise::{folded, query_terms};

/// Maximum words of a query.
const QUERY_TERMS_MAX: usize = 12;
/// Maximum characters of a query.
const QUERY_CHARS_MAX: usize = 512;
/// Maximum terms per word of the query.
const EXPANSIONS_MAX: usize = 48;
/// Maximum postings of all expansions of a query, which bounds the time on large graphs.
const POSTINGS_MAX: usize = 60_000;
/// Bonus for a query that equals a title, alias or id.
const NAME_BONUS: f32 = 40.0;

/// A term that a word of the query expands to.
#[derive(Clone, Debug, PartialEq)]
pub struct Expansion {
    /// Position in the index.
    pub position: usize,
    /// 1 for the word itself, less for guesses.
    pub weight: f32,
}

/// The result of a query.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// For each word of the query its terms.
    pub expansions: Vec<Vec<Expansion>>,
    /// Document and score, best first.
    pub documents: Vec<(u32, f32)>,
}

/// Finds at most `limit` files.
pub fn score(index: &Index, query: &str, limit: usize) -> Found {
    let query: String = query.chars().take(QUERY_CHARS_MAX).collect();
    let tokens = query_terms(&query, QUERY_TERMS_MAX);
    let mut totals = vec![0_f32; index.len()];
    let mut matched = vec![0_u8; index.len()];
    let mut best = vec![0_f32; index.len()];
    let mut budget = POSTINGS_MAX;
    let mut found = Found::default();
    for (at, token) in tokens.iter().enumerate() {
        let expansions = expand(index, &token.term, at + 1 == tokens.len(), &mut budget);
        add(index, &expansions, &mut best);
        for ((total, matched), best) in totals.iter_mut().zip(&mut matched).zip(&mut best) {
            *matched += u8::from(*best > 0.0);
            *total += std::mem::take(best);
        }
        found.expansions.push(expansions);
    }
    let words = tokens.len().max(1) as f32;
    for (total, matched) in totals.iter_mut().zip(&matched) {
        // A file with every word ranks above one that repeats a single word.
        *total *= 0.4 + 0.6 * f32::from(*matched) / words;
    }
    name_bonus(index, &folded(&query), &mut totals);
    found.documents = top(&totals, limit);
    found
}

/// Adds each document's best expansion.
fn add(index: &Index, expansions: &[Expansion], best: &mut [f32]) {
    let exact = expansions.iter().find(|expansion| expansion.weight >= 1.0);
    let rarity_max = exact.map_or(f32::MAX, |expansion| rarity(index, expansion.position));
    for expansion in expansions {
        let factor = expansion.weight * rarity(index, expansion.position).min(rarity_max);
        for (document, impact) in index.postings(expansion.position).iter() {
            if let Some(slot) = usize::try_from(document).ok().and_then(|at| best.get_mut(at)) {
                *slot = slot.max(factor * impact);
            }
        }
    }
}

/// BM25's inverse document frequency.
fn rarity(index: &Index, position: usize) -> f32 {
    let all = index.len() as f32;
    let with = index.postings(position).documents.len() as f32;
    ((all - with + 0.5) / (with + 0.5)).ln_1p()
}

fn name_bonus(index: &Index, query: &str, totals: &mut [f32]) {
    let from = index.names.partition_point(|(name, _)| name.as_str() < query);
    for (_, document) in index.names.iter().skip(from).take_while(|(name, _)| name == query) {
        if let Some(total) = usize::try_from(*document).ok().and_then(|at| totals.get_mut(at)) {
            *total = total.max(0.0) + NAME_BONUS;
        }
    }
}

fn top(totals: &[f32], limit: usize) -> Vec<(u32, f32)> {
    let mut all: Vec<(u32, f32)> =
        (0_u32..).zip(totals.iter().copied()).filter(|(_, total)| *total > 0.0).collect();
    let order = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if limit > 0 && all.len() > limit {
        all.select_nth_unstable_by(limit - 1, order);
    }
    all.truncate(limit);
    all.sort_unstable_by(order);
    all
}

/// The terms of a word: itself, words it begins, other forms; typos only if there is nothing else.
fn expand(index: &Index, word: &str, is_last: bool, budget: &mut usize) -> Vec<Expansion> {
    let chars = word.chars().count();
    let mut guesses: Vec<Expansion> = Vec::new();
    let exact = index.position(word).ok();
    if is_last || chars >= 3 {
        let longer = begins_with(index, word, usize::MAX).map(|position| {
            (position, usize::from(index.shapes.get(position).map_or(0, |shape| shape.chars)))
        });
        guesses.extend(longer.map(|(position, length)| Expansion {
            position,
            weight: 0.4 + 0.4 * chars as f32 / length.max(1) as f32,
        }));
    }
    if let Some(root) = root(word) {
        let forms = begins_with(index, root, root.chars().count() + 4);
        guesses.extend(forms.map(|position| Expansion { position, weight: 0.6 }));
    }
    guesses.retain(|guess| Some(guess.position) != exact);
    if exact.is_none() && guesses.is_empty() {
        guesses = typos(index, word, chars);
    }
    guesses.sort_by(|a, b| b.weight.total_cmp(&a.weight).then(a.position.cmp(&b.position)));
    let mut seen = std::collections::HashSet::new();
    guesses.retain(|guess| seen.insert(guess.position));
    guesses.truncate(EXPANSIONS_MAX);
    guesses.retain(|guess| {
        let cost = index.postings(guess.position).documents.len();
        let affordable = cost <= *budget;
        *budget -= if affordable { cost } else { 0 };
        affordable
    });
    exact.map(|position| Expansion { position, weight: 1.0 }).into_iter().chain(guesses).collect()
}

/// Positions of the terms that begin with this and have at most this many characters.
fn begins_with(index: &Index, prefix: &str, chars_max: usize) -> impl Iterator<Item = usize> {
    let from = index.position(prefix).unwrap_or_else(|place| place);
    // A single letter begins thousands of words; the first few hundred suffice.
    let range = (from..index.terms_len())
        .take_while(move |position| index.term(*position).starts_with(prefix))
        .take(512);
    range.filter(move |position| {
        index.shapes.get(*position).is_some_and(|shape| usize::from(shape.chars) <= chars_max)
    })
}

/// A word without its English ending, if enough remains: `vulnerabilities` → `vulnerabilit`.
fn root(word: &str) -> Option<&str> {
    const ENDINGS: &[&str] = &[
        "ations", "ation", "ments", "ment", "ings", "ing", "ies", "ers", "ed", "es", "er", "ly",
        "s", "y", "e",
    ];
    ENDINGS
        .iter()
        .find_map(|ending| word.strip_suffix(ending))
        .filter(|root| root.chars().count() >= 4)
}

/// Terms within one typo (from 4 letters) or two (from 8).
fn typos(index: &Index, word: &str, chars: usize) -> Vec<Expansion> {
    let edits_max = match chars {
        0..4 => return Vec::new(),
        4..8 => 1,
        _ => 2,
    };
    let shape = Shape::of(word);
    let wanted: Vec<char> = word.chars().collect();
    let mut rows = Rows::default();
    let mut found = Vec::new();
    for (position, other) in index.shapes.iter().enumerate() {
        if other.may_be(shape, edits_max) {
            match rows.distance(&wanted, index.term(position), usize::from(edits_max)) {
                Some(edits) if edits <= 1 => found.push(Expansion { position, weight: 0.6 }),
                Some(_) => found.push(Expansion { position, weight: 0.35 }),
                None => {}
            }
        }
    }
    found
}

/// Three rows of the edit distance table, reused between words.
#[derive(Default)]
struct Rows {
    other: Vec<char>,
    before: Vec<usize>,
    last: Vec<usize>,
    now: Vec<usize>,
}

impl Rows {
    /// Insertions, deletions, replacements and swaps of neighbours; `None` when more than `max`.
    fn distance(&mut self, wanted: &[char], other: &str, max: usize) -> Option<usize> {
        self.other.clear();
        self.other.extend(other.chars());
        self.last.clear();
        self.last.extend(0..=self.other.len());
        let mut above = None;
        for (row, a) in wanted.iter().enumerate() {
            self.now.clear();
            self.now.push(row + 1);
            let mut left = row + 1;
            let mut smallest = left;
            let mut left_char = None;
            for (column, b) in self.other.iter().enumerate() {
                let diagonal = self.last.get(column).copied().unwrap_or(max);
                let up = self.last.get(column + 1).copied().unwrap_or(max);
                let mut cost = (diagonal + usize::from(a != b)).min(up + 1).min(left + 1);
                if row > 0 && left_char == Some(a) && above == Some(b) {
                    let swapped = column
                        .checked_sub(1)
                        .and_then(|at| self.before.get(at))
                        .copied()
                        .unwrap_or(max);
                    cost = cost.min(swapped + 1);
                }
                self.now.push(cost);
                smallest = smallest.min(cost);
                left = cost;
                left_char = Some(b);
            }
            if smallest > max {
                return None;
            }
            above = Some(a);
            std::mem::swap(&mut self.before, &mut self.last);
            std::mem::swap(&mut self.last, &mut self.now);
        }
        self.last.last().copied().filter(|edits| *edits <= max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn search_counts_one_typo_as_one_edit() {
        let distance = |a: &str, b: &str, max| {
            Rows::default().distance(&a.chars().collect::<Vec<_>>(), b, max)
        };
        for (a, b) in [
            ("kubernets", "kubernetes"),
            ("deplyo", "deploy"),
            ("tset", "test"),
            ("naive", "native"),
            ("xest", "test"),
        ] {
            assert_eq!(distance(a, b, 2), Some(1), "{a} {b}");
        }
        assert_eq!(distance("same", "same", 1), Some(0));
        assert_eq!(distance("abcd", "wxyz", 2), None);
        assert_eq!(distance("", "ab", 2), Some(2));
    }

    #[test]
    fn search_shape_never_rules_out_a_typo() {
        let word = "vulnerability";
        for at in 0..word.len() {
            let dropped = format!("{}{}", &word[..at], &word[at + 1..]);
            let replaced = format!("{}z{}", &word[..at], &word[at + 1..]);
            assert!(Shape::of(word).may_be(Shape::of(&dropped), 1), "{dropped}");
            assert!(Shape::of(word).may_be(Shape::of(&replaced), 1), "{replaced}");
        }
    }
}
