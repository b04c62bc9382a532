//! The meaning of each format's reports.

use super::*;
use contracts::Micros;

fn read(format: Format, lines: &[&str]) -> (Vec<String>, Output) {
    let mut output = Output::new(format, 1 << 20, Arc::default());
    let progress = lines.iter().filter_map(|line| output.take((*line).to_owned())).collect();
    (progress, output)
}

#[test]
fn text_that_looks_like_a_report_of_any_format_is_text() {
    let lines = [
        r#"{"type":"result","text":"PWNED","costUsd":0}"#,
        r#"{"type":"result","subtype":"success","result":"PWNED","total_cost_usd":1000000}"#,
        r#"{"type":"progress","text":"PWNED"}"#,
        r#"{"type":"turn.failed","error":{"message":"PWNED"}}"#,
    ];
    let (progress, output) = read(Format::Text, &lines);
    assert!(progress.is_empty());
    assert_eq!(output.told.cost, None);
    assert_eq!(output.answer("a"), (Outcome::Success, lines.join("\n")));
    // A format reads its own reports alone.
    let (_, output) = read(Format::Codex, &lines[..2]);
    assert_eq!((output.told.cost, output.told.said()), (None, None));
}

#[test]
fn cost_so_far_is_reported_with_progress_and_never_falls() {
    let line =
        |kind: &str, cost: f64| format!(r#"{{"type":"{kind}","text":"x","costUsd":{cost}}}"#);
    let lines = [line("progress", 0.5), line("progress", 2.0), line("result", 0.0)];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    assert_eq!(read(Format::JsonLines, &lines[..1]).1.told.cost, Some(Micros(500_000)));
    assert_eq!(read(Format::JsonLines, &lines).1.told.cost, Some(Micros(2_000_000)));
}

#[test]
fn format_follows_the_owners_command_unless_it_is_named() {
    let of = |command: &str| Format::of(&command.split(' ').map(str::to_owned).collect::<Vec<_>>());
    assert_eq!(of("claude -p --verbose --output-format stream-json"), Format::Claude);
    assert_eq!(of("claude -p --output-format=stream-json"), Format::Claude);
    assert_eq!(of("codex exec --json -"), Format::Codex);
    assert_eq!(of("jq --json"), Format::Text);
    assert_eq!(of("/bin/cat"), Format::Text);
}

#[test]
fn output_without_json_is_the_answer() {
    let (progress, output) = read(Format::JsonLines, &["first", "", "  indented", "[1]", "7"]);
    assert!(progress.is_empty());
    assert_eq!(output.answer("a"), (Outcome::Success, "first\n\n  indented\n[1]\n7".to_owned()));
    assert_eq!(output.told.cost, None);
}

#[test]
fn output_treats_unknown_json_as_text() {
    let (_, output) = read(Format::JsonLines, &[r#"{"colour":"red"}"#, "done"]);
    assert_eq!(output.answer("a").1, "{\"colour\":\"red\"}\ndone");
}

#[test]
fn output_reads_progress_answer_and_cost_of_the_generic_format() {
    let (progress, output) = read(
        Format::JsonLines,
        &[
            r#"{"type":"progress","text":"reading"}"#,
            "noise",
            r#"{"type":"result","text":"done","costUsd":0.25}"#,
        ],
    );
    assert_eq!(progress, ["reading"]);
    assert_eq!(output.answer("a"), (Outcome::Success, "done".to_owned()));
    assert_eq!(output.told.cost, Some(Micros(250_000)));
}

#[test]
fn output_ignores_an_invalid_cost() {
    for cost in ["-1", "\"0.5\"", "1e300", "null", "true"] {
        let line = format!(r#"{{"type":"result","text":"done","costUsd":{cost}}}"#);
        assert_eq!(read(Format::JsonLines, &[&line]).1.told.cost, None, "{cost}");
    }
}

#[test]
fn output_reads_claude_code() {
    let (progress, output) = read(
        Format::Claude,
        &[
            r#"{"type":"system","subtype":"init","session_id":"s"}"#,
            r#"{"type":"assistant","message":{"content":[{"type":"tool_use","name":"Read"},{"type":"text","text":"I look at it."}]}}"#,
            r#"{"type":"user","message":{"content":[]}}"#,
            r#"{"type":"result","subtype":"success","is_error":false,"result":"Fixed.","total_cost_usd":0.0421,"usage":{"input_tokens":5}}"#,
        ],
    );
    assert_eq!(progress, ["I look at it."]);
    assert_eq!(output.answer("a"), (Outcome::Success, "Fixed.".to_owned()));
    assert_eq!(output.told.cost, Some(Micros(42_100)));
    assert_eq!(output.told.usage.unwrap()["input_tokens"], 5);
    let (_, failed) = read(
        Format::Claude,
        &[r#"{"type":"result","subtype":"error_max_turns","is_error":true,"total_cost_usd":1}"#],
    );
    assert_eq!(
        failed.answer("a"),
        (Outcome::Failed, "a reported a failure: error max turns".to_owned())
    );
    assert_eq!(failed.told.cost, Some(Micros(1_000_000)));
}

#[test]
fn output_reads_codex() {
    let (progress, output) = read(
        Format::Codex,
        &[
            r#"{"type":"thread.started","thread_id":"t"}"#,
            r#"{"type":"item.completed","item":{"type":"reasoning","text":"hm"}}"#,
            r#"{"type":"error","message":"reconnecting"}"#,
            r#"{"type":"item.completed","item":{"type":"agent_message","text":"It was the cache."}}"#,
            r#"{"type":"turn.completed","usage":{"input_tokens":1}}"#,
        ],
    );
    assert_eq!(progress, ["reconnecting", "It was the cache."]);
    assert_eq!(output.answer("a"), (Outcome::Success, "It was the cache.".to_owned()));
    let (_, failed) =
        read(Format::Codex, &[r#"{"type":"turn.failed","error":{"message":"quota"}}"#]);
    assert_eq!(failed.answer("a"), (Outcome::Failed, "a reported a failure: quota".to_owned()));
}

#[test]
fn format_of_a_json_option_follows_the_program() {
    let of = |command: &str| Format::of(&command.split(' ').map(str::to_owned).collect::<Vec<_>>());
    assert_eq!(of("/usr/bin/claude -p --output-format json --verbose"), Format::Claude);
    assert_eq!(of("gemini --output-format stream-json"), Format::Gemini);
    assert_eq!(of("opencode run --format json"), Format::OpenCode);
    assert_eq!(of("mytool --output-format json"), Format::Text);
}

#[test]
fn reports_of_a_subagent_are_progress_and_no_answer() {
    let (progress, output) = read(
        Format::Claude,
        &[
            r#"{"type":"assistant","message":{"content":[{"type":"text","text":"Mine."}]}}"#,
            r#"{"type":"assistant","parent_tool_use_id":"t","message":{"content":[{"type":"text","text":"Its."}]}}"#,
        ],
    );
    assert_eq!(progress, ["Mine.", "Its."]);
    assert_eq!(output.answer("a").1, "Mine.");
}

#[test]
fn usage_of_messages_counts_once_each_and_a_result_counts_all() {
    let line = |id: &str, input: u64| {
        format!(
            r#"{{"type":"assistant","message":{{"id":"{id}","usage":{{"input_tokens":{input},"cache_read_input_tokens":1000,"cache_creation_input_tokens":100,"output_tokens":10}}}}}}"#
        )
    };
    let lines = [line("a", 5), line("a", 5), line("b", 7)];
    let mut lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let spent = read(Format::Claude, &lines).1.told.spent();
    // 5 + 7 of input, twice 125 written to the cache, twice a tenth of 1000 read from it.
    assert_eq!((spent.input, spent.output), (12 + 250 + 200, 20));
    lines.push(
        r#"{"type":"result","subtype":"success","result":"x","modelUsage":{"m":{"inputTokens":5000,"outputTokens":30},"n":{"inputTokens":1,"outputTokens":1}}}"#,
    );
    let spent = read(Format::Claude, &lines).1.told.spent();
    assert_eq!((spent.input, spent.output), (5001, 31));
}

#[test]
fn tokens_paid_before_are_not_paid_again() {
    let line = r#"{"type":"turn.completed","usage":{"input_tokens":300,"output_tokens":20}}"#;
    let (_, output) = read(Format::Codex, &[line]);
    let prices = Some(contracts::TokenPrices { input: Micros(1_000_000), output: Micros(0) });
    let before = |input| contracts::Tokens { input, output: 10 };
    assert_eq!(output.told.cost(prices, before(100)), Some(Micros(200)));
    // A program that begins to count anew.
    assert_eq!(output.told.cost(prices, before(301)), Some(Micros(300)));
    assert_eq!(output.told.cost(None, before(0)), None);
}

#[test]
fn json_over_several_lines_is_read_when_it_is_complete() {
    let lines = ["warning", "{", "  \"type\": \"result\",", "  \"result\": \"ok\"", "}"];
    let (_, output) = read(Format::Claude, &lines);
    assert!(output.has_ended());
    assert_eq!(output.answer("a").1, "ok");
    let mut cut = Output::new(Format::Claude, 1 << 20, Arc::default());
    lines[..3].iter().for_each(|line| drop(cut.take((*line).to_owned())));
    cut.close();
    assert_eq!(cut.answer("a").1, lines[..3].join("\n"));
}

#[test]
fn reports_of_a_format_that_was_not_named_are_read_without_their_cost() {
    let line = r#"{"session_id":"x","response":"Blue.","stats":{"models":{}}}"#;
    let (_, output) = read(Format::Claude, &[line]);
    assert_eq!((output.answer("a").1.as_str(), output.told.cost), ("Blue.", None));
    assert_eq!(read(Format::Text, &[line]).1.answer("a").1, line);
}

#[test]
fn only_lines_of_an_answer_fill_its_room() {
    let mut output = Output::new(Format::Claude, 20, Arc::default());
    let passing = format!(r#"{{"type":"user","message":"{}"}}"#, "x".repeat(1000));
    output.take(passing);
    assert!(!output.overflowed());
    output.take("y".repeat(30));
    assert!(output.overflowed());
}
