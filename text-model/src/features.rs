//! Turns a message into numbers: words, pairs, skip pairs and character n-grams, hashed into 2^14
//! to 2^16 buckets.
//!
//! Hashing without pruning makes the table's size known before training, and an unseen word still
//! shares its n-grams ("vulnerabilities" with "vulnerability"). Each block is weighted by (1 + ln
//! tf)·idf and scaled to length 1.
#![expect(
    clippy::indexing_slicing,
    reason = "buckets are shifted to the bits that the tables are made for; ranges come from the \
        tokeniser"
)]

use crate::arithmetic::ln;
use std::ops::Range;
use std::sync::LazyLock;

/// Minimum and maximum bits of a bucket number. 14 suit most graphs; thousands of lines on few
/// agents gain from 15.
pub const BITS: std::ops::RangeInclusive<u32> = 14..=16;
/// Bits of the hash; a model keeps the upper ones.
const HASH_BITS: u32 = 16;
/// Maximum distance between the two words of a skip pair.
const SKIP_MAX: usize = 4;
/// Lengths of the character n-grams, counting start and end marks. Length two gains 0.4 points on
/// CLINC150's 150 intents and 0.3 on its ten domains; six and seven gain nothing.
const LETTERS: Range<usize> = 2..6;
/// Maximum letters of a word to cut into n-grams: no word is longer, but base64 is.
const WORD_LETTERS_MAX: usize = 48;
/// Step of stored idf values: one byte holds 0 to 15.9, and ln(10^6) + 1 is 14.8.
const IDF_STEP: f32 = 1.0 / 16.0;

const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
const BEGIN: u64 = 0x51_7c_c1_b7_27_22_0a_95;
const END: u64 = 0x2545_f491_4f6c_dd1d;

/// One word of a message: its position and its hash.
#[derive(Clone, Debug)]
pub struct Word {
    pub letters: Range<usize>,
    pub hash: u64,
}

/// A message in lower case, cut into words.
#[derive(Clone, Debug, Default)]
pub struct Tokens {
    pub letters: Vec<char>,
    pub words: Vec<Word>,
}

/// The kinds of features, in the order of `BLOCKS`. Each is scaled to its own length, so that
/// many n-grams do not outweigh few words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    Words,
    Pairs,
    Skips,
    Letters,
}

/// Every block with its share of the whole vector (shares from 0.5 to 1.4 differ by at most 0.3
/// points on CLINC150).
const BLOCKS: [(Block, f32); 4] =
    [(Block::Words, 1.0), (Block::Pairs, 0.8), (Block::Skips, 0.6), (Block::Letters, 1.0)];

/// Weight of a bucket by its number of occurrences: 1 + ln tf, and 0 if it was already counted.
static FREQUENCY: LazyLock<[f32; 256]> = LazyLock::new(|| {
    std::array::from_fn(|times| if times == 0 { 0.0 } else { 1.0 + ln(times as f32) })
});

/// The blocks of a model, with or without n-grams, which are the last.
fn blocks(letters: bool) -> impl Iterator<Item = (Block, f32)> {
    BLOCKS.into_iter().take(if letters { BLOCKS.len() } else { BLOCKS.len() - 1 })
}

/// A bucket and its weight in one message.
pub type Feature = (u16, f32);

fn stir(hash: u64, next: u64) -> u64 {
    (hash ^ next).wrapping_mul(MULTIPLIER).rotate_left(23)
}

