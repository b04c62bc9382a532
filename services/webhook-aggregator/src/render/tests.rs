//! Properties of reading and cutting, whatever an agent writes.

#![allow(clippy::unwrap_used, reason = "a test may stop")]

use super::{MESSAGES_MAX, Mark, Rest, Rich, Room, of_markdown, parts};
use proptest::prelude::*;

fn letters(text: &str) -> String {
    text.chars().filter(|ch| ch.is_alphanumeric()).collect()
}

/// Everything that a reader finds: the text, with languages and addresses.
fn all_letters(rich: &Rich) -> usize {
    let hidden = rich.spans.iter().map(|span| match &span.mark {
        Mark::Pre(language) => letters(language).len(),
        _ => 0,
    });
    letters(&rich.text).len() + hidden.sum::<usize>()
}

fn text_size(rich: &Rich) -> usize {
    rich.text.chars().count()
}

#[test]
fn marks_are_taken_out_and_nothing_else() {
    for (markdown, text) in [
        ("2**10 == 1024 and a**b; 3 ** 2 ** 1", "2**10 == 1024 and a**b; 3 ** 2 ** 1"),
        ("from a import __init__, a_b_c, _x", "from a import __init__, a_b_c, _x"),
        ("src/*.rs, lib/*.rs", "src/*.rs, lib/*.rs"),
        ("f(*args, **kwargs) and 5*3*2", "f(*args, **kwargs) and 5*3*2"),
        ("**bold** and *soft*, ~~gone~~, `x**y`", "bold and soft, gone, x**y"),
        ("about ~5 to ~10", "about ~5 to ~10"),
        ("这是**重点**内容", "这是重点内容"),
        ("Totals:\n  a: 1\n  b: 2", "Totals:\n  a: 1\n  b: 2"),
        ("a\n\n\n\nb", "a\n\n\n\nb"),
        ("- one\n  - two\n    more\n\n3) three", "- one\n  - two\n    more\n\n3) three"),
        ("* one\n+ two", "- one\n- two"),
        ("> quoted\n> > deeper\nlazy\n\nend", "quoted\n> deeper\nlazy\n\nend"),
        ("- > in a list\n  > more", "- in a list\nmore"),
        ("# Head #\ntext\n\nUnder\n===\nmore", "Head\ntext\n\nUnder\nmore"),
        ("\\*not bold\\* &amp; 1 &lt; 2", "*not bold* & 1 < 2"),
        ("[docs](https://x.y) [file](src/a.rs) <https://x.y>", "docs file (src/a.rs) https://x.y"),
        ("[https://good.org](https://evil.org)", "https://good.org (https://evil.org)"),
        ("![alt](https://x.y/i.png) ![](https://x.y)", "alt https://x.y"),
        ("````\n```js\na\n```\n````\nend", "```js\na\n```\nend"),
        ("~~~\na**b**c\n~~~", "a**b**c"),
        ("```no language: 1\nx", "no language: 1\nx"),
        ("1. a\n   ```sh\n   ls\n   ```\n2. b", "1. a\nls\n2. b"),
        ("a <b>c</b>\n<div>\nd\n</div>", "a <b>c</b>\n<div>\nd\n</div>"),
        ("---\n\nafter", "---\n\nafter"),
        ("a  \nb\\\nc", "a\nb\nc"),
        ("line\r\nnext\r\n", "line\nnext"),
        ("**loose end **", "loose end"),
        ("**95**% and **Yes**/**No**, **f**(x)", "95% and Yes/No, f(x)"),
        ("$**5**, x=**1** #**2**, *soft*. *end*", "$5, x=1 #2, soft. end"),
        ("a/*/b/*/c, (a)*b*(c), *.rs and x/*.rs*", "a/*/b/*/c, (a)*b*(c), *.rs and x/*.rs*"),
    ] {
        assert_eq!(of_markdown(markdown).text, text, "{markdown:?}");
    }
}

#[test]
fn table_becomes_lines_of_one_width() {
    let rich = of_markdown("| Name | Age |\n|---|--:|\n| Ines | 41 |\n| **Bo** | `7` |\n\nend");
    assert_eq!(rich.text, "Name | Age\n-----+----\nInes |  41\nBo   |   7\n\nend");
    assert_eq!(rich.spans.len(), 1);
}

