//! Rules from a file in TOML.

use std::{
    collections::BTreeMap,
    fmt,
    ops::{Bound, Range},
};

use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};
use serde_json::Value;
use toml::Spanned;

use super::{Condition, Rule, Rules, RulesError};
use crate::event::Priority;

/// A file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    rule: Vec<Spanned<Entry>>,
}

/// A rule as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    on: Option<Spanned<OneOrMore>>,
    except: Option<Spanned<OneOrMore>>,
    #[serde(default)]
    when: Vec<Spanned<ConditionEntry>>,
    priority: Option<Spanned<String>>,
    key: Option<Spanned<String>>,
    #[serde(default)]
    metadata: BTreeMap<String, Plain>,
    copy: Option<Spanned<OneOrMore>>,
    forward: Option<Spanned<String>>,
    #[serde(default)]
    drop: bool,
}

/// A condition as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConditionEntry {
    field: String,
    equals: Option<Plain>,
    #[serde(rename = "in")]
    one_of: Option<Vec<Plain>>,
    range: Option<RangeEntry>,
    exists: Option<bool>,
    matches: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RangeEntry {
    min: Option<Plain>,
    max: Option<Plain>,
    above: Option<Plain>,
    below: Option<Plain>,
}

/// A text, or a list of texts, each with where it stands in the list.
struct OneOrMore(Vec<(Option<Range<usize>>, String)>);

/// A value as JSON has it. Dates and times are text there.
#[derive(Clone)]
struct Plain(Value);

/// What is wrong, and where.
struct Wrong {
    span: Range<usize>,
    problem: String,
}

/// Reads the rules of a file.
pub(super) fn read(text: &str) -> Result<Rules, RulesError> {
    let at = |span: Range<usize>| Some(place(text, span.start));
    let file: File = toml::from_str(text).map_err(|error| RulesError {
        rule: None,
        place: error.span().and_then(at),
        problem: in_words(error.message()),
    })?;
    let mut rules = Rules::default();
    for entry in file.rule {
        let span = entry.span();
        let entry = entry.into_inner();
        let name = entry.name.clone();
        let rule = entry.rule(&span);
        let pushed = rule.and_then(|rule| rules.push(rule).map_err(|problem| Wrong { span, problem }));
        pushed.map_err(|Wrong { span, problem }| RulesError {
            rule: Some(name),
            place: at(span),
            problem,
        })?;
    }
    Ok(rules)
}

impl Entry {
    /// The rule it is. What is wrong with one value is found at that value.
    fn rule(self, whole: &Range<usize>) -> Result<Rule, Wrong> {
        let mut rule = Rule::new(self.name);
        for (span, pattern) in OneOrMore::listed(self.on)? {
            rule = right(rule.on(pattern), &span)?;
        }
        for (span, pattern) in OneOrMore::listed(self.except)? {
            rule = right(rule.except(pattern), &span)?;
        }
        for entry in self.when {
            let span = entry.span();
            let conditions = entry.into_inner().conditions();
            for condition in conditions.map_err(|problem| Wrong { span: span.clone(), problem })? {
                rule = right(rule.when(condition), &span)?;
            }
        }
        if let Some(name) = self.priority {
            let priority = Priority::from_name(name.as_ref()).ok_or_else(|| Wrong {
                span: name.span(),
                problem: "`priority` is one of immediate, high, normal and deferred".into(),
            })?;
            rule = rule.set_priority(priority);
        }
        if let Some(key) = self.key {
            rule = right(rule.set_key(key.as_ref()), &key.span())?;
        }
        for (name, Plain(value)) in self.metadata {
            rule = right(rule.set_metadata(name, value), whole)?;
        }
        for (span, to) in OneOrMore::listed(self.copy)? {
            rule = right(rule.copy(to), &span)?;
        }
        if let Some(to) = self.forward {
            rule = right(rule.forward(to.as_ref()), &to.span())?;
        }
        Ok(if self.drop { rule.drop_event() } else { rule })
    }
}

/// The rule, if the value that it was given last is right; it stands there.
fn right(rule: Rule, span: &Range<usize>) -> Result<Rule, Wrong> {
    match rule.problem() {
        Some(problem) => Err(Wrong { span: span.clone(), problem: problem.to_owned() }),
        None => Ok(rule),
    }
}

