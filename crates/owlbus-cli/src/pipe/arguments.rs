//! What `owlbus pipe` is told.

use std::path::PathBuf;

use clap::{
    ArgGroup,
    builder::{PathBufValueParser, TypedValueParser as _},
};
use owlbus::{Pattern, Topic, rules::Rules, topic::TopicError};

use super::{exec, form::Form, pointer::Pointer, rules, size::size};

/// Publish events from standard input, and print those that were asked for, or hand them to a command
///
/// Reads events from standard input, publishes them on a bus inside this process, and prints every event that its one
/// subscription received on standard output, in order; only events whose `priority` is higher may overtake. Several
/// --on are one subscription: an event that matches more than one of them prints once. With --exec or --exec-lines it
/// hands each event to a command instead.
///
/// Input: one CloudEvents 1.0 JSON object a line, also as a dead letter that --dead-letters wrote. The attribute `topic`, or else `type`, is the topic. With --topic or
/// --topic-from a line is any JSON value instead: it becomes the data of a new event, with a fresh id, the present
/// time, and the source `pipe`. Lines end with \n or \r\n, the last one with or without. Empty lines are passed over.
///
/// Output: one CloudEvents 1.0 JSON object a line. Data leaves byte for byte as it came, and attributes with the
/// values they came with, those that owlbus does not know included. What was read is printed before more is waited
/// for, so `tail -f FILE | owlbus pipe` shows events as they are written.
///
/// A line that is no event is named with its number and the reason on standard error, and the rest goes on. At the end
/// a summary goes to standard error: lines accepted as events, events delivered (printed) or those commands were done
/// with and those that are dead letters, lines refused, and events accepted a second. While it runs, a progress line
/// stands there if standard error is a terminal, standard output is not one, and --json is not given.
///
/// A reader or a command that is slow slows it down; nothing is ever left out. Ctrl-C ends the input: what was accepted
/// is printed or handled, and the summary follows. A second Ctrl-C ends it at once; commands are ended with it, and
/// their events are dead letters. SIGTERM does as Ctrl-C.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
#[command(group = ArgGroup::new("leaves_letters").args(["exec", "exec_lines", "schemas"]).multiple(true))]
pub(crate) struct Arguments {
    /// Take only events whose topic matches; may be given several times [default: **]
    ///
    /// `*` is exactly one token of a topic, `**` any number of them, also none. Write it in quotes, or the shell puts
    /// file names in its place.
    #[arg(long = "on", value_name = "PATTERN", value_parser = |text: &str| Pattern::new(text))]
    pub(super) on: Vec<Pattern>,

    /// Take plain JSON lines, and publish them under this topic
    #[arg(long, value_name = "TOPIC", value_parser = topic, conflicts_with = "topic_from")]
    topic: Option<Topic>,

    /// Take plain JSON lines, and publish each under the topic that stands in it at this JSON pointer
    ///
    /// A JSON pointer (RFC 6901) such as `/kind` or `/payload/items/0/name`. A line where it leads to nothing, or to
    /// something that is no string, is refused.
    #[arg(long, value_name = "POINTER")]
    topic_from: Option<Pointer>,

    /// Send events on, copy, drop or change them by the rules of this TOML file
    ///
    /// One table `[[rule]]` a rule, asked from the first to the last: `name`; `on` and `except`, topic patterns; `when`,
    /// conditions on fields (`source`, `metadata.NAME`) and places in the data (`/user/age`): `equals`, `in`, `range`
    /// with `min`, `max`, `above` and `below`, `exists`, `matches`. Then what is done: `priority`, `key`, `metadata`,
    /// `copy`, and `forward` or `drop`. In a target `{0}` is the first token of the topic, `{topic}` all of it. An event
    /// that a rule sends on comes to all rules again; one that goes round in circles is refused. What each rule did is
    /// in the summary. Not with a command: its books are kept by the line, and a copy has none.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["exec", "exec_lines"])]
    #[arg(value_parser = PathBufValueParser::new().try_map(|path| rules::read(&path)))]
    rules: Option<Rules>,

    /// Write the summary as one JSON object, on the last line of standard error
    ///
    /// Its members: accepted, delivered, refused, lost (always 0, or the exit status is 1), seconds,
    /// events_per_second. With a command also done and dead, which make up delivered; retries, attempts that were not
    /// the first; and expired, events whose `expirytime` was over before they were handled. With
    /// --rules also rules, a list of what each of them did.
    #[arg(long)]
    pub(super) json: bool,

    /// Stop at the first line that is refused
    ///
    /// The events before it are delivered.
    #[arg(long)]
    pub(super) strict: bool,

