//! The model's byte format: one byte per weight, a versioned header, a checksum, and full
//! validation on reading.
//!
//! Layout, little endian: `QTRM`, version u16, bits u8 (with 0x80: no letters), classes u16, labels
//! u16, seed u64, temperature f32, the gate, labels (u16 length, UTF-8) each with its two
//! thresholds (f32), rarity steps (2^bits), known words (2^12 bytes), per class a scale and a bias
//! (f32), the weights (2^bits × classes, i8), the checksum of all that.

use super::Model;
use super::calibrate::{GATE_INPUTS, Gate, Thresholds};
use super::features::{BITS, Feature, KNOWN_BITS, KnownWords, Rarity};
use super::train::Dense;

const MAGIC: &[u8; 4] = b"QTRM";
const VERSION: u16 = 2;
const CLASSES_MAX: usize = 2000;
/// Flag beside the bits: no character n-grams.
const WITHOUT_LETTERS: u8 = 0x80;
/// Steps of a feature's value, which is at most 1: 127 · 2^13 · 2000 features stay below 2^31.
const FIXED: f32 = 8192.0;

/// Weights as integers from −127 to 127, with one scale per class.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    pub scales: Vec<f32>,
    pub bias: Vec<f32>,
    pub values: Vec<i8>,
}

impl Weights {
    /// Quantises trained weights.
    pub fn round(dense: &Dense) -> Self {
        let classes = dense.classes;
        let mut tops = vec![f32::MIN_POSITIVE; classes];
        for row in dense.weights.chunks_exact(dense.stride) {
            tops.iter_mut().zip(row).for_each(|(top, weight)| *top = top.max(weight.abs()));
        }
        let scales: Vec<f32> = tops.iter().map(|top| top / 127.0).collect();
        let rows = dense.weights.chunks_exact(dense.stride);
        let values = rows
            .flat_map(|row| {
                row.iter().zip(&scales).map(|(weight, scale)| (weight / scale).round() as i8)
            })
            .collect();
        Self { scales, bias: dense.bias.iter().copied().take(classes).collect(), values }
    }

    /// Logits of a message, before temperature.
    ///
    /// Integer arithmetic: the feature's value is in steps of 2^-13, so that the sum fits in 32
    /// bits and is the same on every machine.
    pub fn logits(&self, features: &[Feature]) -> Vec<f32> {
        let mut sums = vec![0i32; self.scales.len()];
        // Compiled again for wider vector registers, detected at runtime: twice as fast with 150
        // agents.
        #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
        wide::add_rows(&self.values, features, &mut sums);
        #[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
        pulp::Arch::new().dispatch(AddRows { values: &self.values, features, sums: &mut sums });
        sums.iter()
            .zip(&self.scales)
            .zip(&self.bias)
            .map(|((sum, scale), bias)| *sum as f32 * (*scale / FIXED) + bias)
            .collect()
    }

    /// The weight of a bucket for one class relative to another, or alone.
    pub fn contrast(&self, class: usize, other: Option<usize>) -> impl Fn(u16) -> f32 {
        let classes = self.scales.len();
        let scale = |class: usize| self.scales.get(class).copied().unwrap_or(0.0);
        let (scale_of_class, scale_of_other) = (scale(class), other.map_or(0.0, scale));
        let other = other.unwrap_or(class);
        move |bucket: u16| {
            let row = self.values.get(usize::from(bucket) * classes..).unwrap_or_default();
            let value = |class: usize| f32::from(row.get(class).copied().unwrap_or(0));
            value(class) * scale_of_class - value(other) * scale_of_other
        }
    }
}

/// Adds each feature's row, times its value, to the sums.
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
struct AddRows<'a> {
    values: &'a [i8],
    features: &'a [Feature],
    sums: &'a mut [i32],
}

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
impl pulp::NullaryFnOnce for AddRows<'_> {
    type Output = ();
    #[inline(always)]
    fn call(self) {
        add_rows(self.values, self.features, self.sums);
    }
}

