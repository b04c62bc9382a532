//! The model's byte format: one byte per weight, a versioned header, a checksum, and full
//! validation on reading.
//!
//! Layout, little endian: `QTRM`, version u16, bits u8 (with 0x80: no letters), bits of the known
//! words u8, classes u16, labels u16, seed u64, temperature f32, the gate, labels (u16 length,
//! UTF-8) each with its two thresholds and its belief (f32), rarity steps (2^bits), known words
//! (one bit each), per class a scale and a bias (f32), the weights (2^bits × classes, i8), the
//! lexical index (numbers of terms and mentions u32; terms and ends u32 each; mentions u16 and u8
//! each; no term means no index), the checksum of all that.

use crate::Model;
use crate::calibrate::{GATE_INPUTS, Gate, Thresholds};
use crate::features::{BITS, KNOWN_BITS, KnownWords, Rarity};
use crate::lexical::Lexical;
use crate::training_set::AGENTS_MAX;
use crate::weights::Weights;

const MAGIC: &[u8; 4] = b"QTRM";
const VERSION: u16 = 3;
/// Below this, logits would leave what a float holds.
const TEMPERATURE_MIN: f32 = 1e-3;
/// Flag beside the bits: no character n-grams.
const WITHOUT_LETTERS: u8 = 0x80;

/// The reason that bytes are not a valid model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    #[error("these bytes are not a routing model")]
    NotAModel,
    #[error("the model has format {0}, but this version reads format {VERSION}")]
    OtherVersion(u16),
    #[error("the model is damaged: {0}")]
    Damaged(&'static str),
}

impl Model {
    /// The model as bytes, to store beside its graph.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(
            self.weights.values.len() + self.rarity.steps.len() + self.known.bits.len() * 8 + 4096,
        );
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.push(self.rarity.bits as u8 | if self.rarity.letters { 0 } else { WITHOUT_LETTERS });
        bytes.push(self.known.bits() as u8);
        bytes.extend_from_slice(&(self.weights.scales.len() as u16).to_le_bytes());
        bytes.extend_from_slice(&(self.labels.len() as u16).to_le_bytes());
        bytes.extend_from_slice(&self.seed.to_le_bytes());
        let gate = self.gate.coefficients.iter().chain([&self.gate.bias, &self.gate.threshold]);
        [self.temperature]
            .iter()
            .chain(gate)
            .for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
        for ((label, thresholds), belief) in
            self.labels.iter().zip(&self.thresholds).zip(&self.belief)
        {
            bytes.extend_from_slice(&(label.len() as u16).to_le_bytes());
            bytes.extend_from_slice(label.as_bytes());
            [thresholds.accept, thresholds.ask, *belief]
                .iter()
                .for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
        }
        bytes.extend_from_slice(&self.rarity.steps);
        self.known.bits.iter().for_each(|word| bytes.extend_from_slice(&word.to_le_bytes()));
        self.weights
            .scales
            .iter()
            .chain(&self.weights.bias)
            .for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
        bytes.extend(self.weights.values.iter().map(|&weight| weight as u8));
        write_lexical(self.lexical.as_ref(), &mut bytes);
        let sum = checksum(&bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Reads the bytes of [`Model::to_bytes`]; anything else is an error, never a panic.
    ///
    /// # Errors
    /// When the bytes are not those of a model.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ModelError> {
        let (body, sum) = bytes.split_last_chunk::<8>().ok_or(ModelError::NotAModel)?;
        let mut reader = Reader(body);
        if reader.take(4)? != MAGIC {
            return Err(ModelError::NotAModel);
        }
        let version = reader.u16()?;
        if version != VERSION {
            return Err(ModelError::OtherVersion(version));
        }
        if checksum(body) != u64::from_le_bytes(*sum) {
            return Err(ModelError::Damaged("its checksum does not match"));
        }
        let flags = reader.array::<1>()?[0];
        let (bits, letters) = (u32::from(flags & !WITHOUT_LETTERS), flags & WITHOUT_LETTERS == 0);
        let known_bits = u32::from(reader.array::<1>()?[0]);
        let (classes, count) = (usize::from(reader.u16()?), usize::from(reader.u16()?));
        let sizes_fit = BITS.contains(&bits)
            && KNOWN_BITS.contains(&known_bits)
            && (1..=AGENTS_MAX).contains(&count)
            && classes <= count + 1;
        if !sizes_fit {
            return Err(ModelError::Damaged("its sizes are out of bounds"));
        }
        let seed = u64::from_le_bytes(reader.array()?);
        let temperature = reader.number()?;
        if temperature < TEMPERATURE_MIN {
            return Err(ModelError::Damaged("its temperature is too low"));
        }
        let coefficients: [f32; GATE_INPUTS] =
            reader.numbers(GATE_INPUTS)?.try_into().map_err(|_| ModelError::Damaged("its gate"))?;
        let gate = Gate { coefficients, bias: reader.number()?, threshold: reader.number()? };
        let named = |reader: &mut Reader<'_>| {
            let label = reader.label()?;
            let thresholds = Thresholds { accept: reader.number()?, ask: reader.number()? };
            let belief = reader.number()?;
            if !(0.0..=1.0).contains(&belief) {
                return Err(ModelError::Damaged("a belief is no share"));
            }
            Ok((label, (thresholds, belief)))
        };
        let (labels, figures) =
            (0..count).map(|_| named(&mut reader)).collect::<Result<(Vec<_>, Vec<_>), _>>()?;
        let (thresholds, belief) = figures.into_iter().unzip();
        let rarity = Rarity { bits, letters, steps: reader.take(1 << bits)?.to_vec() };
        let known = reader
            .take((1 << known_bits) / 8)?
            .chunks_exact(8)
            .map(|chunk| chunk.iter().rev().fold(0u64, |word, &byte| word << 8 | u64::from(byte)));
        let known = KnownWords { bits: known.collect() };
        let (scales, bias) = (reader.numbers(classes)?, reader.numbers(classes)?);
        let values = reader.take(classes << bits)?.iter().map(|&byte| byte as i8).collect();
        let lexical = reader.lexical(count)?;
        if classes < count && lexical.is_none() {
            return Err(ModelError::Damaged("it knows nothing of some labels"));
        }
        if !reader.0.is_empty() {
            return Err(ModelError::Damaged("it has bytes after its end"));
        }
        Ok(Self {
            labels,
            rarity,
            known,
            weights: Weights { scales, bias, values },
            lexical,
            belief,
            temperature,
            gate,
            thresholds,
            seed,
        })
    }
}

