//! The inverted index: the files that contain each word, and the word's weight there.
//!
//! A posting has one precomputed number per word and file (its impact), so a query only adds.

use crate::parse::document::FILE_BYTES_MAX;
use crate::search::bytes::{BadIndex, Reader, Writer};
use crate::search::tokenise::{each_term, folded};
use contracts::graph::{Graph, Skill};
use std::collections::HashMap;

/// Indexed bytes of a large file's text.
const BODY_BYTES_INDEXED: usize = 64 * 1024;
/// Weight of a mention by its field; in the body at most 1.
const TITLE: f32 = 4.0;
const ALIAS: f32 = 3.0;
const KEYWORD: f32 = 2.5;
const TAG: f32 = 1.5;
const HEADING: f32 = 1.2;
const DESCRIPTION: f32 = 1.2;
/// BM25's saturation and length normalisation, for the body.
const K1: f32 = 1.2;
const B: f32 = 0.7;
/// Maximum indexed words of one title, heading or description.
const FIELD_TERMS_MAX: usize = 200;
/// Impacts are stored in steps of 1/2048, up to 31.
const IMPACT_STEPS: f32 = 2048.0;

/// A built index. The n-th document is the n-th of `graph.skills`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Index {
    pub(super) documents: u32,
    /// All terms in order, concatenated, with the end of each.
    terms: String,
    term_ends: Vec<u32>,
    /// Letters of a term as bits, and its length: these alone rule out most typo candidates.
    pub(super) shapes: Vec<Shape>,
    posting_ends: Vec<u32>,
    posting_documents: Vec<u32>,
    posting_impacts: Vec<u16>,
    /// Folded titles, aliases and ids with their documents, in order: a query that equals one asks
    /// for that file.
    pub(super) names: Vec<(String, u32)>,
}

/// Properties of a term that need no reading.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Shape {
    pub letters: u32,
    pub chars: u8,
}

impl Shape {
    /// The shape of a term.
    pub fn of(term: &str) -> Self {
        let letters = term.chars().fold(0_u32, |bits, c| bits | 1 << (u32::from(c) % 31));
        Self { letters, chars: u8::try_from(term.chars().count()).unwrap_or(u8::MAX) }
    }
    /// False if no `edits` changes turn one into the other.
    pub fn may_be(self, other: Self, edits: u8) -> bool {
        self.chars.abs_diff(other.chars) <= edits
            && (self.letters ^ other.letters).count_ones() <= 2 * u32::from(edits)
    }
}

/// The files that contain a term.
pub struct Postings<'a> {
    pub documents: &'a [u32],
    pub impacts: &'a [u16],
}

impl Postings<'_> {
    /// Document and impact, in order of documents.
    pub fn iter(&self) -> impl Iterator<Item = (u32, f32)> {
        self.documents
            .iter()
            .zip(self.impacts)
            .map(|(document, impact)| (*document, f32::from(*impact) / IMPACT_STEPS))
    }
}

/// A word's weight in one document during the build.
#[derive(Clone, Copy, Default)]
struct Mention {
    document: u32,
    /// Sum over all fields except the body.
    boost: f32,
    body_count: f32,
}

#[derive(Default)]
struct Builder {
    ids: HashMap<String, u32>,
    mentions: Vec<Vec<Mention>>,
    body_lengths: Vec<f32>,
}

impl Builder {
    fn mention(&mut self, term: &str, document: u32) -> Option<&mut Mention> {
        let id = match self.ids.get(term) {
            Some(id) => *id,
            None => {
                let id = u32::try_from(self.mentions.len()).ok()?;
                self.ids.insert(term.to_owned(), id);
                self.mentions.push(Vec::new());
                id
            }
        };
        let mentions = self.mentions.get_mut(usize::try_from(id).ok()?)?;
        if mentions.last().is_none_or(|last| last.document != document) {
            mentions.push(Mention { document, ..Mention::default() });
        }
        mentions.last_mut()
    }

    /// Adds a short text: each word counts once, and less in longer texts.
    fn field(&mut self, text: &str, weight: f32, document: u32) {
        let mut terms: Vec<String> = Vec::new();
        each_term(text, &mut |term, _, _| {
            if terms.len() < FIELD_TERMS_MAX && !terms.iter().any(|known| known == term) {
                terms.push(term.to_owned());
            }
        });
        let share = weight / (0.75 + 0.25 * terms.len().min(12) as f32);
        for term in &terms {
            if let Some(mention) = self.mention(term, document) {
                mention.boost += share;
            }
        }
    }

