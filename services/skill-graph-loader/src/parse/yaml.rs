//! Parses YAML into JSON values, with bounds on nesting and repetition.

use saphyr_parser::{Event, Parser, ScalarStyle, StrInput, Tag};
use serde_json::{Number, Value};
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

/// Maximum nesting. More is a mistake or an attack: it would exhaust the stack, and JSON readers
/// stop at 128 levels, some of which the graph needs. One such file would block the publish of the
/// whole folder.
const DEPTH_MAX: usize = 64;
/// Maximum values and bytes of text stored for anchors and repeated by aliases; otherwise a few
/// lines could expand to gigabytes.
const REPEATED_MAX: usize = 256 * 1024;
/// Largest exact integer in JSON (2^53); larger numbers stay text, so that the digest is the same
/// everywhere.
const EXACT_INTEGER_MAX: u64 = 1 << 53;
/// The largest power of ten that a float holds exactly.
const EXACT_POWER_MAX: u32 = 22;
/// The prefix behind `!!int` and similar tags.
const CORE_TAGS: &str = "tag:yaml.org,2002:";

/// A parsed text.
#[derive(Clone, Debug, PartialEq)]
pub enum Document {
    /// Keys with values, in written order. A key may be any value.
    Keys(Vec<(Value, Value)>),
    /// Anything else; null for an empty text.
    Other(Value),
}

/// The reason that a text cannot be parsed.
#[derive(Clone, Debug, PartialEq)]
pub struct YamlError {
    /// Line in the text, from 1.
    pub line: usize,
    pub message: String,
}

/// Parses one document. It ignores tags other than `!!str` and similar ones; `<<` is an ordinary
/// key.
///
/// # Errors
/// When the text is invalid YAML, or has several documents, a duplicate key, an unknown alias, or
/// too much nesting or repetition.
pub fn read(text: &str) -> Result<Document, YamlError> {
    let mut reader = Reader {
        events: Parser::new_from_str(text),
        line: 1,
        anchored: HashMap::new(),
        repeatable: REPEATED_MAX,
    };
    let document = loop {
        match reader.next()? {
            Event::StreamStart | Event::DocumentStart(_) => {}
            Event::StreamEnd => return Ok(Document::Other(Value::Null)),
            Event::MappingStart(..) => break Document::Keys(reader.mapping(0)?.keys),
            event => break Document::Other(reader.node(event, 0)?.value),
        }
    };
    loop {
        match reader.next()? {
            Event::DocumentEnd => {}
            Event::StreamEnd => return Ok(document),
            _ => {
                return Err(reader.error("a second document begins here, but only one is read"));
            }
        }
    }
}

/// A complete value.
#[derive(Clone)]
struct Node {
    value: Value,
    /// Its values and bytes of text.
    size: usize,
    /// Its levels of nesting.
    height: usize,
}

/// A complete mapping, with the measures of a [`Node`].
struct Mapping {
    keys: Vec<(Value, Value)>,
    size: usize,
    height: usize,
}

struct Reader<'a> {
    events: Parser<'a, StrInput<'a>>,
    /// Line of the last event.
    line: usize,
    /// Values by the parser's anchor number, added when complete, so that no value contains itself.
    anchored: HashMap<usize, Rc<Node>>,
    /// The rest of [`REPEATED_MAX`].
    repeatable: usize,
}

impl<'a> Reader<'a> {
    fn error(&self, message: &str) -> YamlError {
        YamlError { line: self.line, message: message.to_owned() }
    }