#[test]
fn characters_that_are_no_marks_stay_in_a_table() {
    let cells = [
        ("2**10 and a**b", "2**10 and a**b"),
        ("src/*.rs, lib/*.rs", "src/*.rs, lib/*.rs"),
        ("__init__", "__init__"),
        ("~~$49~~ $39", "~~$49~~ $39"),
        ("~5 to ~6", "~5 to ~6"),
        ("**bold** *soft* [x](https://y.z)", "bold soft x (https://y.z)"),
        ("a \\| b \\*c\\*", "a | b *c*"),
        ("**[x](src/a.rs)**", "x (src/a.rs)"),
    ];
    for (cell, text) in cells {
        let rich = of_markdown(&format!("| Name | B |\n|---|---|\n| {cell} | 1 |\n"));
        let line = rich.text.lines().nth(2).unwrap();
        assert_eq!(line, format!("{text} | 1"), "{cell}");
    }
}

#[test]
fn cut_reopens_what_it_cuts() {
    let size = &text_size;
    let code: String = (0..40).map(|n| format!("    let x{n} = {n};\n")).collect();
    let rich = of_markdown(&format!("Here it is:\n\n```rust\n{code}```\n\nDone."));
    let found = parts(&rich, Room { units: 300, size }, MESSAGES_MAX, Rest::OnDashboard);
    assert!(found.messages.len() > 2);
    for message in &found.messages {
        let blocks = message.spans.iter().filter(|span| span.mark == Mark::Pre("rust".to_owned()));
        assert_eq!(blocks.count(), 1, "{message:?}");
    }
    assert!(found.messages[1].text.starts_with("    let x"));
    let bold = of_markdown(&format!("**{}**", "word ".repeat(100).trim()));
    let found = parts(&bold, Room { units: 200, size }, MESSAGES_MAX, Rest::OnDashboard);
    assert!(found.messages.iter().all(|message| message.spans[0].range == (0..message.text.len())));
}

#[test]
fn text_too_long_for_a_chat_says_so_in_its_last_part() {
    let rich = of_markdown(&"A line of words. ".repeat(3000));
    let found =
        parts(&rich, Room { units: 1000, size: &text_size }, MESSAGES_MAX, Rest::OnDashboard);
    assert_eq!(found.messages.len(), 20);
    let last = found.messages.last().unwrap();
    assert!(last.text.contains("Cut here") && last.text.ends_with("(20/20)"), "{}", last.text);
    let shown: usize = found.messages.iter().map(text_size).sum();
    assert!(found.left_out > 30_000 && shown + found.left_out > 51_000 - 100);
    assert!(found.messages.iter().all(|message| text_size(message) <= 1000));
}

#[test]
fn family_of_one_character_stays_together() {
    let rich = of_markdown(&"👨‍👩‍👧‍👦".repeat(20));
    let found = parts(
        &rich,
        Room { units: 20, size: &|rich: &Rich| rich.text.chars().count() },
        MESSAGES_MAX,
        Rest::OnDashboard,
    );
    let is_whole = |message: &Rich| {
        message.text.split('(').next().unwrap().trim().chars().count().is_multiple_of(7)
    };
    assert!(found.messages.iter().take(3).all(is_whole), "{found:?}");
}

fn markdown() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a",
        "word",
        "Zeile",
        "7",
        "x_y",
        "2**10",
        "__init__",
        "**",
        "*",
        "_",
        "~~",
        "~",
        "`",
        "``",
        "```",
        "````",
        "~~~",
        "> ",
        "# ",
        "- ",
        "1. ",
        "    ",
        " ",
        " ",
        " ",
        "\n",
        "\n",
        "\n\n",
        "\\*",
        "é",
        "🚀",
        "👨‍👩‍👧",
        "(",
        ")",
        "**b**",
        "*i*",
        "`c`",
        "```rust\nlet x;\n```\n",
        ".",
        "!",
        "long0123456789",
    ]);
    prop::collection::vec(piece, 0..80).prop_map(|pieces| pieces.concat())
}

/// Marks around a text. Underscores are none: a name such as `__init__` keeps them.
const AROUND: [&str; 4] = ["**", "*", "~~", "***"];

/// A line of any visible characters, with single spaces.
fn line() -> impl Strategy<Value = String> {
    "\\PC{1,24}".prop_filter_map("it is empty", |text| {
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        (!text.is_empty()).then_some(text)
    })
}

