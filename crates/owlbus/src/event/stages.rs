//! What the stages of the bus do with an event: stamp it, number it, weigh it.

use std::{
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use smol_str::SmolStr;

use super::{
    Event, EventId, Inner,
    header::{Cause, Stamp},
};
use crate::{clock::Moment, journal::Seq, middleware::Chain, topic::Topic};

/// Where an accepted event stands.
pub(crate) struct Place {
    seq: Seq,
    accepted: Moment,
    source: SmolStr,
}

impl Event {
    /// This event with everything a bus fills in. What is there already stays.
    ///
    /// Other holders of the event keep theirs as it is: they may be publishing it at this very moment, and each
    /// publish has a place in a journal of its own.
    pub(crate) fn with_stamp(mut self, stamp: &Stamp) -> Self {
        let header = self.header_mut();
        header.stamp(stamp);
        header.accepted = Moment::now().0;
        header.seq = Seq::NONE.0.into();
        if let Some(extras) = &mut header.extras {
            extras.reckon();
        }
        self
    }

    /// The event as it is accepted at this moment, after a delay.
    pub(crate) fn accepted_now(mut self) -> Self {
        self.header_mut().accepted = Moment::now().0;
        self
    }

    /// The same event as one of its own that happens now: another id, another time, and an expiry as far from that.
    pub(crate) fn happening_now(mut self) -> Self {
        self.header_mut().happen_now();
        self
    }

    /// Gives the event its place in the journal.
    pub(crate) fn set_seq(&self, seq: Seq) {
        self.0.header.seq.store(seq.0, Relaxed);
    }

    pub(crate) fn seq(&self) -> Seq {
        Seq(self.0.header.seq.load(Relaxed))
    }

    /// When a bus accepted the event.
    pub(crate) fn accepted(&self) -> Moment {
        Moment(self.0.header.accepted)
    }

    /// Whether nobody wants it any more. Most events do not say, and read no clock.
    pub(crate) fn is_expired(&self) -> bool {
        let expires = self.0.header.extras.as_ref().and_then(|extras| extras.expires);
        expires.is_some_and(|expires| Moment::now() >= expires)
    }

    /// What stands around its handlers, where anything does.
    pub(crate) fn chain(&self) -> Option<&Arc<Chain>> {
        self.extras()?.chain.as_ref()
    }

    /// Whether a bus has filled in what its publisher left out.
    pub(crate) fn is_stamped(&self) -> bool {
        self.0.header.source.is_some()
    }

    pub(crate) fn cause(&self) -> Cause {
        Cause { id: self.id(), correlation: self.correlation_id() }
    }

    /// Whether anybody named a topic: the type, or the publisher.
    pub(crate) fn has_topic(&self) -> bool {
        self.0.header.topic.is_some() || self.0.payload.topic().is_some()
    }

    /// Bytes of the event as its publisher sees it: data, metadata, and the other fields as far as they are not
    /// short.
    pub(crate) fn bytes_of_it(&self) -> usize {
        self.0.header.text_bytes() + self.content_bytes()
    }

    /// Bytes in a queue of an event that counts so many by itself. Every queue that holds it counts all of them.
    pub(crate) fn weight(&self, bytes_of_it: usize) -> usize {
        size_of::<Inner<()>>() + self.0.header.extras_bytes() + bytes_of_it
    }

    /// Gives an event that was made from an accepted one the place of that one, and its source.
    pub(crate) fn in_place_of(mut self, accepted: &Place) -> Self {
        if self.seq() == Seq::NONE {
            let header = self.header_mut();
            header.source.get_or_insert_with(|| accepted.source.clone());
            header.accepted = accepted.accepted.0;
            header.seq = accepted.seq.0.into();
        }
        self
    }

    /// The event under another topic. What happened stays what it was.
    pub(crate) fn under(mut self, topic: Topic) -> Self {
        let is_typed = self.extras().is_some_and(|extras| extras.event_type.is_some())
            || self.0.payload.event_type().is_some();
        let event_type = (!is_typed).then(|| SmolStr::from(self.event_type()));
        let header = self.header_mut();
        if let Some(event_type) = event_type {
            header.extras_mut().event_type = Some(event_type);
        }
        header.topic = Some(topic);
        self
    }

    /// A second event with the same content under another topic, caused by this one. It asks for no reply: this one does.
    pub(crate) fn copied_under(&self, topic: Topic) -> Self {
        let mut copy = self.clone().under(topic);
        let header = copy.header_mut();
        header.id = EventId::generate();
        header.correlation = Some(self.correlation_id());
        let extras = header.extras_mut();
        extras.causation = Some(self.id());
        extras.reply_to = None;
        copy
    }

    pub(crate) fn place(&self) -> Place {
        Place { seq: self.seq(), accepted: self.accepted(), source: self.source().into() }
    }

    /// Calendar time of the event since the Unix epoch.
    pub(super) fn since_epoch(&self) -> Duration {
        self.0.header.time
    }
}