    /// The longest line that is taken as an event, in bytes without its line break
    ///
    /// It counts the whole event as it stands on the line, attributes and data, but not what a dead letter tells
    /// beside them; a longer line is refused without being held in memory. `k`, `M` and `G` count in 1,024s, as `KiB`, `MiB` and `GiB` do; `kB`, `MB` and `GB` in
    /// 1,000s.
    #[arg(long, value_name = "SIZE", value_parser = size, default_value = "1MiB")]
    pub(super) max_event_size: usize,

    /// Refuse events whose data does not satisfy the JSON Schema of their topic, or of their type and version
    ///
    /// FILE is a JSON Schema, of the draft its `$schema` says (default: 2020-12), with a member `topics`: topics or
    /// patterns, with the schema of each, or the text of a `$ref` such as "#/definitions/order"; and a member `types`:
    /// types, with versions, with the schema of each. What no schema is for goes on. It holds for all events, whatever
    /// --on asks for.
    ///
    /// An event that is refused is named on standard error with what is wrong and where, counts as refused, and goes to
    /// the file of --dead-letters, with every violation. `format` is not asserted. Schemas are never fetched: a `$ref`
    /// to what is not in FILE cannot be used.
    #[arg(long, value_name = "FILE")]
    pub(super) schemas: Option<PathBuf>,

    /// Append every event that failed for good, or did not satisfy its schema, to this file
    ///
    /// One CloudEvents JSON object a line, whose attribute `owlbusdeadletter` tells why, where, when, and after which
    /// attempts. `owlbus pipe` takes such lines as input, without that attribute: the events are what they were. To
    /// send them once more, move the file away and read it: `mv dead.ndjson again.ndjson && owlbus pipe --exec …
    /// --dead-letters dead.ndjson < again.ndjson`. Default: they are named on standard error, and not kept.
    #[arg(long, value_name = "FILE", requires = "leaves_letters")]
    pub(super) dead_letters: Option<PathBuf>,

    #[command(flatten)]
    pub(super) exec: exec::Arguments,
}

const EXAMPLES: &str = "\
Examples:
  owlbus pipe --on 'order.**' < events.ndjson
  owlbus pipe --on 'order.*' --on 'user.*' --json < events.ndjson > some.ndjson
  owlbus pipe --rules rules.toml --on 'audit.**' < events.ndjson
  owlbus pipe --topic-from /kind --on 'sensor.**' < lines.ndjson
  tail -f app.log.ndjson | owlbus pipe --topic app.log
  owlbus pipe --schemas schemas.json --dead-letters bad.ndjson < events.ndjson > good.ndjson
  owlbus pipe --exec './bill.sh' --retries 3 --dead-letters dead.ndjson < orders.ndjson
  owlbus pipe --exec-lines 'python3 score.py' --concurrency 4 < orders.ndjson
  owlbus pipe --topic url.found --exec 'curl -fsS \"$(jq -r .data.url)\"' --timeout 10s < urls.ndjson

Exit status:
  0  Every line was an event or empty, and commands were done with every event. Also: whoever reads standard output
     closed it, as `head` does; then it ends without a word, but for the summary that --json asks for.
  1  Lines were refused, for their schema too, or events are dead letters; or standard input could not be read, or standard output or the
     file of dead letters not be written; or a long-lived command did not end well.
  2  The arguments are wrong, or there is no such command, or the schemas cannot be used, or the file of dead letters
     cannot be opened.
  130  A second Ctrl-C.";

impl Arguments {
    /// The form of the lines that come in.
    pub(super) fn form(&self) -> Form {
        match (&self.topic, &self.topic_from) {
            (Some(topic), _) => Form::Plain(topic.clone()),
            (None, Some(pointer)) => Form::PlainFrom(pointer.clone()),
            (None, None) => Form::CloudEvents,
        }
    }

    /// What events are sent on by.
    pub(super) fn rules(&self) -> Rules {
        self.rules.clone().unwrap_or_default()
    }

    /// What is subscribed to.
    pub(super) fn patterns(&self) -> Vec<Pattern> {
        const EVERYTHING: Pattern = Pattern::from_static("**");
        if self.on.is_empty() { vec![EVERYTHING] } else { self.on.clone() }
    }
}

/// A topic that may be published under; a reserved one would refuse every single line.
fn topic(text: &str) -> Result<Topic, String> {
    let topic = Topic::new(text).map_err(|error: TopicError| error.to_string())?;
    if topic.is_reserved() {
        return Err("topics that begin with `owlbus` are the bus's own; choose another".into());
    }
    Ok(topic)
}
