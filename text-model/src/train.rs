//! Softmax regression over hashed features, trained by AdaGrad with dropout.
//!
//! Per weight: g is the gradient of the cross entropy, G the sum of its squares, and the step
//! rate·g/√(G + ε), with the rate falling linearly to 0 (Duchi, Hazan and Singer 2011). ε matters:
//! with 1e-6 the first visit to a rare n-gram moves its weight by the full rate whatever the error
//! was, which cost 1 point of accuracy and 25 points of AUROC on CLINC150. Each visit drops half of
//! a line's features and doubles the rest, so that no single n-gram decides alone.
#![expect(
    clippy::indexing_slicing,
    reason = "rows are cut at multiples of `stride` from tables of 2^bits × stride; labels are \
        below the class count"
)]

use crate::arithmetic::{Random, softmax};
use crate::features::Feature;

const RATE: f32 = 1.0;
const EPSILON: f32 = 0.03;
/// Gradients below this move no weight by a step of the int8 table.
const GRADIENT_MIN: f32 = 1e-4;
/// Visits per epoch that a class needs to compete with any other. On CLINC150's domains with 10 and
/// 20 lines for two of them and 400 for the others, 300 visits raise accuracy from 79.9 to 83.0 %
/// (100: 82.0) and cost the others nothing.
const ENOUGH: f32 = 300.0;
/// Maximum visits of one line per epoch.
const VISITS_MAX: usize = 30;
/// Minimum remainder from which the other labels' shares are computed.
const REST_MIN: f32 = 1e-3;
/// Rows are padded to a multiple of this, so that the compiler can use whole vector registers.
const LANES: usize = 4;

/// One training line.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    pub features: &'a [Feature],
    pub label: usize,
    pub weight: f32,
    /// Whether it is an exclusion: an example for every label but this one.
    pub against: bool,
}

/// Parameters of a training.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    pub classes: usize,
    /// Number of agent classes; index `labels`, if present, is out of scope.
    pub labels: usize,
    pub epochs: usize,
    /// Trainings with different seeds whose weights are averaged.
    pub runs: usize,
    /// The table has 2^bits rows.
    pub bits: u32,
    pub seed: u64,
}

/// Trained weights before rounding: `weights[bucket · stride + class]`.
#[derive(Clone, Debug)]
pub struct Dense {
    pub classes: usize,
    pub stride: usize,
    pub weights: Vec<f32>,
    pub bias: Vec<f32>,
    /// The sums of squared gradients, as large as the weights. They stay allocated for as long:
    /// freed earlier, they would leave a hole that small allocations fragment, and WebAssembly's
    /// memory, which only grows, could not fit the next training.
    squares: Vec<f32>,
}

impl Dense {
    fn zeros(classes: usize, bits: u32) -> Self {
        let stride = classes.div_ceil(LANES) * LANES;
        Self {
            classes,
            stride,
            weights: vec![0.0; stride << bits],
            bias: vec![0.0; stride],
            squares: vec![EPSILON; stride << bits],
        }
    }
    fn row(&self, bucket: u16) -> &[f32] {
        let start = usize::from(bucket) * self.stride;
        &self.weights[start..start + self.stride]
    }
    /// Logits of one message, before temperature.
    pub fn logits(&self, features: &[Feature]) -> Vec<f32> {
        let mut logits = self.bias.clone();
        for &(bucket, value) in features {
            logits
                .iter_mut()
                .zip(self.row(bucket))
                .for_each(|(logit, weight)| *logit += value * weight);
        }
        logits.truncate(self.classes);
        logits
    }
}

