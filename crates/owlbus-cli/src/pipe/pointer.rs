//! A JSON pointer (RFC 6901), followed through JSON text without parsing what is beside the way.

use std::{fmt, str::FromStr};

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// A way into a JSON value, such as `/payload/items/0/name`.
#[derive(Clone, Debug)]
pub(super) struct Pointer {
    text: String,
    steps: Vec<String>,
}

/// What stands where a pointer leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Text(String),
    /// A value that is no string.
    Other,
    Nothing,
}

impl Pointer {
    /// Follows the pointer through a text that must be one JSON value. Of members with the same name the last counts.
    pub(super) fn find(&self, json: &str) -> serde_json::Result<Found> {
        let mut json = serde_json::Deserializer::from_str(json);
        let found = Follow(&self.steps).deserialize(&mut json)?;
        json.end().map(|()| found)
    }
}

impl FromStr for Pointer {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !text.is_empty() && !text.starts_with('/') {
            return Err("a JSON pointer begins with `/`: write `/kind` for the member `kind`");
        }
        let escapes = text.split('~').skip(1);
        if escapes.into_iter().any(|rest| !rest.starts_with(['0', '1'])) {
            return Err("in a JSON pointer `~` is written `~0`, and `/` inside a name `~1`");
        }
        let steps = text.split('/').skip(1).map(|step| step.replace("~1", "/").replace("~0", "~")).collect();
        Ok(Self { text: text.to_owned(), steps })
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The steps that are left.
#[derive(Clone, Copy)]
struct Follow<'a>(&'a [String]);

impl<'de> DeserializeSeed<'de> for Follow<'_> {
    type Value = Found;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Found, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Follow<'_> {
    type Value = Found;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Found, A::Error> {
        let mut found = self.found(Found::Other);
        let step = self.0.first().map(String::as_str);
        while let Some(on_the_way) = map.next_key_seed(Is(step))? {
            match on_the_way {
                true => found = map.next_value_seed(Follow(&self.0[1..]))?,
                false => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Found, A::Error> {
        let mut found = self.found(Found::Other);
        let wanted = self.0.split_first().and_then(|(step, rest)| Some((index(step)?, rest)));
        for at in 0_usize.. {
            let more = match wanted {
                Some((index, rest)) if index == at => {
                    items.next_element_seed(Follow(rest))?.map(|item| found = item)
                }
                _ => items.next_element::<IgnoredAny>()?.map(drop),
            };
            if more.is_none() {
                break;
            }
        }
        Ok(found)
    }

    fn visit_str<E>(self, text: &str) -> Result<Found, E> {
        Ok(self.found(Found::Text(text.to_owned())))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Found, E> {
        Ok(self.found(Found::Other))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Found, E> {
        Ok(self.found(Found::Other))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Found, E> {
        Ok(self.found(Found::Other))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Found, E> {
        Ok(self.found(Found::Other))
    }

    fn visit_unit<E>(self) -> Result<Found, E> {
        Ok(self.found(Found::Other))
    }
}

impl Follow<'_> {
    /// `here` where no steps are left; a value that is not an object or array has nothing further in.
    fn found(self, here: Found) -> Found {
        if self.0.is_empty() { here } else { Found::Nothing }
    }
}

/// Whether the name of a member is this one; names are compared where they stand, without a copy.
struct Is<'a>(Option<&'a str>);

impl<'de> DeserializeSeed<'de> for Is<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Is<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_str<E>(self, name: &str) -> Result<bool, E> {
        Ok(self.0 == Some(name))
    }
}

/// An index into an array: digits without leading zeros.
fn index(step: &str) -> Option<usize> {
    let canonical = step.bytes().all(|byte| byte.is_ascii_digit()) && (step == "0" || !step.starts_with('0'));
    step.parse().ok().filter(|_| canonical)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_leads_where_serde_json_says_it_does() {
        let json = r#"{"a":{"b":["x",{"c":"y","":"empty"}],"n":1,"t":true,"z":null},"~":"tilde","/":"slash","e\"":"q",
            "01":"digits","f":1.5e3,"neg":-1}"#;
        let value: serde_json::Value = serde_json::from_str(json).unwrap();
        let pointers = [
            "", "/a", "/a/b", "/a/b/0", "/a/b/1", "/a/b/1/c", "/a/b/1/", "/a/b/01", "/a/b/2", "/a/b/-",
            "/a/b/+0", "/a/n", "/a/n/0", "/a/t", "/a/z", "/~0", "/~1", "/e\"", "/01", "/f", "/neg", "/A",
            "/a/b/0/0", "/",
        ];
        for text in pointers {
            let expected = match value.pointer(text) {
                None => Found::Nothing,
                Some(serde_json::Value::String(text)) => Found::Text(text.clone()),
                Some(_) => Found::Other,
            };
            assert_eq!(text.parse::<Pointer>().unwrap().find(json).unwrap(), expected, "{text}");
        }
        assert_eq!("".parse::<Pointer>().unwrap().find("\"top\"").unwrap(), Found::Text("top".into()));
    }

    #[test]
    fn what_is_beside_the_way_must_be_json_too() {
        let pointer: Pointer = "/a".parse().unwrap();
        for wrong in [r#"{"a":"x","b":}"#, r#"{"a":"x"} 1"#, r#"{"a":"x""#, "", "nul"] {
            assert!(pointer.find(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_no_pointer_is_refused() {
        for wrong in ["kind", "/a~", "/a~2", "a/b"] {
            assert!(wrong.parse::<Pointer>().is_err(), "{wrong}");
        }
    }
}
