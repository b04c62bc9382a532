//! The trained weights in one byte each, and the sums that they give.

use crate::features::Feature;
use crate::train::Dense;

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
        if classes == 0 {
            return Self { scales: Vec::new(), bias: Vec::new(), values: Vec::new() };
        }
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
            let start = usize::from(bucket) * classes;
            let row = self.values.get(start..start + classes).unwrap_or_default();
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