fn bucket(hash: u64) -> u16 {
    let mixed = (hash ^ (hash >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed >> (64 - HASH_BITS)) as u16
}

/// Scripts without spaces: each character counts as a word, so that pairs and skip pairs can join
/// them.
fn stands_alone(letter: char) -> bool {
    matches!(u32::from(letter), 0x0e00..=0x0eff | 0x1000..=0x109f | 0x1780..=0x17ff | 0x3040..=0x30ff | 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff | 0x20000..=0x3ffff)
}

impl Tokens {
    /// Splits a message into words at everything that is neither letter nor digit. It accepts any
    /// text.
    pub fn of(text: &str) -> Self {
        let mut tokens = Self {
            letters: Vec::with_capacity(text.len()),
            words: Vec::with_capacity(text.len() / 5 + 1),
        };
        let mut start = 0;
        for letter in text.chars() {
            if letter.is_ascii_alphanumeric() {
                tokens.letters.push(letter.to_ascii_lowercase());
            } else if letter == '\'' || letter == '\u{2019}' {
                // "what's" and "whats" are one word.
            } else if !letter.is_ascii() && letter.is_alphanumeric() {
                if stands_alone(letter) {
                    tokens.close(start);
                    start = tokens.letters.len();
                }
                tokens.letters.extend(letter.to_lowercase());
                if stands_alone(letter) {
                    tokens.close(start);
                    start = tokens.letters.len();
                }
            } else {
                tokens.close(start);
                start = tokens.letters.len();
            }
        }
        tokens.close(start);
        tokens
    }

    fn close(&mut self, start: usize) {
        let end = self.letters.len();
        if end > start {
            let hash = self.letters[start..end]
                .iter()
                .fold(BEGIN, |hash, &letter| stir(hash, u64::from(letter)));
            self.words.push(Word { letters: start..end, hash });
        }
    }

    /// The letters of a word.
    pub fn text(&self, word: &Word) -> String {
        self.letters[word.letters.clone()].iter().collect()
    }

    /// Appends the buckets of one block, once per occurrence.
    pub fn buckets(&self, block: Block, into: &mut Vec<u16>) {
        match block {
            Block::Words => into.extend(self.words.iter().map(word_bucket)),
            Block::Pairs => self.pairs(into),
            Block::Skips => {
                for (place, word) in self.words.iter().enumerate() {
                    let after = self.words.iter().skip(place + 2).take(SKIP_MAX - 1);
                    into.extend(after.map(|other| bucket(stir(stir(word.hash, 0x5c), other.hash))));
                }
            }
            Block::Letters => self.words.iter().for_each(|word| self.letter_buckets(word, into)),
        }
    }

    fn pairs(&self, into: &mut Vec<u16>) {
        let mut before = BEGIN;
        for word in &self.words {
            into.push(pair_bucket(before, word.hash));
            before = word.hash;
        }
        if !self.words.is_empty() {
            into.push(pair_bucket(before, END));
        }
    }

    /// Number of n-grams of a word.
    pub fn sequences(word: &Word) -> usize {
        let length = word.letters.len().min(WORD_LETTERS_MAX) + 2;
        let from =
            |start: usize| (length - start).min(LETTERS.end - 1).saturating_sub(LETTERS.start - 1);
        (0..length).map(from).sum()
    }

    /// Appends the n-grams of one word with its start and end marks.
    fn letter_buckets(&self, word: &Word, into: &mut Vec<u16>) {
        let letters = &self.letters[word.letters.clone()];
        let length = letters.len().min(WORD_LETTERS_MAX) + 2;
        let at = |place: usize| match place {
            0 => u64::from('<'),
            _ if place + 1 == length => u64::from('>'),
            _ => letters.get(place - 1).map_or(0, |&letter| u64::from(letter)),
        };
        for start in 0..length {
            let mut hash = 0x1e77_e125;
            for (count, place) in (start..length.min(start + LETTERS.end - 1)).enumerate() {
                hash = stir(hash, at(place));
                if LETTERS.contains(&(count + 1)) {
                    into.push(bucket(hash));
                }
            }
        }
    }
}

/// The bucket of a single word.
pub fn word_bucket(word: &Word) -> u16 {
    bucket(stir(word.hash, 0x3d))
}

/// The bucket of two consecutive words, from their hashes.
pub fn pair_bucket(first: u64, second: u64) -> u16 {
    bucket(stir(stir(first, 0xa9), second))
}

/// How rare each bucket is: idf = 1 + ln((1 + n) / (1 + df)), in steps of 1/16.
#[derive(Clone, Debug, PartialEq)]
pub struct Rarity {
    pub bits: u32,
    /// Whether character n-grams are features. They take most of the time.
    pub letters: bool,
    pub steps: Vec<u8>,
}

impl Rarity {
    /// Counts the texts that contain each bucket.
    pub fn of<'a>(texts: impl Iterator<Item = &'a Tokens>, bits: u32, letters: bool) -> Self {
        let mut documents = vec![0u32; 1 << bits];
        let (mut count, mut seen) = (0u32, Vec::new());
        for tokens in texts {
            count += 1;
            seen.clear();
            blocks(letters).for_each(|(block, _)| tokens.buckets(block, &mut seen));
            seen.iter_mut().for_each(|bucket| *bucket >>= HASH_BITS - bits);
            seen.sort_unstable();
            seen.dedup();
            seen.iter().for_each(|&bucket| documents[usize::from(bucket)] += 1);
        }
        let idf = |documents: u32| 1.0 + ln((1.0 + count as f32) / (1.0 + documents as f32));
        Self {
            bits,
            letters,
            steps: documents
                .into_iter()
                .map(|documents| (idf(documents) / IDF_STEP).round().clamp(1.0, 255.0) as u8)
                .collect(),
        }
    }

    /// A hashed bucket in this model's bits.
    pub fn fit(&self, bucket: u16) -> u16 {
        bucket >> (HASH_BITS - self.bits)
    }

    /// The message's features: each block's (1 + ln tf)·idf scaled to the block's share, the whole
    /// to length 1.
    pub fn weigh(&self, tokens: &Tokens) -> Weighted {
        let sequences =
            if self.letters { tokens.letters.len() * 4 + tokens.words.len() * 4 } else { 0 };
        let mut weighted = Weighted {
            features: Vec::with_capacity(sequences + tokens.words.len() * 6),
            scales: [0.0; BLOCKS.len()],
            letters: Vec::new(),
        };
        let mut buckets = Vec::with_capacity(sequences.max(tokens.words.len() * 3));
        // Counting in a table is three times faster than sorting; a bucket's count is used at its
        // first occurrence.
        let mut counts = vec![0u8; self.steps.len()];
        let (mut total, frequency) = (0.0, &*FREQUENCY);
        for ((block, share), scale) in blocks(self.letters).zip(&mut weighted.scales) {
            buckets.clear();
            tokens.buckets(block, &mut buckets);
            for bucket in &mut buckets {
                *bucket = self.fit(*bucket);
                let count = &mut counts[usize::from(*bucket)];
                *count = count.saturating_add(1);
            }
            let start = weighted.features.len();
            let mut squares = 0.0;
            // Branch-free, because repeated n-grams are unpredictable.
            weighted.features.resize(start + buckets.len(), (0, 0.0));
            let mut end = start;
            for &bucket in &buckets {
                let times = std::mem::take(&mut counts[usize::from(bucket)]);
                let value = frequency[usize::from(times)] * self.value(bucket);
                squares += value * value;
                weighted.features[end] = (bucket, value);
                end += usize::from(times > 0);
            }
            weighted.features.truncate(end);
            if squares > 0.0 {
                *scale = share / squares.sqrt();
                weighted.features[start..].iter_mut().for_each(|(_, value)| *value *= *scale);
                total += share * share;
            }
        }
        let scale = 1.0 / f32::max(total, f32::MIN_POSITIVE).sqrt();
        weighted.features.iter_mut().for_each(|(_, value)| *value *= scale);
        weighted.scales.iter_mut().for_each(|of_block| *of_block *= scale);
        if self.letters {
            // Those of the last block, in word order.
            weighted.letters = buckets;
        }
        weighted
    }

    /// The weight of one occurrence of a bucket before scaling.
    fn value(&self, bucket: u16) -> f32 {
        f32::from(self.steps[usize::from(bucket)])
    }
}

