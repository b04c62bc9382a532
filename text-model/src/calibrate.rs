//! Turns scores into probabilities: a temperature, and a gate that detects out-of-scope messages.
//!
//! Both are learnt from lines that the scoring model has not seen. Temperature: folds of lines are
//! held out, and the negative log likelihood of their labels is minimised over T. Gate: trainings
//! leave out whole classes, and a logistic regression learns to separate their lines (out of scope)
//! from held-out lines of the remaining classes. So no out-of-scope examples are needed; with
//! enough of them, they join both as their own class. A small set gets constant gate slopes and
//! learns only the threshold.

use crate::arithmetic::{Random, exp, ln, sigmoid};
use crate::draft::Prepared;
use crate::features::KnownWords;
use crate::lexical::logit;
use crate::train::{FOLDS, Line, Plan, fit};

/// Held-out lines after which no further folds are trained.
const HELD_OUT_ENOUGH: usize = 600;
/// Maximum share of held-out in-scope lines that the gate may reject.
const REFUSED_MAX: f32 = 0.06;
/// Minimum held-out lines to learn a gate; below it, the constant gate is better. A gate learnt
/// from 3 lines of each of 2 to 8 CLINC150 intents passed more than half of the other intents'
/// lines; from 1 line of each of 8 it rejected everything.
const GATE_LINES_MIN: usize = 300;
/// Bounds of the constant gate's threshold. Held-out lines of a tiny set differ so much from the
/// rest that they would open the gate; very similar lines would close it.
const GIVEN_THRESHOLD: (f32, f32) = (0.4, 0.85);
/// Bounds of a learnt gate's threshold.
const LEARNT_THRESHOLD: (f32, f32) = (0.0, 0.5);
/// Weight of known out-of-scope lines in the gate, once there are enough of them.
const STRANGERS_SHARE: f32 = 0.8;
const STRANGERS_MIN: usize = 30;
const STRANGERS_ENOUGH: usize = 60;
/// Candidate thresholds, the share of right lines they need, and the minimum lines to judge them.
const ACCEPT: [f32; 6] = [0.35, 0.4, 0.45, 0.5, 0.55, 0.6];
const ASK: [f32; 4] = [0.15, 0.2, 0.25, 0.3];
const BELIEVED: f32 = 0.6;
const HOPELESS: f32 = 0.3;
const LINES_MIN: usize = 8;
/// Held-out lines that count as much for the temperature as the lexical score alone.
const FEW_HELD_OUT: f32 = 30.0;
/// Maximum of `ask` relative to an equal share of the labels, with files beside the examples.
const ASK_SHARE: f32 = 5.0;
/// Number of the gate's inputs.
pub const GATE_INPUTS: usize = 6;

/// P(in scope) = σ(coefficients · inputs + bias), assuming that half of all messages are in scope.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    pub coefficients: [f32; GATE_INPUTS],
    pub bias: f32,
    /// P(in scope) below which messages go to the fallback agent.
    pub threshold: f32,
}

impl Gate {
    /// The constant gate for small sets. With several labels the best logit matters most (it is
    /// near 0 for a message that shares little with any label), then the share of unknown words;
    /// with a single label the logit is always 0. Fitted to draws of 2 to 15 CLINC150 intents with
    /// 1 to 20 lines each.
    pub const fn given(labels: usize) -> Self {
        let (best, unknown, bias) = if labels > 1 { (1.75, -2.0, 0.5) } else { (0.0, -5.0, 3.0) };
        Self { coefficients: [best, 0.0, 0.0, unknown, 0.0, 0.0], bias, threshold: 0.5 }
    }
    /// P(in scope) of a message with these inputs.
    pub fn in_scope(&self, inputs: &[f32; GATE_INPUTS]) -> f32 {
        let sum: f32 = self
            .coefficients
            .iter()
            .zip(inputs)
            .map(|(coefficient, input)| coefficient * input)
            .sum();
        sigmoid(sum + self.bias)
    }
}

/// Learnt logits before they were scaled by the belief in them: the gate asks whether a message
/// resembles any example, however few there are.
pub fn unshrunk(logits: &[f32], belief: &[f32]) -> Vec<f32> {
    let of = |(logit, belief): (&f32, &f32)| if *belief > 0.0 { logit / belief } else { *logit };
    logits.iter().zip(belief).map(of).collect()
}

