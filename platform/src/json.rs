//! JSON into values, always by way of a tree: the code for each type is then in a Worker's bundle
//! once, however many ways lead to it (bodies, answers of other services, rows of the database).
//! Texts move from the tree into the value, so that a large one is in memory as often as without
//! it.

mod tree;

use serde::de::DeserializeOwned;
use serde_json::Value;
use tree::Tree;

/// Children that are tried when the place of an error is looked for; with more, their parent is
/// named.
const TRIED_MAX: usize = 64;
/// In longer texts the place is not looked for: each try reads it again.
const SEARCHED_BYTES_MAX: usize = 256 * 1024;

/// Why a text is not what was wanted.
#[derive(Debug)]
pub enum JsonError {
    /// It is no JSON; line and column.
    Syntax(usize, usize),
    /// It is JSON of another shape: serde's message, and where (`files[2].path`; empty for the
    /// whole).
    Shape { message: String, path: String },
}

impl std::fmt::Display for JsonError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Syntax(line, column) => {
                write!(f, "not valid JSON (line {line}, column {column})")
            }
            Self::Shape { message, path } if path.is_empty() => f.write_str(message),
            Self::Shape { message, path } => write!(f, "{path}: {message}"),
        }
    }
}

impl std::error::Error for JsonError {}

/// Reads a value.
///
/// # Errors
/// See [`JsonError`].
pub fn from_slice<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, JsonError> {
    let tree = tree(bytes)?;
    match T::deserialize(Tree(tree)) {
        Ok(value) => Ok(value),
        Err(error) if bytes.len() > SEARCHED_BYTES_MAX => {
            Err(JsonError::Shape { message: error.to_string(), path: String::new() })
        }
        // The tree is gone; errors are rare enough to parse once more.
        Err(error) => Err(shape(&self::tree(bytes)?, error.to_string(), &|tree| {
            T::deserialize(Tree(tree)).err().map(|error| error.to_string())
        })),
    }
}

/// Reads a value out of a tree.
///
/// # Errors
/// serde's own.
pub fn from_value<T: DeserializeOwned>(value: Value) -> serde_json::Result<T> {
    T::deserialize(Tree(value))
}

/// Reads a value.
///
/// # Errors
/// See [`JsonError`].
pub fn from_str<T: DeserializeOwned>(text: &str) -> Result<T, JsonError> {
    from_slice(text.as_bytes())
}

fn tree(bytes: &[u8]) -> Result<Value, JsonError> {
    serde_json::from_slice(bytes).map_err(|error| JsonError::Syntax(error.line(), error.column()))
}

/// The error of reading a tree; none when it can be read.
type Judge<'a> = &'a dyn Fn(Value) -> Option<String>;

fn shape(tree: &Value, message: String, judge: Judge<'_>) -> JsonError {
    let path = if let Some(name) = missing(&message) {
        parent_of_missing(tree, &message, name, judge)
    } else {
        culprit(tree, &message, judge)
    };
    JsonError::Shape { message, path }
}

fn missing(message: &str) -> Option<&str> {
    message.strip_prefix("missing field `")?.split('`').next()
}

/// The member whose absence changes the message, and so on inside it.
fn culprit(tree: &Value, message: &str, judge: Judge<'_>) -> String {
    let mut path = Vec::new();
    while let Some(next) = children(tree, &path)
        .into_iter()
        .take(TRIED_MAX)
        .find(|child| judge(without(tree, child)).as_deref() != Some(message))
    {
        path = next;
    }
    written(tree, &path)
}

/// The object in which the missing member would be seen.
fn parent_of_missing(tree: &Value, message: &str, name: &str, judge: Judge<'_>) -> String {
    let unknown = format!("unknown field `{name}`");
    let mut waiting = vec![Vec::new()];
    let mut tried = 0;
    while let Some(path) = waiting.pop().filter(|_| tried < TRIED_MAX) {
        tried += 1;
        let mut with = tree.clone();
        if let Some(Value::Object(object)) = at(&mut with, &path) {
            object.insert(name.to_owned(), Value::Null);
            if judge(with).is_none_or(|now| now != message && !now.starts_with(&unknown)) {
                return written(tree, &path);
            }
        }
        waiting.extend(children(tree, &path));
    }
    String::new()
}