/// Trains weights for these lines. The same lines and plan give the same weights on every machine.
pub fn fit(lines: &[Line<'_>], plan: Plan) -> Dense {
    let runs = plan.runs.max(1);
    let mut sum = run(lines, plan, plan.seed);
    if runs > 1 {
        sum.squares = Vec::new();
    }
    for extra in 1..runs {
        let other = run(lines, plan, plan.seed.wrapping_add(extra as u64));
        sum.weights.iter_mut().zip(&other.weights).for_each(|(total, weight)| *total += weight);
        sum.bias.iter_mut().zip(&other.bias).for_each(|(total, weight)| *total += weight);
    }
    if runs > 1 {
        let share = 1.0 / runs as f32;
        sum.weights.iter_mut().chain(&mut sum.bias).for_each(|weight| *weight *= share);
    }
    sum
}

fn run(lines: &[Line<'_>], plan: Plan, seed: u64) -> Dense {
    let mut learner = Learner::new(plan);
    let mut random = Random::new(seed);
    let mut order = visits(lines, plan);
    let (mut step, steps) = (0usize, (plan.epochs * order.len()).max(1));
    for _ in 0..plan.epochs {
        random.shuffle(&mut order);
        for &place in &order {
            learner.learn(lines[place], RATE * (1.0 - step as f32 / steps as f32), &mut random);
            step += 1;
        }
    }
    learner.dense
}

/// Indices of the lines, with those of small classes repeated, so that a new agent with five
/// examples can compete with agents with hundreds. Each visit drops other features, so lines are
/// not memorised. Out-of-scope lines come once: repeating them attracts in-scope lines (CLINC150's
/// domains: 97.0 instead of 97.2 % right).
fn visits(lines: &[Line<'_>], plan: Plan) -> Vec<usize> {
    let mut sizes = vec![0.0f32; plan.classes];
    lines.iter().filter(|line| !line.against).for_each(|line| sizes[line.label] += line.weight);
    let enough = sizes.iter().copied().fold(0.0, f32::max).min(ENOUGH);
    let again = |label: usize| ((enough / sizes[label].max(1.0)) as usize).clamp(1, VISITS_MAX);
    let times = |line: &Line<'_>| if line.label < plan.labels { again(line.label) } else { 1 };
    lines
        .iter()
        .enumerate()
        .flat_map(|(place, line)| std::iter::repeat_n(place, times(line)))
        .collect()
}

/// Weights with their squared gradients and the buffers of one step.
struct Learner {
    dense: Dense,
    bias_squares: Vec<f32>,
    kept: Vec<Feature>,
    gradient: Vec<f32>,
}

impl Learner {
    fn new(plan: Plan) -> Self {
        let dense = Dense::zeros(plan.classes, plan.bits);
        Self {
            gradient: vec![0.0; dense.stride],
            bias_squares: vec![EPSILON; dense.stride],
            dense,
            kept: Vec::new(),
        }
    }

    fn learn(&mut self, line: Line<'_>, rate: f32, random: &mut Random) {
        self.drop_half(line.features, random);
        self.predict();
        if line.against {
            self.turn_away(line.label);
        } else {
            self.gradient[line.label] -= 1.0;
        }
        self.gradient.iter_mut().for_each(|gradient| *gradient *= line.weight);
        let active: Vec<usize> = (0..self.dense.classes)
            .filter(|&class| self.gradient[class].abs() > GRADIENT_MIN)
            .collect();
        if active.len() * 4 < self.dense.stride {
            self.update_some(&active, rate);
        } else {
            self.update_all(rate);
        }
    }

    fn drop_half(&mut self, features: &[Feature], random: &mut Random) {
        self.kept.clear();
        for group in features.chunks(64) {
            let mask = random.bits();
            let visible = group.iter().enumerate().filter(|(place, _)| mask >> place & 1 == 1);
            self.kept.extend(visible.map(|(_, &(bucket, value))| (bucket, value * 2.0)));
        }
    }

    /// Turns the probabilities in `gradient` into the slope of −ln(1 − p): p for the label itself,
    /// and the others share what it loses in proportion.
    fn turn_away(&mut self, label: usize) {
        let own = self.gradient[label];
        let share = own / (1.0 - own).max(REST_MIN);
        self.gradient.iter_mut().for_each(|gradient| *gradient *= -share);
        self.gradient[label] = own;
    }

    /// Fills `gradient` with the probabilities.
    fn predict(&mut self) {
        let dense = &self.dense;
        self.gradient.copy_from_slice(&dense.bias);
        widely(Predict {
            weights: &dense.weights,
            stride: dense.stride,
            kept: &self.kept,
            logits: &mut self.gradient,
        });
        softmax(&mut self.gradient[..dense.classes]);
        self.gradient[dense.classes..].fill(0.0);
    }

    fn update_all(&mut self, rate: f32) {
        let Self { dense, bias_squares, kept, gradient } = self;
        let Dense { weights, bias, squares, stride, .. } = dense;
        widely(Update {
            weights,
            squares,
            bias,
            bias_squares,
            stride: *stride,
            kept,
            gradient,
            rate,
        });
    }

    fn update_some(&mut self, active: &[usize], rate: f32) {
        let stride = self.dense.stride;
        for &(bucket, value) in &self.kept {
            let start = usize::from(bucket) * stride;
            let (weights, squares) = (
                &mut self.dense.weights[start..start + stride],
                &mut self.dense.squares[start..start + stride],
            );
            for &class in active {
                let slope = self.gradient[class] * value;
                squares[class] += slope * slope;
                weights[class] -= rate * slope / squares[class].sqrt();
            }
        }
        for &class in active {
            let slope = self.gradient[class];
            self.bias_squares[class] += slope * slope;
            self.dense.bias[class] -= rate * slope / self.bias_squares[class].sqrt();
        }
    }
}

/// Runs a loop with four-lane registers in WebAssembly, where a size-optimised build vectorises
/// nothing. Elsewhere the compiler vectorises, and better for few classes.
#[inline(always)]
fn widely(work: impl pulp::WithSimd<Output = ()>) {
    #[cfg(target_arch = "wasm32")]
    pulp::Arch::new().dispatch(work);
    #[cfg(not(target_arch = "wasm32"))]
    work.with_simd(pulp::Scalar::new());
}

/// Adds each kept feature's row, times its value, to the logits.
struct Predict<'a> {
    weights: &'a [f32],
    stride: usize,
    kept: &'a [Feature],
    logits: &'a mut [f32],
}

impl pulp::WithSimd for Predict<'_> {
    type Output = ();
    /// Performs the same additions and multiplications per lane with registers of 1, 2 or 4
    /// numbers, which divide a row of [`LANES`]; the bits do not depend on the width. Wider
    /// registers would need a separate loop for the remainder.
    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) {
        for &(bucket, value) in self.kept {
            let start = usize::from(bucket) * self.stride;
            let (wide, rest) = S::as_simd_f32s(&self.weights[start..start + self.stride]);
            let (wide_logits, _) = S::as_mut_simd_f32s(self.logits);
            debug_assert!(rest.is_empty(), "rows are as long as several registers");
            let values = simd.splat_f32s(value);
            for (logits, weights) in wide_logits.iter_mut().zip(wide) {
                *logits = simd.add_f32s(*logits, simd.mul_f32s(values, *weights));
            }
        }
    }
}