/// The gate's inputs. `logits` has one number per label, followed by that of the out-of-scope class
/// if it exists.
pub fn gate_inputs(
    logits: &[f32],
    labels: usize,
    unknown_share: f32,
    words: usize,
) -> [f32; GATE_INPUTS] {
    let (mut best, mut second) = (f32::MIN, f32::MIN);
    for &logit in logits.iter().take(labels) {
        if logit > best {
            (best, second) = (logit, best);
        } else if logit > second {
            second = logit;
        }
    }
    let margin = if labels > 1 { (best - second).min(20.0) } else { 0.0 };
    let energy = best + ln(logits.iter().take(labels).map(|logit| exp(logit - best)).sum());
    let other = logits.get(labels).map_or(0.0, |other| other - best);
    [best, margin, energy, unknown_share, other, ln(1.0 + words as f32)]
}

/// Confidence thresholds: from `accept` the label wins, from `ask` the sender is asked, below that
/// the message is out of scope.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Thresholds {
    pub accept: f32,
    pub ask: f32,
}

impl Thresholds {
    /// Thresholds without enough held-out lines.
    pub const DEFAULT: Self = Self { accept: 0.5, ask: 0.15 };
}

/// Everything learnt besides the weights.
pub struct Calibrated {
    pub temperature: f32,
    pub gate: Gate,
    /// One per label.
    pub thresholds: Vec<Thresholds>,
    /// One per label.
    pub held_out: Vec<HeldOutFigures>,
}

/// Results of a label's own messages with models that had not seen them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeldOutFigures {
    /// Held-out messages: all of a small set, some of a large one; none of a label with only a
    /// description.
    pub lines: usize,
    /// Messages whose best label was right.
    pub right: usize,
    /// The label that took most of the others, and how many.
    pub taken: Option<(usize, usize)>,
}

/// Calibrates a training set with the belief in each label's examples, see [`unshrunk`].
pub fn calibrate(lines: &[Prepared], belief: &[f32], plan: Plan) -> Calibrated {
    let labels = belief.len();
    let plan = Plan { runs: 1, ..plan };
    let folds = assign_folds(lines, plan);
    let mut rows = Vec::new();
    let held_out = held_out_scores(lines, &folds, belief, plan, &mut rows);
    let mut temperature = fit_temperature(&held_out);
    let described = lines.iter().any(|line| !line.offsets.is_empty());
    if described {
        // The lexical logits are probabilities without any line, so few lines change little.
        let count = held_out.len() as f32;
        temperature = exp(ln(temperature) * count / (count + FEW_HELD_OUT));
    }
    let mut thresholds = thresholds(&held_out, temperature, labels);
    if described {
        // Many similar files share a probability that one of them deserves.
        let most = ASK_SHARE / labels as f32;
        thresholds.iter_mut().for_each(|of_label| of_label.ask = of_label.ask.min(most));
    }
    let figures = figures(&held_out, labels);
    let (mut gate, mut bounds) = (Gate::given(labels), GIVEN_THRESHOLD);
    // Known out-of-scope lines are worth learning from, however few other lines there are.
    if labels > 2 && (held_out.len() >= GATE_LINES_MIN || plan.with_other()) {
        leave_classes_out(lines, &folds, belief, plan, &mut rows);
        if let Some(learnt) = fit_gate(&rows) {
            (gate, bounds) = (learnt, LEARNT_THRESHOLD);
        }
    }
    // From lines held out of the whole set, because with missing classes the remaining lines score
    // differently.
    gate.threshold = threshold(&held_out, &gate, bounds);
    Calibrated { temperature, gate, thresholds, held_out: figures }
}

/// Each label's results, one row of counts at a time: the full table would be megabytes with
/// hundreds of labels.
fn figures(held_out: &[HeldOut], labels: usize) -> Vec<HeldOutFigures> {
    let of_label = |label: usize| {
        let mut given = vec![0usize; labels];
        for line in held_out.iter().filter(|line| line.should_find && line.label == label) {
            if let Some(count) = given.get_mut(best(&line.logits).0) {
                *count += 1;
            }
        }
        let lines = given.iter().sum();
        let right = given.get_mut(label).map(std::mem::take).unwrap_or_default();
        let most = given.iter().copied().max().filter(|most| *most > 0);
        let taken =
            most.and_then(|most| Some((given.iter().position(|count| *count == most)?, most)));
        HeldOutFigures { lines, right, taken }
    };
    (0..labels).map(of_label).collect()
}

