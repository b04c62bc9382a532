//! A JSON tree as serde's source of values.
//!
//! serde_json has one too. It also takes a list for a struct, so that each struct is read by two
//! pieces of code; here a struct is an object and nothing else, which is what an API means, and a
//! Worker's bundle is a tenth smaller for it.

use serde::de::value::StringDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;
use serde_json::{Error, Number, Value};

/// The tree.
pub struct Tree(pub Value);

type Done<T> = Result<T, Error>;

fn wrong<'de, V: Visitor<'de>, T>(value: &Value, visitor: &V) -> Done<T> {
    let found = match value {
        Value::Null => Unexpected::Unit,
        Value::Bool(flag) => Unexpected::Bool(*flag),
        Value::Number(_) => Unexpected::Other("a number"),
        Value::String(text) => Unexpected::Str(text),
        Value::Array(_) => Unexpected::Seq,
        Value::Object(_) => Unexpected::Map,
    };
    Err(Error::invalid_type(found, visitor))
}

fn number<'de, V: Visitor<'de>>(number: &Number, visitor: V) -> Done<V::Value> {
    if let Some(whole) = number.as_u64() {
        visitor.visit_u64(whole)
    } else if let Some(whole) = number.as_i64() {
        visitor.visit_i64(whole)
    } else {
        visitor.visit_f64(number.as_f64().unwrap_or(f64::NAN))
    }
}

/// Numbers of every width come by one way.
macro_rules! numbers {
    ($($method:ident)+) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Done<V::Value> {
            match &self.0 {
                Value::Number(found) => number(found, visitor),
                other => wrong(other, &visitor),
            }
        }
    )+};
}

impl<'de> Deserializer<'de> for Tree {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Done<V::Value> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(flag) => visitor.visit_bool(flag),
            Value::Number(found) => number(&found, visitor),
            Value::String(text) => visitor.visit_string(text),
            Value::Array(items) => visitor.visit_seq(Items(items.into_iter())),
            Value::Object(members) => {
                visitor.visit_map(Members { rest: members.into_iter(), value: Value::Null })
            }
        }
    }
    numbers! { deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_f32 deserialize_f64 }
    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Done<V::Value> {
        match &self.0 {
            Value::Bool(flag) => visitor.visit_bool(*flag),
            other => wrong(other, &visitor),
        }
    }
    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Done<V::Value> {
        match self.0 {
            Value::String(text) => visitor.visit_string(text),
            other => wrong(&other, &visitor),
        }
    }
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Done<V::Value> {
        self.deserialize_string(visitor)
    }
    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Done<V::Value> {
        self.deserialize_string(visitor)
    }
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Done<V::Value> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Done<V::Value> {
        visitor.visit_newtype_struct(self)
    }
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Done<V::Value> {
        match self.0 {
            Value::Array(items) => visitor.visit_seq(Items(items.into_iter())),
            other => wrong(&other, &visitor),
        }
    }
    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Done<V::Value> {
        self.deserialize_seq(visitor)
    }
    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Done<V::Value> {
        self.deserialize_seq(visitor)
    }
    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Done<V::Value> {
        match self.0 {
            Value::Object(members) => {
                visitor.visit_map(Members { rest: members.into_iter(), value: Value::Null })
            }
            other => wrong(&other, &visitor),
        }
    }
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Done<V::Value> {
        self.deserialize_map(visitor)
    }
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Done<V::Value> {
        let (name, content) = match self.0 {
            Value::String(name) => (name, None),
            Value::Object(members) if members.len() == 1 => match members.into_iter().next() {
                Some((name, content)) => (name, Some(content)),
                None => return Err(Error::custom("an empty variant")),
            },
            other => return wrong(&other, &visitor),
        };
        visitor.visit_enum(Variant { name, content })
    }
    forward_to_deserialize_any! { i128 u128 char bytes byte_buf unit unit_struct ignored_any }
}

struct Items(std::vec::IntoIter<Value>);