impl OneOrMore {
    /// What is listed; none where it is left out, but a list must have something in it.
    fn listed(this: Option<Spanned<Self>>) -> Result<Vec<(Range<usize>, String)>, Wrong> {
        let Some(this) = this else { return Ok(Vec::new()) };
        let span = this.span();
        let listed =
            this.into_inner().0.into_iter().map(|(at, text)| (at.unwrap_or_else(|| span.clone()), text));
        let listed: Vec<_> = listed.collect();
        match listed.is_empty() {
            true => {
                Err(Wrong { span, problem: "a list is empty; put something in it, or leave it out".into() })
            }
            false => Ok(listed),
        }
    }
}

impl<'de> Deserialize<'de> for OneOrMore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;

        impl<'de> Visitor<'de> for Texts {
            type Value = OneOrMore;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text, or a list of texts")
            }

            fn visit_str<E>(self, text: &str) -> Result<OneOrMore, E> {
                Ok(OneOrMore(vec![(None, text.to_owned())]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<OneOrMore, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = list.next_element::<Spanned<String>>()? {
                    texts.push((Some(text.span()), text.into_inner()));
                }
                Ok(OneOrMore(texts))
            }
        }

        deserializer.deserialize_any(Texts)
    }
}

impl ConditionEntry {
    /// What it asks, all of which must hold.
    fn conditions(self) -> Result<Vec<Condition>, String> {
        let field = &self.field;
        let mut conditions = Vec::new();
        conditions.extend(self.equals.map(|Plain(value)| Condition::equals(field, value)));
        conditions
            .extend(self.one_of.map(|values| Condition::one_of(field, values.into_iter().map(|one| one.0))));
        if let Some(range) = self.range {
            let (from, to) = range.ends()?;
            conditions.push(Condition::between(field, from, to));
        }
        conditions.extend(self.exists.map(|exists| match exists {
            true => Condition::exists(field),
            false => Condition::missing(field),
        }));
        conditions.extend(self.matches.map(|text| Condition::matches(field, text)));
        match conditions.is_empty() {
            true => Err(format!(
                "it asks nothing of `{field}`; write one of `equals`, `in`, `range`, `exists` and `matches`"
            )),
            false => Ok(conditions),
        }
    }
}

impl RangeEntry {
    fn ends(self) -> Result<(Bound<Value>, Bound<Value>), String> {
        let end = |included: Option<Plain>, excluded: Option<Plain>, names| match (included, excluded) {
            (Some(Plain(value)), None) => Ok(Bound::Included(value)),
            (None, Some(Plain(value))) => Ok(Bound::Excluded(value)),
            (None, None) => Ok(Bound::Unbounded),
            (Some(_), Some(_)) => Err(format!("a range has one of {names}, not both")),
        };
        Ok((end(self.min, self.above, "`min` and `above`")?, end(self.max, self.below, "`max` and `below`")?))
    }
}

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        toml::Value::deserialize(deserializer).map(|value| Self(plain(value)))
    }
}

fn plain(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => text.into(),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(truth) => truth.into(),
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Array(values) => values.into_iter().map(plain).collect(),
        toml::Value::Table(table) => table.into_iter().map(|(name, value)| (name, plain(value))).collect(),
    }
}

/// What the reader of the file says, with the key that may be meant in the place of one that is not known.
fn in_words(said: &str) -> String {
    let Some(rest) = said.strip_prefix("unknown field `") else { return said.replace('\n', "; ") };
    let mut named = rest.split('`').step_by(2);
    let unknown = named.next().unwrap_or_default();
    let known: Vec<_> = named.filter(|name| !name.is_empty()).collect();
    let near = known.iter().map(|name| (strsim::damerau_levenshtein(unknown, name), *name)).min();
    // More than every second letter wrong is another word.
    match near.filter(|(wrong, name)| *wrong * 2 <= name.len()) {
        Some((_, name)) => format!("there is no key `{unknown}`; did you mean `{name}`?"),
        None => format!("there is no key `{unknown}`; there are {}", known.join(", ")),
    }
}

/// Line and column of a byte, counted from 1; the column in characters.
fn place(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or(before);
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}