    fn skill(&mut self, skill: &Skill, agent_id: Option<&str>, document: u32) {
        self.field(&skill.title, TITLE, document);
        for alias in
            skill.aliases.iter().map(String::as_str).chain([skill.id.as_str()]).chain(agent_id)
        {
            self.field(alias, ALIAS, document);
        }
        skill.keywords.iter().for_each(|keyword| self.field(keyword, KEYWORD, document));
        skill.tags.iter().for_each(|tag| self.field(tag, TAG, document));
        skill.headings.iter().for_each(|heading| self.field(heading, HEADING, document));
        self.field(&skill.description, DESCRIPTION * 2.0, document);
        let mut length = 0.0_f32;
        each_term(body_indexed(&skill.body), &mut |term, _, _| {
            length += 1.0;
            if let Some(mention) = self.mention(term, document) {
                mention.body_count += 1.0;
            }
        });
        self.body_lengths.push(length);
    }

    fn finish(self, documents: u32, names: Vec<(String, u32)>) -> Index {
        let average = self.body_lengths.iter().sum::<f32>() / self.body_lengths.len().max(1) as f32;
        let impact = |mention: &Mention| {
            let length = usize::try_from(mention.document)
                .ok()
                .and_then(|at| self.body_lengths.get(at))
                .copied()
                .unwrap_or(0.0);
            let norm = 1.0 - B + B * length / average.max(1.0);
            let body = mention.body_count / (mention.body_count + K1 * norm);
            ((mention.boost + body) * IMPACT_STEPS).clamp(1.0, f32::from(u16::MAX)) as u16
        };
        let mut order: Vec<(&String, &u32)> = self.ids.iter().collect();
        order.sort_unstable();
        let mut index = Index { documents, names, ..Index::default() };
        for (term, id) in order {
            let mentions = usize::try_from(*id)
                .ok()
                .and_then(|id| self.mentions.get(id))
                .map(Vec::as_slice)
                .unwrap_or_default();
            index.push_term(term);
            index.posting_documents.extend(mentions.iter().map(|mention| mention.document));
            index.posting_impacts.extend(mentions.iter().map(impact));
            index.posting_ends.push(count(index.posting_documents.len()));
        }
        index
    }
}

/// The indexed part of a body.
pub(super) fn body_indexed(body: &str) -> &str {
    if body.len() <= FILE_BYTES_MAX {
        return body;
    }
    body.get(..body.floor_char_boundary(BODY_BYTES_INDEXED)).unwrap_or_default()
}

