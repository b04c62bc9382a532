//! Exponential, logarithm and random numbers with the same bits on every machine.
//!
//! A model is identified by its graph's version, so training natively and on a Worker must give the
//! same result. `f32::exp` and `f32::ln` depend on each platform's libm; these use only additions,
//! multiplications and `sqrt`, which IEEE 754 defines exactly.

/// e^x for any finite x, relative error below 3e-7; saturates outside [-87, 88].
pub fn exp(x: f32) -> f32 {
    let x = x.clamp(-87.0, 88.0);
    // Rounds to the nearest integer: `round` would be a call and would stop the loops over classes
    // from being vectorised.
    let halves = (x * std::f32::consts::LOG2_E + 12_582_912.0) - 12_582_912.0;
    // ln 2 in two parts, so that the remainder keeps its low bits (Cody and Waite).
    let rest = x - halves * 0.693_359_4 + halves * 2.121_944_4e-4;
    let series = 1.0
        + rest
            * (1.0
                + rest
                    * (0.5
                        + rest
                            * (0.166_666_67
                                + rest
                                    * (0.041_666_67
                                        + rest * (0.008_333_33 + rest * 0.001_388_89)))));
    series * f32::from_bits(((halves as i32 + 127) as u32) << 23)
}

/// Natural logarithm of a positive number, relative error below 1e-7; any other number counts as
/// the smallest positive one.
pub fn ln(x: f32) -> f32 {
    let x = if x.is_finite() { x.max(f32::MIN_POSITIVE) } else { f32::MAX };
    let bits = x.to_bits();
    let mut exponent = (bits >> 23) as i32 - 127;
    let mut mantissa = f64::from(f32::from_bits((bits & 0x007f_ffff) | 0x3f80_0000));
    if mantissa > std::f64::consts::SQRT_2 {
        mantissa *= 0.5;
        exponent += 1;
    }
    // ln m = 2·atanh((m−1)/(m+1)), a series that converges fast near 1.
    let ratio = (mantissa - 1.0) / (mantissa + 1.0);
    let square = ratio * ratio;
    let series = 1.0
        + square
            * (1.0 / 3.0
                + square * (0.2 + square * (1.0 / 7.0 + square * (1.0 / 9.0 + square / 11.0))));
    (2.0 * ratio * series + f64::from(exponent) * std::f64::consts::LN_2) as f32
}

/// 1 / (1 + e^−x).
pub fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + exp(-x))
}

/// Turns logits into probabilities in place.
pub fn softmax(values: &mut [f32]) {
    let top = values.iter().copied().fold(f32::MIN, f32::max);
    let mut sum = 0.0;
    for value in values.iter_mut() {
        *value = exp(*value - top);
        sum += *value;
    }
    for value in values.iter_mut() {
        *value /= sum;
    }
}

/// `SplitMix64` (Steele, Lea and Flood 2014): small, fast, and good enough for shuffles and dropout
/// masks. Learnt models depend on its bits, so it is not left to a library that may change its
/// algorithm.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A stream determined by this seed alone.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }
    /// The next 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    /// A number below `limit` (which is at least 1); the bias of the multiplication is below 2⁻³².
    pub fn below(&mut self, limit: usize) -> usize {
        (((self.bits() >> 32) * limit as u64) >> 32) as usize
    }
    /// Uniform in [0, 1).
    pub fn uniform(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }
    /// Fisher–Yates.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_exp_and_ln_agree_with_libm() {
        for step in -800..800 {
            let x = step as f32 / 10.0;
            assert!((exp(x) / x.exp() - 1.0).abs() < 1e-6, "exp({x})");
            let y = 1.5f32.powi(step / 10);
            assert!((ln(y) - y.ln()).abs() <= 1e-6 * y.ln().abs().max(1.0), "ln({y})");
        }
    }

    #[test]
    fn random_stream_depends_on_the_seed_and_shuffle_keeps_every_item() {
        let mut items: Vec<u32> = (0..100).collect();
        Random::new(7).shuffle(&mut items);
        let mut again: Vec<u32> = (0..100).collect();
        Random::new(7).shuffle(&mut again);
        assert_eq!(items, again);
        again.sort_unstable();
        assert_eq!(again, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn softmax_sums_to_one_at_any_scale() {
        let mut values = [1000.0, 999.0, -1000.0];
        softmax(&mut values);
        assert!((values.iter().sum::<f32>() - 1.0).abs() < 1e-6);
    }
}