impl<'de> SeqAccess<'de> for Items {
    type Error = Error;
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Done<Option<T::Value>> {
        self.0.next().map(|item| seed.deserialize(Tree(item))).transpose()
    }
    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

struct Members {
    rest: serde_json::map::IntoIter,
    /// Of the key that was given last.
    value: Value,
}

impl<'de> MapAccess<'de> for Members {
    type Error = Error;
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Done<Option<K::Value>> {
        let Some((key, value)) = self.rest.next() else { return Ok(None) };
        self.value = value;
        seed.deserialize(Tree(Value::String(key))).map(Some)
    }
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Done<V::Value> {
        seed.deserialize(Tree(self.value.take()))
    }
    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

struct Variant {
    name: String,
    content: Option<Value>,
}

impl<'de> EnumAccess<'de> for Variant {
    type Error = Error;
    type Variant = Content;
    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Done<(V::Value, Content)> {
        let name: StringDeserializer<Error> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, Content(self.content)))
    }
}

struct Content(Option<Value>);

impl<'de> VariantAccess<'de> for Content {
    type Error = Error;
    fn unit_variant(self) -> Done<()> {
        match self.0 {
            None | Some(Value::Null) => Ok(()),
            Some(_) => Err(Error::custom("a variant that holds nothing was expected")),
        }
    }
    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Done<T::Value> {
        seed.deserialize(Tree(self.0.unwrap_or(Value::Null)))
    }
    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Done<V::Value> {
        Tree(self.0.unwrap_or(Value::Null)).deserialize_seq(visitor)
    }
    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Done<V::Value> {
        Tree(self.0.unwrap_or(Value::Null)).deserialize_map(visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::{Deserialize, Serialize};
    use serde_json::json;
    use std::collections::BTreeMap;

    #[derive(Debug, PartialEq, Deserialize, Serialize)]
    enum Kind {
        Unit,
        One(u32),
        Two(String, i8),
        Named { a: Option<f64>, b: Vec<bool> },
    }

    #[derive(Debug, PartialEq, Deserialize, Serialize)]
    struct Id(String);

    #[derive(Debug, PartialEq, Deserialize, Serialize)]
    #[serde(tag = "type", rename_all = "lowercase")]
    enum Tagged {
        Left { n: u64 },
        Right,
    }

    #[derive(Debug, PartialEq, Deserialize, Serialize)]
    #[serde(untagged)]
    enum Either {
        Number(i64),
        Text(String),
    }

    #[derive(Debug, PartialEq, Deserialize, Serialize)]
    struct Whole {
        id: Id,
        kinds: Vec<Kind>,
        tagged: Vec<Tagged>,
        either: Vec<Either>,
        map: BTreeMap<Id2, i64>,
        pair: (u8, String),
        any: Value,
        nothing: (),
        #[serde(flatten)]
        rest: BTreeMap<String, Value>,
    }

    #[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
    #[serde(rename_all = "kebab-case")]
    enum Id2 {
        FirstOne,
        Second,
    }

    #[test]
    fn whatever_serde_writes_is_read_back() {
        let whole = Whole {
            id: Id("x".into()),
            kinds: vec![
                Kind::Unit,
                Kind::One(7),
                Kind::Two("t".into(), -3),
                Kind::Named { a: Some(1.5), b: vec![true] },
                Kind::Named { a: None, b: vec![] },
            ],
            tagged: vec![Tagged::Left { n: u64::MAX }, Tagged::Right],
            either: vec![Either::Number(-1), Either::Text("a".into())],
            map: BTreeMap::from([(Id2::FirstOne, i64::MIN), (Id2::Second, 0)]),
            pair: (255, "p".into()),
            any: json!({"deep": [null, 1, -1, 1.25, "s", true]}),
            nothing: (),
            rest: BTreeMap::from([("more".to_owned(), json!([1]))]),
        };
        let tree = serde_json::to_value(&whole).unwrap();
        assert_eq!(Whole::deserialize(Tree(tree.clone())).unwrap(), whole);
        assert_eq!(Value::deserialize(Tree(tree.clone())).unwrap(), tree);
    }

    #[test]
    fn what_does_not_fit_is_said_as_serde_says_it() {
        let said = |value: Value| Id3::deserialize(Tree(value)).unwrap_err().to_string();
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[expect(dead_code, reason = "read by serde alone")]
        struct Id3 {
            n: u8,
        }
        assert_eq!(said(json!({})), "missing field `n`");
        assert_eq!(said(json!({"n": 1, "m": 2})), "unknown field `m`, expected `n`");
        assert_eq!(said(json!({"n": 300})), "invalid value: integer `300`, expected u8");
        assert_eq!(said(json!({"n": "x"})), "invalid type: string \"x\", expected u8");
        assert!(said(json!([1])).starts_with("invalid type: sequence"), "a list is no object");
    }
}