    fn next(&mut self) -> Result<Event<'a>, YamlError> {
        match self.events.next_event() {
            Some(Ok((event, span))) => {
                self.line = span.start.line();
                Ok(event)
            }
            Some(Err(error)) => {
                Err(YamlError { line: error.marker().line(), message: error.info().to_owned() })
            }
            None => Err(self.error("the text ends too early")),
        }
    }

    /// The value that an event opens, at level `depth`.
    fn node(&mut self, event: Event<'a>, depth: usize) -> Result<Node, YamlError> {
        let (anchor, node) = match event {
            Event::Alias(anchor) => return self.repeat(anchor, depth),
            Event::Scalar(text, style, anchor, tag) => {
                let size = 1 + text.len();
                (anchor, Node { value: scalar(&text, style, tag.as_deref()), size, height: 0 })
            }
            Event::SequenceStart(anchor, _) => (anchor, self.sequence(depth)?),
            Event::MappingStart(anchor, _) => {
                let Mapping { keys, size, height } = self.mapping(depth)?;
                (anchor, Node { value: object(keys), size, height })
            }
            _ => return Err(self.error("a value is missing")),
        };
        if anchor != 0 {
            self.take(node.size)?;
            self.anchored.insert(anchor, Rc::new(node.clone()));
        }
        Ok(node)
    }

    /// Checks the budget before anything is copied.
    fn take(&mut self, size: usize) -> Result<(), YamlError> {
        self.repeatable = self
            .repeatable
            .checked_sub(size)
            .ok_or_else(|| self.error("the aliases repeat too much"))?;
        Ok(())
    }

    /// The value of an alias, at level `depth`.
    fn repeat(&mut self, anchor: usize, depth: usize) -> Result<Node, YamlError> {
        let Some(node) = self.anchored.get(&anchor).cloned() else {
            return Err(self.error("an alias is inside the value that it repeats"));
        };
        self.check_depth(depth + node.height)?;
        self.take(node.size)?;
        Ok(Node::clone(&node))
    }

    fn check_depth(&self, depth: usize) -> Result<(), YamlError> {
        if depth > DEPTH_MAX {
            Err(self.error(&format!("it is nested more than {DEPTH_MAX} levels deep")))
        } else {
            Ok(())
        }
    }

    fn sequence(&mut self, depth: usize) -> Result<Node, YamlError> {
        self.check_depth(depth + 1)?;
        let (mut items, mut size, mut height) = (Vec::new(), 1, 0);
        loop {
            let event = self.next()?;
            if event == Event::SequenceEnd {
                return Ok(Node { value: Value::Array(items), size, height: height + 1 });
            }
            let item = self.node(event, depth + 1)?;
            size += item.size;
            height = height.max(item.height);
            items.push(item.value);
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Mapping, YamlError> {
        self.check_depth(depth + 1)?;
        let (mut keys, mut size, mut height) = (Vec::new(), 1, 0);
        let mut seen = BTreeSet::new();
        loop {
            let event = self.next()?;
            if event == Event::MappingEnd {
                return Ok(Mapping { keys, size, height: height + 1 });
            }
            let key = self.node(event, depth + 1)?;
            // `1` and `"1"` differ in JSON, as in YAML.
            let name = serde_json::to_string(&key.value).unwrap_or_default();
            if seen.contains(&name) {
                return Err(self.error(&format!("duplicate entry with key {name}")));
            }
            seen.insert(name);
            let event = self.next()?;
            let value = self.node(event, depth + 1)?;
            size += key.size + value.size;
            height = height.max(key.height).max(value.height);
            keys.push((key.value, value.value));
        }
    }
}

/// A mapping inside another value: keys become text; keys that cannot are left out.
fn object(keys: Vec<(Value, Value)>) -> Value {
    keys.into_iter().filter_map(|(key, value)| Some((scalar_text(&key)?, value))).collect()
}

/// The trimmed text of a scalar; `None` for null, collections and empty texts.
pub fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
    .filter(|text| !text.is_empty())
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Value {
    let tag = tag.map(|tag| format!("{}{}", tag.handle, tag.suffix));
    let named = match tag.as_deref() {
        Some(tag) if !tag.starts_with('!') => tag.strip_prefix(CORE_TAGS).or(Some("")),
        _ => None,
    };
    let value = match named {
        None if style == ScalarStyle::Plain => plain(text),
        Some("null" | "bool" | "int" | "float") => plain(text),
        _ => None,
    };
    value.unwrap_or_else(|| Value::String(text.to_owned()))
}

/// The value of an unquoted text in YAML's core schema, if it is not text.
fn plain(text: &str) -> Option<Value> {
    let name = match text {
        "" | "~" | "null" | "Null" | "NULL" => return Some(Value::Null),
        "true" | "True" | "TRUE" => return Some(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Some(Value::Bool(false)),
        // JSON has no such numbers; these are YAML's names for them.
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => ".inf",
        "-.inf" | "-.Inf" | "-.INF" => "-.inf",
        ".nan" | ".NaN" | ".NAN" => ".nan",
        _ => return signed(text, whole).or_else(|| signed(text, float)),
    };
    Some(Value::String(name.to_owned()))
}

/// Parses a number after its sign; `read` gets whether it is negative.
fn signed(text: &str, read: fn(&str, bool) -> Option<Value>) -> Option<Value> {
    match text.strip_prefix('-') {
        Some(digits) => read(digits, true),
        None => read(text.strip_prefix('+').unwrap_or(text), false),
    }
}

/// An integer: decimal, hexadecimal, octal or binary. `007` is text.
fn whole(text: &str, negative: bool) -> Option<Value> {
    let prefixed = [("0x", 16), ("0o", 8), ("0b", 2)]
        .into_iter()
        .find_map(|(prefix, radix)| Some((text.strip_prefix(prefix)?, radix)));
    let (digits, radix) = prefixed.unwrap_or((text, 10));
    let is_number = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
    if !is_number || (radix == 10 && digits.len() > 1 && digits.starts_with('0')) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    let exact = i64::try_from(magnitude).ok().filter(|_| magnitude <= EXACT_INTEGER_MAX);
    Some(match exact {
        Some(number) => Value::from(if negative { -number } else { number }),
        None => Value::String(format!("{}{magnitude}", if negative { "-" } else { "" })),
    })
}

/// A number with a point or an exponent, if it is exact from its digits and one power of ten.
/// Others stay text, because JSON readers round differently. The standard library's parser could do
/// more but adds 10 KB of tables.
fn float(text: &str, negative: bool) -> Option<Value> {
    if !text.contains(['.', 'e', 'E']) {
        return None;
    }
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (before, after) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let after = after.trim_end_matches('0');
    let digits = || before.bytes().chain(after.bytes());
    if !mantissa.bytes().any(|byte| byte.is_ascii_digit())
        || !digits().all(|byte| byte.is_ascii_digit())
    {
        return None;
    }
    let number = digits().try_fold(0_u64, |number, digit| {
        number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
    })?;
    let exponent = exponent.checked_sub(i32::try_from(after.len()).ok()?)?;
    if number > EXACT_INTEGER_MAX || exponent.unsigned_abs() > EXACT_POWER_MAX {
        return None;
    }
    let power = (0..exponent.unsigned_abs()).fold(1.0, |power, _| power * 10.0);
    let number = if exponent < 0 { number as f64 / power } else { number as f64 * power };
    Number::from_f64(if negative { -number } else { number }).map(Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn keys(text: &str) -> Vec<(Value, Value)> {
        let Ok(Document::Keys(keys)) = read(text) else { panic!("{text}: {:?}", read(text)) };
        keys
    }

    fn value(text: &str) -> Value {
        keys(&format!("k: {text}\n")).remove(0).1
    }

    fn error(text: &str) -> (usize, String) {
        let error = read(text).unwrap_err();
        (error.line, error.message)
    }

    #[test]
    fn yaml_reads_plain_scalars_by_the_core_schema() {
        for (text, expected) in [
            ("", json!(null)),
            ("~", json!(null)),
            ("Null", json!(null)),
            ("TRUE", json!(true)),
            ("False", json!(false)),
            ("yes", json!("yes")),
            ("-0", json!(0)),
            ("+12", json!(12)),
            ("0x1F", json!(31)),
            ("-0o17", json!(-15)),
            ("0b101", json!(5)),
            ("007", json!("007")),
            ("0xZZ", json!("0xZZ")),
            ("12_000", json!("12_000")),
            ("9007199254740992", json!(9_007_199_254_740_992_u64)),
            ("-9007199254740993", json!("-9007199254740993")),
            ("0xFFFFFFFFFFFFFFFF", json!("18446744073709551615")),
            ("123456789012345678901234567890", json!("123456789012345678901234567890")),
            ("1.10", json!(1.1)),
            ("-.5", json!(-0.5)),
            ("+1.", json!(1.0)),
            ("00.5", json!(0.5)),
            ("1e5", json!(100_000.0)),
            ("1.5E-3", json!(0.0015)),
            ("0.1234567890123456", json!(0.123_456_789_012_345_6)),
            ("1e22", json!(1e22)),
            ("1e23", json!("1e23")),
            ("3.14159265358979323846", json!("3.14159265358979323846")),
            ("1e300", json!("1e300")),
            (".Inf", json!(".inf")),
            ("-.INF", json!("-.inf")),
            (".NaN", json!(".nan")),
            ("inf", json!("inf")),
            (".", json!(".")),
            ("e5", json!("e5")),
            ("1e", json!("1e")),
            ("--1", json!("--1")),
            ("2024-01-02", json!("2024-01-02")),
            ("1.2.3", json!("1.2.3")),
        ] {
            assert_eq!(value(text), expected, "{text}");
        }
    }

    #[test]
    fn yaml_reads_quotes_blocks_and_tags_as_text() {
        for (text, expected) in [
            ("\"5\"", json!("5")),
            ("'null'", json!("null")),
            ("\"\"", json!("")),
            ("\"a\\nb\\u00e9\"", json!("a\nbé")),
            ("|-\n  5", json!("5")),
            (">\n  a\n  b\n", json!("a b\n")),
            ("!!str 5", json!("5")),
            ("!!int \"5\"", json!(5)),
            ("!mine 5", json!(5)),
            ("!mine [1, '1']", json!([1, "1"])),
        ] {
            assert_eq!(value(text), expected, "{text}");
        }
    }

    #[test]
    fn yaml_keeps_order_and_type_of_keys() {
        assert_eq!(
            keys("b: 1\na: 2\n1: 3\n\"1\": 4\n"),
            [
                (json!("b"), json!(1)),
                (json!("a"), json!(2)),
                (json!(1), json!(3)),
                (json!("1"), json!(4))
            ]
        );
        assert_eq!(
            value("{<<: {a: 1}, 2: x, true: y, [l]: z, ~: n}"),
            json!({"<<": {"a": 1}, "2": "x", "true": "y"})
        );
        assert_eq!(read("# nothing\n"), Ok(Document::Other(Value::Null)));
        assert_eq!(read("- a\n- [b]\n"), Ok(Document::Other(json!(["a", ["b"]]))));
    }

    #[test]
    fn yaml_errors_name_their_line() {
        assert_eq!(error("a: 1\nb: 2\n\na: 3\n"), (4, "duplicate entry with key \"a\"".to_owned()));
        assert_eq!(error("k:\n  1: x\n  0x1: y\n").0, 3);
        assert_eq!(error("a: 1\nb: [c, d\n").0, 3);
        assert_eq!(error("a: 1\nb: \"c\n").0, 2);
        assert_eq!(error("a: 1\nb: *c\n").0, 2);
        assert_eq!(error("a: 1\n--- \nb: 1\n").0, 2);
    }

    #[test]
    fn yaml_bounds_repetition_by_aliases() {
        assert_eq!(keys("a: &x [1, {b: 2}]\nc: *x\n").remove(1).1, json!([1, {"b": 2}]));
        assert!(error("a: &x [*x]\n").1.contains("alias"));
        let mut bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned();
        for (from, to) in ('a'..='h').zip('b'..='i') {
            bomb.push_str(&format!("{to}: &{to} [{}]\n", vec![format!("*{from}"); 9].join(",")));
        }
        assert!(error(&bomb).1.contains("repeat"));
        let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(30_000), "*a,".repeat(10_000));
        assert!(error(&long).1.contains("repeat"), "one long text, many times");
        let anchors =
            format!("a: {}[{}]{}\n", "[&a ".repeat(60), "x,".repeat(20_000), "]".repeat(60));
        assert!(
            error(&anchors).1.contains("repeat"),
            "an anchor in an anchor keeps its value twice"
        );
    }

    #[test]
    fn yaml_bounds_nesting_of_any_kind() {
        let nested = |depth: usize| format!("a: {}{}\n", "[".repeat(depth), "]".repeat(depth));
        assert!(read(&nested(DEPTH_MAX - 1)).is_ok());
        for text in [
            nested(DEPTH_MAX),
            nested(30_000),
            "- ".repeat(30_000),
            "? ".repeat(30_000),
            "{a: ".repeat(15_000),
        ] {
            assert!(read(&text).is_err());
        }
        let mut tower = format!("a0: &a0 {}{}\n", "[".repeat(50), "]".repeat(50));
        for level in 1..100 {
            tower.push_str(&format!(
                "a{level}: &a{level} {}*a{}{}\n",
                "[".repeat(50),
                level - 1,
                "]".repeat(50)
            ));
        }
        assert!(error(&tower).1.contains("deep"));
    }
}