fn write_lexical(lexical: Option<&Lexical>, bytes: &mut Vec<u8>) {
    let counts = lexical.map_or([0, 0], |index| [index.terms.len(), index.mentions.len()]);
    counts.iter().for_each(|count| bytes.extend_from_slice(&(*count as u32).to_le_bytes()));
    let Some(index) = lexical else { return };
    index.terms.iter().chain(&index.ends).for_each(|n| bytes.extend_from_slice(&n.to_le_bytes()));
    for (label, weight) in &index.mentions {
        bytes.extend_from_slice(&label.to_le_bytes());
        bytes.push(*weight);
    }
}

/// The remaining bytes.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], ModelError> {
        let (head, rest) =
            self.0.split_at_checked(count).ok_or(ModelError::Damaged("it ends too early"))?;
        self.0 = rest;
        Ok(head)
    }
    fn array<const N: usize>(&mut self) -> Result<[u8; N], ModelError> {
        self.take(N)?.try_into().map_err(|_| ModelError::Damaged("it ends too early"))
    }
    fn u16(&mut self) -> Result<u16, ModelError> {
        self.array().map(u16::from_le_bytes)
    }
    fn u32s(&mut self, count: usize) -> Result<Vec<u32>, ModelError> {
        // Taken before anything is allocated, so that a damaged count allocates nothing.
        let bytes = self.take(count.saturating_mul(4))?;
        Ok(bytes
            .chunks_exact(4)
            .map(|four| u32::from_le_bytes(four.try_into().unwrap_or_default()))
            .collect())
    }
    fn lexical(&mut self, labels: usize) -> Result<Option<Lexical>, ModelError> {
        let counts = self.u32s(2)?;
        let count = |place: usize| counts.get(place).copied().unwrap_or(0) as usize;
        let (terms, ends) = (self.u32s(count(0))?, self.u32s(count(0))?);
        let mentions: Vec<(u16, u8)> = self
            .take(count(1).saturating_mul(3))?
            .chunks_exact(3)
            .filter_map(|three| match three {
                [low, high, weight] => Some((u16::from_le_bytes([*low, *high]), *weight)),
                _ => None,
            })
            .collect();
        let sound = terms.is_sorted_by(|a, b| a < b)
            && ends.is_sorted()
            && ends.last().is_none_or(|end| *end as usize == mentions.len())
            && mentions.iter().all(|(label, _)| usize::from(*label) < labels);
        if !sound {
            return Err(ModelError::Damaged("its index of the files"));
        }
        Ok((!terms.is_empty()).then_some(Lexical { labels, terms, ends, mentions }))
    }
    fn number(&mut self) -> Result<f32, ModelError> {
        let number = f32::from_le_bytes(self.array()?);
        if number.is_finite() {
            Ok(number)
        } else {
            Err(ModelError::Damaged("a number is not finite"))
        }
    }
    fn numbers(&mut self, count: usize) -> Result<Vec<f32>, ModelError> {
        (0..count).map(|_| self.number()).collect()
    }
    fn label(&mut self) -> Result<String, ModelError> {
        let length = usize::from(self.u16()?);
        let text = std::str::from_utf8(self.take(length)?);
        text.map(str::to_owned).map_err(|_| ModelError::Damaged("a label is not UTF-8"))
    }
}