/// Markdown, with the text that it stands for: text in marks, code, and code in a fence.
fn exact() -> impl Strategy<Value = (String, String)> {
    let escaped = |text: &str| {
        let letter = |letter: char| {
            let is_mark = letter.is_ascii_punctuation();
            if is_mark { format!("\\{letter}") } else { letter.to_string() }
        };
        text.chars().map(letter).collect::<String>()
    };
    let words = line().prop_map(move |text| (escaped(&text), text));
    // Beside other marks a star may be one of a pattern or a formula.
    let marked = (line(), 0..AROUND.len()).prop_map(move |(text, at)| {
        let text = format!("a{text}z");
        (format!("{0}{1}{0}", AROUND[at], escaped(&text)), text)
    });
    let code = line().prop_map(|text| {
        let text = text.replace('`', "'");
        (format!("`{text}`"), text)
    });
    let paragraph =
        prop::collection::vec(prop_oneof![words, marked, code], 1..5).prop_map(|pieces| {
            let (sources, texts): (Vec<_>, Vec<_>) = pieces.into_iter().unzip();
            (sources.join(" "), texts.join(" "))
        });
    let fence = prop::collection::vec(line(), 1..4).prop_map(|lines| {
        let text = lines.join("\n").replace("~~~", "~~");
        (format!("~~~\n{text}\n~~~"), text)
    });
    prop::collection::vec(prop_oneof![3 => paragraph, 1 => fence], 1..4).prop_map(|blocks| {
        let (sources, texts): (Vec<_>, Vec<_>) = blocks.into_iter().unzip();
        (sources.join("\n\n"), texts.join("\n\n"))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Only marks go: every letter and digit of the source is still there, in its order.
    #[test]
    fn reading_loses_no_letter(source in markdown()) {
        let rich = of_markdown(&source);
        prop_assert_eq!(all_letters(&rich), letters(&source).len(), "{:?}", rich);
        for span in &rich.spans {
            prop_assert!(rich.text.get(span.range.clone()).is_some_and(|text| !text.is_empty()));
        }
    }

    /// Marks go, and every other character of text and code stays as it is.
    #[test]
    fn reading_changes_no_character((source, text) in exact()) {
        prop_assert_eq!(of_markdown(&source).text, text);
    }

    #[test]
    fn reading_takes_any_text(source in any::<String>()) {
        let rich = of_markdown(&source);
        for span in &rich.spans {
            prop_assert!(rich.text.get(span.range.clone()).is_some());
        }
    }

    /// The parts hold all of the text, each within its room, and no word is cut.
    #[test]
    fn parts_hold_everything(source in markdown(), units in 40_usize..90) {
        let rich = of_markdown(&source);
        let found = super::cut::cut(&rich, Room { units, size: &text_size }, usize::MAX);
        let texts: Vec<&str> = found.iter().map(|piece| &rich.text[piece.clone()]).collect();
        prop_assert_eq!(letters(&texts.concat()), letters(&rich.text));
        for piece in &found {
            prop_assert!(rich.text[piece.clone()].chars().count() <= units);
            prop_assert!(!rich.text[piece.clone()].trim().is_empty());
        }
        let between = found.windows(2).map(|pair| &rich.text[pair[0].end..pair[1].start]);
        for gap in between {
            prop_assert!(gap.chars().all(char::is_whitespace), "{gap:?}");
        }
    }
}

/// A cell may be as long as an answer, and a table may have thousands of rows.
#[test]
fn table_with_a_huge_cell_is_not_padded() {
    let (cell, row) = ("x".repeat(66_000), "|a|b|\n".repeat(5_000));
    for source in [format!("|a|\n|-|\n|{cell}|"), format!("|{cell}|y|\n|-|-|\n{row}")] {
        let rich = of_markdown(&source);
        assert!(rich.text.contains(&cell) && rich.text.len() < 2 * source.len());
    }
}

/// The work on a text grows with its length: whatever it holds, few marks lie around a character
/// and no more is measured than is sent.
#[test]
fn hostile_marks_bound_the_work_on_them() {
    let nested = |open: &str, close: &str| {
        format!("{}{}{}", open.repeat(8_000), "x\n".repeat(2_000), close.repeat(8_000))
    };
    for source in [
        nested("*a ", "a* "),
        nested("_a **b ", "b** a_ "),
        nested("> ", "> "),
        "`a`\n".repeat(25_000),
        "[a](".repeat(20_000),
        ">".repeat(50_000),
        format!("> {}", ">".repeat(50_000)),
        "**a **\n".repeat(5_000),
        "__a".repeat(20_000),
        "~~a~~\n```\n".repeat(5_000),
    ] {
        let rich = of_markdown(&source);
        let around = |at: usize| rich.spans.iter().filter(|s| s.range.contains(&at)).count();
        let most = (0..rich.text.len()).step_by(997).map(around).max().unwrap_or_default();
        assert!(most <= 18, "{most} marks around one character of {}", &source[..20]);
        let measured = std::cell::Cell::new(0);
        let size = |rich: &Rich| {
            measured.set(measured.get() + 1);
            text_size(rich)
        };
        let found =
            parts(&rich, Room { units: 4_000, size: &size }, MESSAGES_MAX, Rest::OnDashboard);
        assert!(found.messages.len() <= MESSAGES_MAX);
        // A search by halves for each message, in two rounds.
        assert!(measured.get() <= 2 * (MESSAGES_MAX + 2) * 14, "{} sizes", measured.get());
    }
}