/// One AdaGrad step for every class.
struct Update<'a> {
    weights: &'a mut [f32],
    squares: &'a mut [f32],
    bias: &'a mut [f32],
    bias_squares: &'a mut [f32],
    stride: usize,
    kept: &'a [Feature],
    gradient: &'a [f32],
    rate: f32,
}

impl pulp::WithSimd for Update<'_> {
    type Output = ();
    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, simd: S) {
        for &(bucket, value) in self.kept {
            let start = usize::from(bucket) * self.stride;
            let range = start..start + self.stride;
            step(
                simd,
                &mut self.weights[range.clone()],
                &mut self.squares[range],
                self.gradient,
                value,
                self.rate,
            );
        }
        step(simd, self.bias, self.bias_squares, self.gradient, 1.0, self.rate);
    }
}

#[inline(always)]
fn step<S: pulp::Simd>(
    simd: S,
    weights: &mut [f32],
    squares: &mut [f32],
    gradient: &[f32],
    value: f32,
    rate: f32,
) {
    let ((weights, rest), (squares, _), (gradient, _)) =
        (S::as_mut_simd_f32s(weights), S::as_mut_simd_f32s(squares), S::as_simd_f32s(gradient));
    debug_assert!(rest.is_empty(), "rows are as long as several registers");
    let (values, rates) = (simd.splat_f32s(value), simd.splat_f32s(rate));
    for ((weight, square), gradient) in weights.iter_mut().zip(squares).zip(gradient) {
        let slope = simd.mul_f32s(*gradient, values);
        *square = simd.add_f32s(*square, simd.mul_f32s(slope, slope));
        *weight = simd
            .sub_f32s(*weight, simd.div_f32s(simd.mul_f32s(rates, slope), simd.sqrt_f32s(*square)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan { classes: 2, labels: 2, epochs: 20, runs: 1, bits: 14, seed: 1 }
    }

    #[test]
    fn training_repeats_lines_of_small_agents_but_not_out_of_scope_ones() {
        let line = |label| Line { features: &[], label, weight: 1.0, against: false };
        let lines: Vec<Line<'_>> = [(0, 400), (1, 10), (2, 50)]
            .into_iter()
            .flat_map(|(label, count)| (0..count).map(move |_| line(label)))
            .collect();
        let came = |plan: Plan| {
            let order = visits(&lines, plan);
            [0, 1, 2]
                .map(|label| order.iter().filter(|place| lines[**place].label == label).count())
        };
        assert_eq!(came(Plan { classes: 3, labels: 2, ..plan() }), [400, 300, 50]);
        assert_eq!(came(Plan { classes: 3, labels: 3, ..plan() }), [400, 300, 300]);
    }

    #[test]
    fn training_separates_two_separable_classes() {
        let (left, right) = ([(3u16, 0.7f32), (9, 0.7)], [(4u16, 0.7f32), (9, 0.7)]);
        let lines = [
            Line { features: &left, label: 0, weight: 1.0, against: false },
            Line { features: &right, label: 1, weight: 1.0, against: false },
        ];
        let dense = fit(&lines, plan());
        let logits = dense.logits(&left);
        assert!(logits[0] > logits[1] + 0.5, "{logits:?}");
    }

    #[test]
    fn training_gives_the_same_weights_for_the_same_seed() {
        let features = [(3u16, 0.5f32), (9, 0.5)];
        let lines = [Line { features: &features, label: 1, weight: 1.0, against: false }];
        assert_eq!(fit(&lines, plan()).weights, fit(&lines, plan()).weights);
    }
}