/// Index and value of the largest number.
fn best(logits: &[f32]) -> (usize, f32) {
    let top = logits.iter().copied().fold(f32::MIN, f32::max);
    (logits.iter().position(|logit| *logit == top).unwrap_or(0), top)
}

/// Each label's own thresholds, from the held-out lines assigned to it.
fn thresholds(held_out: &[HeldOut], temperature: f32, labels: usize) -> Vec<Thresholds> {
    let mut given: Vec<Vec<(f32, bool)>> = vec![Vec::new(); labels];
    for line in held_out {
        let (winner, top) = best(&line.logits);
        let sum: f32 = line.logits.iter().map(|logit| exp((logit - top) / temperature)).sum();
        if let Some(rows) = given.get_mut(winner) {
            rows.push((1.0 / sum, winner == line.label));
        }
    }
    given.iter().map(|rows| of_label(rows)).collect()
}

/// `accept`: the lowest confidence around which at least [`BELIEVED`] of the lines were right.
/// `ask`: the highest confidence below which fewer than [`HOPELESS`] were right. Both are bounded,
/// so that few lines cannot make a label win always or never.
fn of_label(rows: &[(f32, bool)]) -> Thresholds {
    let share = |from: f32, to: f32| {
        let within: Vec<bool> = rows
            .iter()
            .filter(|(confidence, _)| (from..to).contains(confidence))
            .map(|(_, right)| *right)
            .collect();
        (within.len() >= LINES_MIN)
            .then(|| within.iter().filter(|right| **right).count() as f32 / within.len() as f32)
    };
    let accept = ACCEPT
        .into_iter()
        .find(|at| share(at - 0.1, at + 0.1).is_some_and(|right| right >= BELIEVED));
    let ask =
        ASK.into_iter().rev().find(|at| share(0.0, *at).is_some_and(|right| right < HOPELESS));
    Thresholds {
        accept: accept.unwrap_or(Thresholds::DEFAULT.accept),
        ask: ask.unwrap_or(Thresholds::DEFAULT.ask),
    }
}

/// The fold of each line: round-robin within its class in random order. Lines of less than full
/// weight and exclusions are never held out.
fn assign_folds(lines: &[Prepared], plan: Plan) -> Vec<Option<usize>> {
    let any_whole = lines.iter().any(Prepared::should_find);
    let mut order: Vec<usize> = (0..lines.len()).collect();
    Random::new(plan.seed ^ 0xf01d).shuffle(&mut order);
    let mut counts = vec![0usize; plan.classes];
    let mut folds = vec![None; lines.len()];
    for place in order {
        let Some(line) =
            lines.get(place).filter(|line| !line.against && (line.should_find() || !any_whole))
        else {
            continue;
        };
        if let (Some(count), Some(fold)) = (counts.get_mut(line.label), folds.get_mut(place)) {
            *fold = Some(*count % FOLDS);
            *count += 1;
        }
    }
    folds
}

/// Logits of a held-out line with its label.
struct HeldOut {
    logits: Vec<f32>,
    inputs: [f32; GATE_INPUTS],
    label: usize,
    /// See [`Prepared::should_find`].
    should_find: bool,
}

/// One line for the gate: its inputs, and whether it is in scope.
struct GateRow {
    inputs: [f32; GATE_INPUTS],
    in_scope: bool,
    /// Whether it is a known out-of-scope line, as opposed to a line of a left-out class.
    stranger: bool,
}

/// Trains on some lines and scores the others.
fn scores_of_the_rest(
    lines: &[Prepared],
    keep: &dyn Fn(usize, &Prepared) -> bool,
    ask: &dyn Fn(usize, &Prepared) -> bool,
    plan: Plan,
) -> Vec<(usize, Vec<f32>, f32)> {
    let numbered = || lines.iter().enumerate();
    let kept: Vec<&Prepared> =
        numbered().filter(|(place, line)| keep(*place, line)).map(|(_, line)| line).collect();
    let known = KnownWords::of(kept.iter().filter(|line| !line.against).map(|line| &line.tokens));
    let training: Vec<Line<'_>> = kept.iter().map(|line| line.line()).collect();
    let dense = fit(&training, plan);
    let asked = numbered().filter(|(place, line)| ask(*place, line));
    asked
        .map(|(place, line)| (place, line.logits(&dense), known.unknown_share(&line.tokens)))
        .collect()
}

