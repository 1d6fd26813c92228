//! Text with places for what is in an event.

use std::fmt;

use super::field::Field;
use crate::{event::Event, topic::Topic};

/// A topic or a key that is made of an event: text in which `{0}` stands for the first token of its topic, `{topic}` for the whole
/// of it, and `{/user/id}` or `{metadata.tenant}` for what is there. `{{` and `}}` stand for braces.
///
/// In a topic, what comes from anywhere but the topic is one token of it, so that data cannot choose more than that.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    text: String,
    parts: Vec<Part>,
    /// Where it is a topic without any place.
    literal: Option<Topic>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// A token of the topic, counted from 0.
    Token(usize),
    Field(Field),
}

impl Template {
    /// One that makes a topic.
    pub(super) fn of_topic(text: &str) -> Result<Self, String> {
        let template = Self::read(text)?;
        let sample: String = template
            .parts
            .iter()
            .map(|part| match part {
                Part::Text(text) => text.as_str(),
                Part::Token(_) | Part::Field(_) => "x",
            })
            .collect();
        let topic = Topic::new(&sample).map_err(|error| error.to_string())?;
        if topic.is_reserved() {
            return Err("topics that begin with `owlbus` are the bus's own; choose another".into());
        }
        let literal = template.parts.iter().all(|part| matches!(part, Part::Text(_))).then_some(topic);
        Ok(Self { literal, ..template })
    }

    /// One that makes a key.
    pub(super) fn of_key(text: &str) -> Result<Self, String> {
        match text.is_empty() {
            true => Err("the key is empty; leave it out and events keep theirs".into()),
            false => Self::read(text),
        }
    }

    fn read(text: &str) -> Result<Self, String> {
        let (mut parts, mut plain) = (Vec::new(), String::new());
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            rest = &rest[at..];
            if let Some(after) = rest.strip_prefix("{{").or_else(|| rest.strip_prefix("}}")) {
                plain.push_str(&rest[..1]);
                rest = after;
                continue;
            }
            let place = rest.strip_prefix('{').and_then(|rest| rest.split_once('}'));
            let Some((name, after)) = place else {
                return Err(format!(
                    "`{text}` has a brace without its other half; write `{{0}}` for a token, or the brace twice"
                ));
            };
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(match name.bytes().all(|byte| byte.is_ascii_digit()) && !name.is_empty() {
                true => Part::Token(
                    name.parse().map_err(|_| format!("`{{{name}}}`: no topic has so many tokens"))?,
                ),
                false => Part::Field(name.parse()?),
            });
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self { text: text.to_owned(), parts, literal: None })
    }

    /// The topic it makes of an event. No error shows what is in the data.
    pub(super) fn topic(&self, event: &Event) -> Result<Topic, String> {
        if let Some(topic) = &self.literal {
            return Ok(topic.clone());
        }
        let is_token = |text: &str| Topic::new(text).is_ok() && !text.contains('.');
        let text = self.fill(event, |field, text| match *field == Field::Topic || is_token(text) {
            true => Ok(()),
            false => Err(format!(
                "what the event has at `{{{field}}}` cannot be a token of a topic: it is empty, or has dots, wildcards or white space"
            )),
        })?;
        Topic::new(text).map_err(|_| {
            format!("what `{self}` makes of `{}` is over 256 bytes or 16 tokens; use fewer", event.topic())
        })
    }

    /// The key it makes of an event.
    pub(super) fn key(&self, event: &Event) -> Result<String, String> {
        let key = self.fill(event, |_, _| Ok(()))?;
        match key.is_empty() {
            true => Err(format!("what `{self}` makes is empty, and no key")),
            false => Ok(key),
        }
    }

    fn fill(
        &self,
        event: &Event,
        fits: impl Fn(&Field, &str) -> Result<(), String>,
    ) -> Result<String, String> {
        let mut filled = String::with_capacity(self.text.len());
        for part in &self.parts {
            match part {
                Part::Text(text) => filled.push_str(text),
                Part::Token(at) => match event.topic().tokens().nth(*at) {
                    Some(token) => filled.push_str(token),
                    None => {
                        return Err(format!(
                            "`{self}` needs a token `{{{at}}}`, and `{}` does not have it; ask for longer topics",
                            event.topic()
                        ));
                    }
                },
                Part::Field(field) => {
                    let found = field.of(event)?;
                    let text = found.as_ref().and_then(|found| found.to_text()).ok_or_else(|| {
                        format!(
                            "`{self}` needs a text, a number or a truth value at `{{{field}}}`, and the event has none; \
                             ask for it with a condition"
                        )
                    })?;
                    fits(field, &text)?;
                    filled.push_str(&text);
                }
            }
        }
        Ok(filled)
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