/// Four rows at a time, because fetching a row takes longer than adding it.
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
#[expect(
    clippy::indexing_slicing,
    reason = "rows are cut at multiples of `classes` from a table of 2^bits × classes, checked on \
        reading"
)]
#[inline(always)]
fn add_rows(values: &[i8], features: &[Feature], sums: &mut [i32]) {
    let classes = sums.len();
    let row = |&(bucket, value): &Feature| {
        let start = usize::from(bucket) * classes;
        (&values[start..start + classes], (value * FIXED) as i16)
    };
    let mut fours = features.chunks_exact(4);
    for four in &mut fours {
        let [(a, by_a), (b, by_b), (c, by_c), (d, by_d)] =
            [row(&four[0]), row(&four[1]), row(&four[2]), row(&four[3])];
        for ((((sum, a), b), c), d) in sums.iter_mut().zip(a).zip(b).zip(c).zip(d) {
            let left = i32::from(i16::from(*a)) * i32::from(by_a)
                + i32::from(i16::from(*b)) * i32::from(by_b);
            let right = i32::from(i16::from(*c)) * i32::from(by_c)
                + i32::from(i16::from(*d)) * i32::from(by_d);
            *sum += left + right;
        }
    }
    for feature in fours.remainder() {
        let (row, by) = row(feature);
        sums.iter_mut()
            .zip(row)
            .for_each(|(sum, &weight)| *sum += i32::from(weight) * i32::from(by));
    }
}