fn count(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

fn at(ends: &[u32], position: usize) -> Option<std::ops::Range<usize>> {
    let end = usize::try_from(*ends.get(position)?).ok()?;
    let start = position
        .checked_sub(1)
        .and_then(|before| ends.get(before))
        .map_or(Some(0), |start| usize::try_from(*start).ok())?;
    Some(start..end)
}

impl Index {
    /// Indexes a graph.
    pub fn build(graph: &Graph) -> Self {
        let agent_ids: HashMap<&str, &str> =
            graph.agents.iter().map(|agent| (agent.skill.as_str(), agent.id.as_str())).collect();
        let mut builder = Builder::default();
        let mut names = Vec::new();
        for (document, skill) in (0_u32..).zip(&graph.skills) {
            let agent_id = agent_ids.get(skill.id.as_str()).copied();
            builder.skill(skill, agent_id, document);
            let all = skill
                .aliases
                .iter()
                .map(String::as_str)
                .chain([skill.id.as_str(), skill.title.as_str()])
                .chain(agent_id);
            names.extend(
                all.map(|name| (folded(name), document)).filter(|(name, _)| !name.is_empty()),
            );
        }
        names.sort_unstable();
        names.dedup();
        builder.finish(count(graph.skills.len()), names)
    }

    /// The number of files.
    pub fn len(&self) -> usize {
        usize::try_from(self.documents).unwrap_or(usize::MAX)
    }
    /// Whether it has no files.
    pub fn is_empty(&self) -> bool {
        self.documents == 0
    }
    /// The number of different terms.
    pub fn terms_len(&self) -> usize {
        self.term_ends.len()
    }
    /// The term at this position in the order.
    pub fn term(&self, position: usize) -> &str {
        at(&self.term_ends, position).and_then(|range| self.terms.get(range)).unwrap_or_default()
    }
    /// The files that contain the term at this position.
    pub fn postings(&self, position: usize) -> Postings<'_> {
        let range = at(&self.posting_ends, position).unwrap_or(0..0);
        Postings {
            documents: self.posting_documents.get(range.clone()).unwrap_or_default(),
            impacts: self.posting_impacts.get(range).unwrap_or_default(),
        }
    }
    /// The position of a term, or where it would be inserted.
    ///
    /// # Errors
    /// The place where it would be inserted.
    pub fn position(&self, term: &str) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.terms_len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.term(middle).cmp(term) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Ok(middle),
            }
        }
        Err(low)
    }

    fn push_term(&mut self, term: &str) {
        self.terms.push_str(term);
        self.term_ends.push(count(self.terms.len()));
        self.shapes.push(Shape::of(term));
    }

    /// The index as bytes for [`Index::from_bytes`], the same on every machine.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::default();
        out.u32(self.documents);
        out.u32(count(self.terms_len()));
        for position in 0..self.terms_len() {
            out.text(self.term(position));
            let postings = self.postings(position);
            out.u32(count(postings.documents.len()));
            let mut previous = 0;
            for (document, impact) in postings.documents.iter().zip(postings.impacts) {
                out.u32(document - previous);
                out.u16(*impact);
                previous = *document;
            }
        }
        out.u32(count(self.names.len()));
        for (name, document) in &self.names {
            out.text(name);
            out.u32(*document);
        }
        out.finish()
    }

    /// Reads the bytes of [`Index::to_bytes`]; refuses anything else.
    ///
    /// # Errors
    /// When the bytes are not those of an index.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BadIndex> {
        let mut reader = Reader::open(bytes)?;
        let mut index = Self { documents: reader.u32()?, ..Self::default() };
        let terms = reader.u32()?;
        for position in 0..terms {
            let term = reader.text()?;
            let is_after = position == 0
                || index.terms_len().checked_sub(1).is_some_and(|last| index.term(last) < term);
            if !is_after {
                return Err(BadIndex::Corrupt("terms are not in order"));
            }
            index.push_term(term);
            let mut document = 0_u32;
            for place in 0..reader.u32()? {
                let step = reader.u32()?;
                document = document
                    .checked_add(step)
                    .filter(|next| *next < index.documents && (place == 0 || step > 0))
                    .ok_or(BadIndex::Corrupt("a posting refers to no file"))?;
                index.posting_documents.push(document);
                index.posting_impacts.push(reader.u16()?);
            }
            index.posting_ends.push(count(index.posting_documents.len()));
        }
        for _ in 0..reader.u32()? {
            let name = reader.text()?.to_owned();
            let document = Some(reader.u32()?)
                .filter(|document| *document < index.documents)
                .ok_or(BadIndex::Corrupt("a name refers to no file"))?;
            index.names.push((name, document));
        }
        reader.close()?;
        Ok(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::bytes::seal;
    use crate::search::tests::sample;

    #[test]
    fn index_survives_a_round_trip_through_bytes() {
        let index = Index::build(&sample());
        assert!(index.terms_len() > 20);
        assert_eq!(Index::from_bytes(&index.to_bytes()).unwrap(), index);
        let empty = Index::build(&Graph::default());
        assert_eq!(Index::from_bytes(&empty.to_bytes()).unwrap(), empty);
    }

    #[test]
    fn index_refuses_truncated_or_changed_bytes() {
        let bytes = Index::build(&sample()).to_bytes();
        for end in 0..bytes.len() {
            assert!(Index::from_bytes(&bytes[..end]).is_err(), "{end}");
        }
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 0x41;
            assert!(Index::from_bytes(&changed).is_err(), "{at}");
        }
    }

    #[test]
    fn index_never_panics_on_invalid_content_with_a_valid_checksum() {
        let whole = Index::build(&sample()).to_bytes();
        let inner = &whole[8..whole.len() - 8];
        let mut dice = fastrand::Rng::with_seed(7);
        for _ in 0..4000 {
            let mut forged = inner.to_vec();
            for _ in 0..3 {
                let at = dice.usize(0..forged.len());
                forged[at] = dice.u8(..);
            }
            if let Ok(index) = Index::from_bytes(&seal(&forged)) {
                crate::search::score::score(&index, "fix the login bug", 5);
            }
        }
    }
}