fn held_out_scores(
    lines: &[Prepared],
    folds: &[Option<usize>],
    belief: &[f32],
    plan: Plan,
    rows: &mut Vec<GateRow>,
) -> Vec<HeldOut> {
    let labels = belief.len();
    let mut held_out = Vec::new();
    let fold_of = |place: usize| folds.get(place).copied().flatten();
    for fold in 0..plan.folds {
        let scored = scores_of_the_rest(
            lines,
            &|place, _| fold_of(place) != Some(fold),
            &|place, _| fold_of(place) == Some(fold),
            plan,
        );
        for (place, mut logits, unknown) in scored {
            let Some(line) = lines.get(place) else { continue };
            let words = line.tokens.words.len();
            let seen = if line.offsets.is_empty() { None } else { Some(unshrunk(&logits, belief)) };
            let inputs = gate_inputs(seen.as_ref().unwrap_or(&logits), labels, unknown, words);
            if line.label >= labels {
                rows.push(GateRow { inputs, in_scope: false, stranger: true });
                continue;
            }
            logits.truncate(labels);
            logits.iter_mut().zip(&line.offsets).for_each(|(sum, offset)| *sum += logit(*offset));
            held_out.push(HeldOut {
                logits,
                inputs,
                label: line.label,
                should_find: line.should_find(),
            });
        }
        // Known out-of-scope lines are few and valuable, so they get more folds.
        if held_out.len() >= HELD_OUT_ENOUGH
            && (!plan.with_other() || rows.len() >= STRANGERS_ENOUGH)
        {
            break;
        }
    }
    held_out
}

fn leave_classes_out(
    lines: &[Prepared],
    folds: &[Option<usize>],
    belief: &[f32],
    plan: Plan,
    rows: &mut Vec<GateRow>,
) {
    let labels = belief.len();
    let groups = FOLDS.min(labels);
    let mut strangers = 0;
    for group in 0..groups.min(plan.folds) {
        let left_out = |line: &Prepared| line.label < labels && line.label % groups == group;
        let held_out = |place: usize| folds.get(place).copied().flatten();
        let keep =
            |place: usize, line: &Prepared| !left_out(line) && held_out(place) != Some(group);
        let ask = |place: usize, line: &Prepared| {
            held_out(place).is_some_and(|fold| fold == group || left_out(line))
        };
        for (place, mut logits, unknown) in scores_of_the_rest(lines, &keep, &ask, plan) {
            let Some(line) = lines.get(place) else { continue };
            if !line.offsets.is_empty() {
                logits = unshrunk(&logits, belief);
            }
            let mut class = 0;
            // The left-out classes' columns were never trained, so they are no candidates.
            logits.retain(|_| {
                class += 1;
                class > labels || (class - 1) % groups != group
            });
            let remaining = logits.len() - usize::from(plan.with_other());
            let inputs = gate_inputs(&logits, remaining, unknown, line.tokens.words.len());
            let in_scope = line.label < labels && !left_out(line);
            strangers += usize::from(!in_scope);
            rows.push(GateRow { inputs, in_scope, stranger: line.label >= labels });
        }
        if strangers >= HELD_OUT_ENOUGH {
            break;
        }
    }
}

/// The T that minimises `−Σ ln softmax(logits / T)[label]`, by golden section over ln T from −3
/// to 3.
fn fit_temperature(held_out: &[HeldOut]) -> f32 {
    if held_out.is_empty() {
        return 1.0;
    }
    let loss = |log_temperature: f32| -> f64 {
        let scale = exp(-log_temperature);
        let of_line = |line: &HeldOut| {
            let top = line.logits.iter().copied().fold(f32::MIN, f32::max);
            let sum: f32 = line.logits.iter().map(|logit| exp((logit - top) * scale)).sum();
            let own = line.logits.get(line.label).copied().unwrap_or(top);
            f64::from(ln(sum) - (own - top) * scale)
        };
        held_out.iter().map(of_line).sum()
    };
    const GOLDEN: f32 = 0.618_034;
    let (mut low, mut high) = (-3.0f32, 3.0f32);
    for _ in 0..24 {
        let (left, right) = (high - GOLDEN * (high - low), low + GOLDEN * (high - low));
        if loss(left) < loss(right) { high = right } else { low = left }
    }
    exp(f32::midpoint(low, high))
}