/// The same in WebAssembly, where a size-optimised build vectorises nothing: sixteen classes and
/// four rows at a time.
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod wide {
    use super::{FIXED, Feature};
    use core::arch::wasm32::{
        i8x16_shuffle, i16x8_extend_high_i8x16, i16x8_extend_low_i8x16, i32x4_add, i32x4_dot_i16x8,
        u32x4_splat, v128,
    };
    use pulp::bytemuck::cast;

    const LANES: usize = 16;
    /// A padding feature that adds nothing.
    const NOTHING: Feature = (0, 0.0);

    pub fn add_rows(values: &[i8], features: &[Feature], sums: &mut [i32]) {
        let classes = sums.len();
        let mut padded = vec![[0i32; LANES]; classes.div_ceil(LANES)];
        for four in features.chunks(4) {
            let [(a, by_a), (b, by_b), (c, by_c), (d, by_d)] = [0, 1, 2, 3].map(|place| {
                let (bucket, value) = four.get(place).copied().unwrap_or(NOTHING);
                (usize::from(bucket) * classes, (value * FIXED) as i16)
            });
            let (by_left, by_right) = (in_turn(by_a, by_b), in_turn(by_c, by_d));
            let mut at = 0;
            for sums in &mut padded {
                let [s0, s1, s2, s3]: [v128; 4] = cast(*sums);
                let [l0, l1, l2, l3] =
                    products(lanes(values, a + at), lanes(values, b + at), by_left);
                let [r0, r1, r2, r3] =
                    products(lanes(values, c + at), lanes(values, d + at), by_right);
                let add = |sum, left, right| i32x4_add(sum, i32x4_add(left, right));
                *sums = cast([add(s0, l0, r0), add(s1, l1, r1), add(s2, l2, r2), add(s3, l3, r3)]);
                at += LANES;
            }
        }
        sums.iter_mut().zip(padded.iter().flatten()).for_each(|(sum, padded)| *sum = *padded);
    }

    /// Sixteen weights from an index. Values beyond the row's end go beyond the sums' end and are
    /// dropped.
    #[inline(always)]
    fn lanes(values: &[i8], at: usize) -> v128 {
        match values.get(at..).and_then(|rest| rest.first_chunk::<LANES>()) {
            Some(whole) => cast(*whole),
            None => last(values, at),
        }
    }

    #[cold]
    fn last(values: &[i8], at: usize) -> v128 {
        let mut part = [0i8; LANES];
        part.iter_mut()
            .zip(values.get(at..).unwrap_or_default())
            .for_each(|(lane, value)| *lane = *value);
        cast(part)
    }

    #[inline(always)]
    fn in_turn(first: i16, second: i16) -> v128 {
        u32x4_splat(u32::from(first as u16) | u32::from(second as u16) << 16)
    }

    /// Two rows, each times its value, added.
    #[inline(always)]
    fn products(a: v128, b: v128, by: v128) -> [v128; 4] {
        let low = i8x16_shuffle::<0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23>(a, b);
        let high =
            i8x16_shuffle::<8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31>(a, b);
        let [h0, h1, h2, h3] = [
            i16x8_extend_low_i8x16(low),
            i16x8_extend_high_i8x16(low),
            i16x8_extend_low_i8x16(high),
            i16x8_extend_high_i8x16(high),
        ];
        [
            i32x4_dot_i16x8(h0, by),
            i32x4_dot_i16x8(h1, by),
            i32x4_dot_i16x8(h2, by),
            i32x4_dot_i16x8(h3, by),
        ]
    }
}

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
            self.weights.values.len() + self.rarity.steps.len() + KNOWN_BITS / 8 + 4096,
        );
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.push(self.rarity.bits as u8 | if self.rarity.letters { 0 } else { WITHOUT_LETTERS });
        bytes.extend_from_slice(&(self.weights.scales.len() as u16).to_le_bytes());
        bytes.extend_from_slice(&(self.labels.len() as u16).to_le_bytes());
        bytes.extend_from_slice(&self.seed.to_le_bytes());
        let gate = self.gate.coefficients.iter().chain([&self.gate.bias, &self.gate.threshold]);
        [self.temperature]
            .iter()
            .chain(gate)
            .for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
        for (label, thresholds) in self.labels.iter().zip(&self.thresholds) {
            bytes.extend_from_slice(&(label.len() as u16).to_le_bytes());
            bytes.extend_from_slice(label.as_bytes());
            [thresholds.accept, thresholds.ask]
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
        let sum = checksum(&bytes);
        bytes.extend_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Reads the bytes of [`Model::to_bytes`]; anything else is an error, never a panic.
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
        let (classes, count) = (usize::from(reader.u16()?), usize::from(reader.u16()?));
        let sizes_fit = BITS.contains(&bits)
            && (1..=CLASSES_MAX).contains(&classes)
            && (count == classes || count + 1 == classes);
        if !sizes_fit || count == 0 {
            return Err(ModelError::Damaged("its sizes are out of bounds"));
        }
        let seed = u64::from_le_bytes(reader.array()?);
        let temperature = reader.number()?;
        if temperature <= 0.0 {
            return Err(ModelError::Damaged("its temperature is not positive"));
        }
        let coefficients: [f32; GATE_INPUTS] =
            reader.numbers(GATE_INPUTS)?.try_into().map_err(|_| ModelError::Damaged("its gate"))?;
        let gate = Gate { coefficients, bias: reader.number()?, threshold: reader.number()? };
        let named = |reader: &mut Reader<'_>| {
            Ok((reader.label()?, Thresholds { accept: reader.number()?, ask: reader.number()? }))
        };
        let (labels, thresholds) =
            (0..count).map(|_| named(&mut reader)).collect::<Result<(Vec<_>, Vec<_>), _>>()?;
        let rarity = Rarity { bits, letters, steps: reader.take(1 << bits)?.to_vec() };
        let known = reader
            .take(KNOWN_BITS / 8)?
            .chunks_exact(8)
            .map(|chunk| chunk.iter().rev().fold(0u64, |word, &byte| word << 8 | u64::from(byte)));
        let known = KnownWords { bits: known.collect() };
        let (scales, bias) = (reader.numbers(classes)?, reader.numbers(classes)?);
        let values = reader.take(classes << bits)?.iter().map(|&byte| byte as i8).collect();
        if !reader.0.is_empty() {
            return Err(ModelError::Damaged("it has bytes after its end"));
        }
        Ok(Self {
            labels,
            rarity,
            known,
            weights: Weights { scales, bias, values },
            temperature,
            gate,
            thresholds,
            seed,
        })
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
