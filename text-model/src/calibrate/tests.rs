//! Tests of the calibration: thresholds, the gate, and held-out lines.

use super::*;

fn held_out(logits: &[f32], label: usize) -> HeldOut {
    HeldOut { logits: logits.to_vec(), inputs: [0.0; GATE_INPUTS], label, should_find: true }
}

#[test]
fn calibration_counts_found_messages_and_the_label_that_takes_the_rest() {
    let [first, second, third] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    let described = HeldOut { should_find: false, ..held_out(&third, 2) };
    let lines = [
        held_out(&first, 0),
        held_out(&second, 0),
        held_out(&third, 0),
        held_out(&third, 0),
        held_out(&second, 1),
        described,
    ];
    let of = |lines, right, taken| HeldOutFigures { lines, right, taken };
    assert_eq!(figures(&lines, 3), [of(4, 1, Some((2, 2))), of(1, 1, None), of(0, 0, None)]);
}

#[test]
fn calibration_gives_overconfident_logits_a_temperature_above_one() {
    // The logits claim 99.99 %, but one in four is wrong.
    let held_out: Vec<HeldOut> =
        (0..400).map(|n| held_out(&[10.0, 0.0], usize::from(n % 4 == 0))).collect();
    let temperature = fit_temperature(&held_out);
    let confidence = 1.0 / (1.0 + (-10.0f32 / temperature).exp());
    assert!((confidence - 0.75).abs() < 0.01, "{temperature} {confidence}");
}

#[test]
fn calibration_gives_each_label_its_own_thresholds() {
    // Right from 0.3 up, and never right below 0.25.
    let sure: Vec<(f32, bool)> = (0..100)
        .map(|n| n as f32 / 100.0)
        .map(|confidence| (confidence, confidence > 0.3))
        .collect();
    assert_eq!(of_label(&sure), Thresholds { accept: 0.35, ask: 0.3 });
    // Only right when nearly certain.
    let doubtful: Vec<(f32, bool)> = (0..100)
        .map(|n| n as f32 / 100.0)
        .map(|confidence| (confidence, confidence > 0.55))
        .collect();
    assert_eq!(of_label(&doubtful).accept, 0.6);
    assert_eq!(of_label(&[]), Thresholds::DEFAULT);
}

#[test]
fn calibration_thresholds_stay_within_their_bounds() {
    let gate = Gate { coefficients: [1.0, 0.0, 0.0, 0.0, 0.0, 0.0], bias: 0.0, threshold: 0.5 };
    let of = |best: f32| {
        let lines: Vec<HeldOut> = (0..50)
            .map(|_| HeldOut { inputs: [best, 0.0, 0.0, 0.0, 0.0, 0.0], ..held_out(&[best], 0) })
            .collect();
        threshold(&lines, &gate, GIVEN_THRESHOLD)
    };
    assert_eq!((of(-5.0), of(5.0)), GIVEN_THRESHOLD);
    assert_eq!(of(1.0), gate.in_scope(&[1.0, 0.0, 0.0, 0.0, 0.0, 0.0]));
    assert_eq!(threshold(&[], &gate, GIVEN_THRESHOLD), 0.5);
}

#[test]
fn gate_separates_weak_from_strong_scores() {
    let row = |n: usize, in_scope: bool| GateRow {
        inputs: [
            if in_scope { 4.0 } else { 1.0 } + (n % 10) as f32 / 10.0,
            1.0,
            2.0,
            0.1,
            0.0,
            2.0,
        ],
        in_scope,
        stranger: false,
    };
    let rows: Vec<GateRow> = (0..100).map(|n| row(n, n % 2 == 0)).collect();
    let gate = fit_gate(&rows).unwrap();
    assert!(gate.in_scope(&[4.5, 1.0, 2.0, 0.1, 0.0, 2.0]) > 0.8);
    assert!(gate.in_scope(&[1.5, 1.0, 2.0, 0.1, 0.0, 2.0]) < 0.2);
}