/// A message's features, and the scale of each block.
#[derive(Clone, Debug, Default)]
pub struct Weighted {
    pub features: Vec<Feature>,
    /// Buckets (in the model's bits) of the n-grams, word by word: [`Tokens::sequences`] for each.
    pub letters: Vec<u16>,
    scales: [f32; BLOCKS.len()],
}

impl Weighted {
    /// The value of one occurrence of a bucket (in the model's bits) in a block.
    pub fn value(&self, rarity: &Rarity, block: Block, bucket: u16) -> f32 {
        self.scales[block as usize] * rarity.value(bucket)
    }
}

/// The words of the training texts as a table of bits. With 5,000 words and 2^15 bits one unseen
/// word in 7 passes as known, which costs 0.1 points of AUROC compared with twice the bits.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownWords {
    pub bits: Vec<u64>,
}

/// Minimum and maximum binary logarithm of the bits of [`KnownWords`].
pub const KNOWN_BITS: std::ops::RangeInclusive<u32> = 15..=18;
/// Different words above which the larger table is used.
const KNOWN_FEW: usize = 6_000;

impl KnownWords {
    /// The words of these texts.
    pub fn of<'a>(texts: impl Iterator<Item = &'a Tokens>) -> Self {
        let mut words: Vec<u64> =
            texts.flat_map(|tokens| &tokens.words).map(|word| word.hash).collect();
        words.sort_unstable();
        words.dedup();
        let log = if words.len() > KNOWN_FEW { *KNOWN_BITS.end() } else { *KNOWN_BITS.start() };
        let mut known = Self { bits: vec![0u64; (1 << log) / 64] };
        for hash in words {
            let place = known.place(hash);
            known.bits[place / 64] |= 1 << (place % 64);
        }
        known
    }
    /// Binary logarithm of the number of bits.
    pub fn bits(&self) -> u32 {
        (self.bits.len() * 64).ilog2()
    }
    fn place(&self, hash: u64) -> usize {
        (hash >> (64 - self.bits())) as usize
    }
    /// Share of the message's words that no training text contains, 0–1; 1 for a message without
    /// words.
    pub fn unknown_share(&self, tokens: &Tokens) -> f32 {
        let known = tokens.words.iter().filter(|word| {
            let place = self.place(word.hash);
            self.bits[place / 64] >> (place % 64) & 1 == 1
        });
        if tokens.words.is_empty() {
            1.0
        } else {
            1.0 - known.count() as f32 / tokens.words.len() as f32
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        let tokens = Tokens::of(text);
        tokens.words.iter().map(|word| tokens.text(word)).collect()
    }

    #[test]
    fn tokens_split_at_everything_but_letters_and_digits() {
        assert_eq!(words("What's UP,  CVE-2024?"), ["whats", "up", "cve", "2024"]);
        assert_eq!(words("Größe ändern"), ["größe", "ändern"]);
        assert_eq!(words("!!! 🙂"), Vec::<String>::new());
    }

    #[test]
    fn tokens_split_scripts_without_spaces_at_every_character() {
        assert_eq!(words("修复bug吧"), ["修", "复", "bug", "吧"]);
    }

    #[test]
    fn features_have_length_one_and_known_buckets_only() {
        let texts = [Tokens::of("fix the build"), Tokens::of("scan the server")];
        let rarity = Rarity::of(texts.iter(), 14, true);
        let features = rarity.weigh(&Tokens::of("please fix the the server")).features;
        let length: f32 = features.iter().map(|(_, value)| value * value).sum();
        assert!((length - 1.0).abs() < 1e-3, "{length}");
        assert!(features.iter().all(|&(bucket, _)| usize::from(bucket) < 1 << 14));
    }

    #[test]
    fn features_of_related_forms_share_ngrams() {
        let buckets = |text: &str| {
            let mut found = Vec::new();
            Tokens::of(text).buckets(Block::Letters, &mut found);
            found
        };
        let singular = buckets("vulnerability");
        let shared =
            buckets("vulnerabilities").iter().filter(|bucket| singular.contains(bucket)).count();
        assert!(shared > 20, "{shared}");
    }

    #[test]
    fn features_accept_any_text() {
        for text in [
            "",
            "\u{0}",
            "İİİİ",
            "ﷺ",
            "e\u{301}\u{301}",
            "👩‍👩‍👧‍👦",
            "\u{202e}abc",
            &"ß".repeat(20_000),
            "ไทย",
            "a'b’c",
        ] {
            let tokens = Tokens::of(text);
            let weighted = Rarity::of([&tokens].into_iter(), 16, true).weigh(&tokens);
            assert_eq!(
                weighted.letters.len(),
                tokens.words.iter().map(Tokens::sequences).sum::<usize>()
            );
        }
    }
}