/// Steps from the root: places among the members of an object or a list.
type Path = Vec<usize>;

fn children(tree: &Value, path: &[usize]) -> Vec<Path> {
    let mut tree = tree;
    for step in path {
        tree = match tree {
            Value::Object(object) => object.values().nth(*step).unwrap_or(&Value::Null),
            Value::Array(list) => list.get(*step).unwrap_or(&Value::Null),
            _ => &Value::Null,
        };
    }
    let count = match tree {
        Value::Object(object) => object.len(),
        Value::Array(list) => list.len(),
        _ => 0,
    };
    (0..count).map(|step| path.iter().copied().chain([step]).collect()).collect()
}

fn at<'a>(tree: &'a mut Value, path: &[usize]) -> Option<&'a mut Value> {
    path.iter().try_fold(tree, |tree, step| match tree {
        Value::Object(object) => object.values_mut().nth(*step),
        Value::Array(list) => list.get_mut(*step),
        _ => None,
    })
}

fn without(tree: &Value, path: &[usize]) -> Value {
    let mut tree = tree.clone();
    let Some((step, parent)) = path.split_last() else { return tree };
    match at(&mut tree, parent) {
        Some(Value::Object(object)) => {
            if let Some(key) = object.keys().nth(*step).cloned() {
                object.remove(&key);
            }
        }
        Some(Value::Array(list)) if *step < list.len() => drop(list.remove(*step)),
        _ => {}
    }
    tree
}

fn written(tree: &Value, path: &[usize]) -> String {
    let (mut tree, mut text) = (tree, String::new());
    for step in path {
        match tree {
            Value::Object(object) => {
                let Some((key, value)) = object.iter().nth(*step) else { break };
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(key);
                tree = value;
            }
            Value::Array(list) => {
                text.push_str(&format!("[{step}]"));
                tree = list.get(*step).unwrap_or(&Value::Null);
            }
            _ => break,
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    #[expect(dead_code, reason = "read by serde alone")]
    struct Outer {
        name: String,
        #[serde(default)]
        count: u32,
        #[serde(default)]
        inner: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "read by serde alone")]
    struct Inner {
        path: String,
        text: String,
    }

    fn path_of(text: &str) -> String {
        match from_str::<Outer>(text).unwrap_err() {
            JsonError::Shape { path, .. } => path,
            JsonError::Syntax(line, column) => format!("{line}:{column}"),
        }
    }

    #[test]
    fn the_place_of_an_error_is_found() {
        assert_eq!(path_of(r#"{"name": 1}"#), "name");
        assert_eq!(path_of(r#"{"name": "a", "count": -1}"#), "count");
        assert_eq!(path_of(r#"{"name": "a", "hurry": 1}"#), "hurry");
        assert_eq!(path_of(r#"{"count": 1}"#), "");
        assert_eq!(
            path_of(r#"{"name": "a", "inner": [{"path": "p", "text": "t"}, {"path": "p"}]}"#),
            "inner[1]"
        );
        assert_eq!(
            path_of(
                r#"{"name": "a", "inner": [{"path": "p", "text": "t"}, {"path": 1, "text": ""}]}"#
            ),
            "inner[1].path"
        );
        assert_eq!(
            path_of(r#"{"name": "a", "inner": [{"path": "p", "text": "t", "x": 1}]}"#),
            "inner[0].x"
        );
        assert_eq!(path_of("[]"), "");
        assert_eq!(path_of("{\n x}"), "2:2");
    }

    #[test]
    fn a_long_list_is_not_searched_to_its_end() {
        let items: Vec<String> = (0..5000)
            .map(
                |n| if n == 4000 { "{}".to_owned() } else { r#"{"path":"","text":""}"#.to_owned() },
            )
            .collect();
        assert_eq!(path_of(&format!(r#"{{"name": "a", "inner": [{}]}}"#, items.join(","))), "");
    }
}