/// Logistic regression over standardised inputs, both sides weighted equally, by gradient descent
/// with momentum. `None` if one side has almost no lines.
fn fit_gate(rows: &[GateRow]) -> Option<Gate> {
    let inside = rows.iter().filter(|row| row.in_scope).count();
    let outside = rows.len() - inside;
    if inside < 5 || outside < 5 {
        return None;
    }
    let (means, deviations) = moments(rows);
    let standardise = |inputs: &[f32; GATE_INPUTS]| {
        let mut values = *inputs;
        values
            .iter_mut()
            .zip(&means)
            .zip(&deviations)
            .for_each(|((value, mean), deviation)| *value = (*value - mean) / deviation);
        values
    };
    let strangers = rows.iter().filter(|row| row.stranger).count();
    let share = if strangers >= STRANGERS_MIN && strangers < outside {
        STRANGERS_SHARE
    } else {
        strangers as f32 / outside as f32
    };
    let weight = |row: &GateRow| match (row.in_scope, row.stranger) {
        (true, _) => 0.5 / inside as f32,
        (false, true) => 0.5 * share / strangers as f32,
        (false, false) => 0.5 * (1.0 - share) / (outside - strangers) as f32,
    };
    let points: Vec<([f32; GATE_INPUTS], f32, f32)> = rows
        .iter()
        .map(|row| (standardise(&row.inputs), f32::from(u8::from(row.in_scope)), weight(row)))
        .collect();
    let mut gate = Gate { coefficients: [0.0; GATE_INPUTS], bias: 0.0, threshold: 0.5 };
    let mut speed = [0.0f32; GATE_INPUTS + 1];
    for _ in 0..300 {
        let mut slopes = [0.0f32; GATE_INPUTS + 1];
        for (inputs, target, weight) in &points {
            let error = (gate.in_scope(inputs) - target) * weight;
            slopes
                .iter_mut()
                .zip(inputs.iter().chain([&1.0]))
                .for_each(|(slope, input)| *slope += error * input);
        }
        let numbers = gate.coefficients.iter_mut().chain([&mut gate.bias]);
        for ((number, speed), slope) in numbers.zip(&mut speed).zip(slopes) {
            // Slight weight decay, so that two correlated inputs do not grow against each other.
            *speed = 0.9 * *speed - 0.5 * (slope + 1e-3 * *number);
            *number += *speed;
        }
    }
    // Converts the coefficients back from standardised inputs.
    for ((coefficient, mean), deviation) in
        gate.coefficients.iter_mut().zip(&means).zip(&deviations)
    {
        *coefficient /= deviation;
        gate.bias -= *coefficient * mean;
    }
    Some(gate)
}

fn moments(rows: &[GateRow]) -> ([f32; GATE_INPUTS], [f32; GATE_INPUTS]) {
    let count = rows.len() as f32;
    let (mut means, mut deviations) = ([0.0f32; GATE_INPUTS], [0.0f32; GATE_INPUTS]);
    for row in rows {
        means.iter_mut().zip(&row.inputs).for_each(|(mean, input)| *mean += input / count);
    }
    for row in rows {
        let squares =
            row.inputs.iter().zip(&means).map(|(input, mean)| (input - mean) * (input - mean));
        deviations
            .iter_mut()
            .zip(squares)
            .for_each(|(deviation, square)| *deviation += square / count);
    }
    // A constant input carries no information; dividing by 1 keeps its coefficient 0.
    deviations
        .iter_mut()
        .for_each(|deviation| *deviation = if *deviation > 1e-8 { deviation.sqrt() } else { 1.0 });
    (means, deviations)
}

/// The highest threshold within the bounds that rejects [`REFUSED_MAX`] of the in-scope lines.
fn threshold(held_out: &[HeldOut], gate: &Gate, (least, most): (f32, f32)) -> f32 {
    let mut scores: Vec<f32> = held_out.iter().map(|line| gate.in_scope(&line.inputs)).collect();
    scores.sort_unstable_by(f32::total_cmp);
    let place = (scores.len() as f32 * REFUSED_MAX) as usize;
    scores.get(place).copied().unwrap_or(gate.threshold).clamp(least, most)
}

#[cfg(test)]
mod tests;
