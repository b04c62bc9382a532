//! The terms of a query, and their positions in a text.

use crate::search::tokenise::each_term;
use std::collections::HashMap;

/// Bits of the sieve.
const SIEVE: usize = 4096;

/// Terms with their query word and weight. A bit table over the first two bytes skips most words
/// without reading them.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    terms: HashMap<&'a str, (usize, f32)>,
    sieve: Vec<bool>,
}

impl Default for Wanted<'_> {
    fn default() -> Self {
        Self { terms: HashMap::new(), sieve: vec![false; SIEVE] }
    }
}

fn sieve_slot(word: &[u8]) -> usize {
    let byte = |at: usize| word.get(at).map_or(0, |byte| usize::from(byte.to_ascii_lowercase()));
    (byte(0) * 37 + byte(1)) % SIEVE
}

impl<'a> Wanted<'a> {
    /// Adds a term for the query word with this index; the larger weight counts.
    pub fn add(&mut self, term: &'a str, word: usize, weight: f32) {
        let entry = self.terms.entry(term).or_insert((word, weight));
        if entry.1 < weight {
            *entry = (word, weight);
        }
        if let Some(slot) = self.sieve.get_mut(sieve_slot(term.as_bytes())) {
            *slot = true;
        }
    }

    /// Calls `each(query word, weight, start, end)` for every matching term; positions count
    /// characters.
    pub fn each_in(&self, text: &str, each: &mut impl FnMut(usize, f32, usize, usize)) {
        let mut from = 0;
        for line in text.split_inclusive('\n') {
            if line.is_ascii() {
                self.each_in_ascii(line, from, each);
                from += line.len();
            } else {
                self.each_term_of(line, from, each);
                from += line.chars().count();
            }
        }
    }

    fn each_term_of(
        &self,
        text: &str,
        from: usize,
        each: &mut impl FnMut(usize, f32, usize, usize),
    ) {
        each_term(text, &mut |term, start, end| {
            if let Some((word, weight)) = self.terms.get(term) {
                each(*word, *weight, from + start, from + end);
            }
        });
    }

    /// The same for ASCII, where a character is a byte: reads only words that pass the bit table.
    fn each_in_ascii(
        &self,
        line: &str,
        from: usize,
        each: &mut impl FnMut(usize, f32, usize, usize),
    ) {
        let mut at = 0;
        for word in line.as_bytes().split(|byte| !byte.is_ascii_alphanumeric()) {
            let start = at;
            at += word.len() + 1;
            // A capital inside may begin a part, as in `TypeError`, which has its own first bytes.
            let has_parts = word.iter().skip(1).any(u8::is_ascii_uppercase);
            let passes = self.sieve.get(sieve_slot(word)).copied().unwrap_or(false);
            if (passes || has_parts) && !word.is_empty() {
                self.each_term_of(
                    line.get(start..start + word.len()).unwrap_or_default(),
                    from + start,
                    each,
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn search_wanted_ascii_path_matches_the_general_path() {
        let mut wanted = Wanted::default();
        for (at, term) in ["error", "typeerror", "id", "a", "cafe", "x9"].iter().enumerate() {
            wanted.add(term, at, 1.0);
        }
        let ascii = "A TypeError in user_id, X9 Cafe-a\nerror\n";
        for text in [ascii.to_owned(), ascii.replace("Cafe", "Café")] {
            let (mut quick, mut slow) = (Vec::new(), Vec::new());
            wanted.each_in(&text, &mut |word, _, start, end| quick.push((word, start, end)));
            wanted.each_term_of(&text, 0, &mut |word, _, start, end| slow.push((word, start, end)));
            assert_eq!(quick, slow);
            assert_eq!(quick.len(), 8);
        }
    }
}