/// Like FNV-1a, but over eight bytes at a time and with a rotation, so not the `fnv` crate's:
/// stored models carry this value. It guards against truncation and bit rot, not against people.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.chunks(8).fold(0xcbf2_9ce4_8422_2325, |hash, chunk| {
        let word = chunk.iter().fold(0u64, |word, &byte| word << 8 | u64::from(byte));
        (hash ^ word).wrapping_mul(0x0100_0000_01b3).rotate_left(17)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::tests::small_model;

    #[test]
    fn model_survives_a_round_trip_through_bytes() {
        let model = small_model();
        let again = Model::from_bytes(&model.to_bytes()).unwrap();
        assert_eq!(again, model);
        assert_eq!(again.to_bytes(), model.to_bytes());
    }

    #[test]
    fn model_refuses_damaged_bytes_without_panic() {
        let bytes = small_model().to_bytes();
        for cut in [0, 1, 7, 8, 12, 30, 100, 5000, bytes.len() - 1] {
            assert!(Model::from_bytes(&bytes[..cut]).is_err(), "{cut}");
        }
        for place in (0..400).chain((400..bytes.len()).step_by(997)) {
            let mut bad = bytes.clone();
            bad[place] ^= 0x55;
            assert!(Model::from_bytes(&bad).is_err(), "{place}");
        }
    }

    #[test]
    fn model_refuses_an_index_that_leads_out_of_it_with_a_valid_checksum() {
        let with = |terms: [u32; 2], ends: [u32; 2], label: u16| {
            let mut model = small_model();
            let (labels, mentions) = (model.labels.len(), vec![(0, 1), (label, 2)]);
            let index = Lexical { labels, terms: terms.into(), ends: ends.into(), mentions };
            model.lexical = Some(index);
            Model::from_bytes(&model.to_bytes())
        };
        assert!(with([1, 2], [1, 2], 1).is_ok());
        for bad in [
            with([2, 1], [1, 2], 1),
            with([1, 1], [1, 2], 1),
            with([1, 2], [2, 1], 1),
            with([1, 2], [1, 9], 1),
            with([1, 2], [1, 2], 9_999),
        ] {
            assert_eq!(bad, Err(ModelError::Damaged("its index of the files")));
        }
        for belief in [-1.0, 1.5] {
            let mut model = small_model();
            model.belief[0] = belief;
            assert!(Model::from_bytes(&model.to_bytes()).is_err(), "{belief}");
        }
    }

    #[test]
    fn model_refuses_invalid_headers_with_a_valid_checksum() {
        let bytes = small_model().to_bytes();
        for place in 4..120 {
            for value in [0, 0x7f, 0xff] {
                let mut bad = bytes[..bytes.len() - 8].to_vec();
                bad[place] = value;
                let sum = checksum(&bad);
                bad.extend_from_slice(&sum.to_le_bytes());
                if let Ok(model) = Model::from_bytes(&bad) {
                    model.score("fix the build");
                }
            }
        }
    }
}
