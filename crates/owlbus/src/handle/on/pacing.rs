//! What a subscription says of how often a key may come.

use std::time::Duration;

use super::{
    super::pace::{Keep, Pace},
    On,
};
use crate::config::ConfigError;

impl On<'_> {
    /// Takes of each key the latest event, once no other of that key has come for so long: for keystrokes, file changes,
    /// anything whose last state is all that matters. An event without a key has its topic for one. Default: every event.
    ///
    /// The event that waits takes a place in the mailbox; a newer one of its key takes over that place, and the older one counts
    /// as `coalesced`. A key whose events never stop never comes, unless [`debounce_at_most`](Self::debounce_at_most) says
    /// how long it waits. While no worker is free, an event whose time has come waits on, and newer ones go on taking its place.
    ///
    /// Nothing is lost at the end: a shutdown does not wait for the time, and handles what is kept at once. An `Immediate` event is not
    /// kept: it goes in at once, for the one of its key that was.
    ///
    /// ```
    /// # async fn example(bus: owlbus::Bus) -> Result<(), owlbus::SubscribeError> {
    /// use std::time::Duration;
    ///
    /// use owlbus::Delivery;
    ///
    /// // Each document is saved when nobody has typed in it for half a second, and every ten seconds else.
    /// bus.on("document.edited")
    ///     .debounce(Duration::from_millis(500))
    ///     .debounce_at_most(Duration::from_secs(10))
    ///     .handle(|edited: Delivery| async move { println!("save {}", edited.key()) })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn debounce(mut self, quiet: Duration) -> Self {
        self.debounce = Some(quiet);
        self
    }

    /// How long a key waits at most for [`debounce`](Self::debounce), counted from its first event. Default: until it is quiet.
    pub fn debounce_at_most(mut self, longest: Duration) -> Self {
        self.debounce_at_most = Some(longest);
        self
    }

    /// Takes of each key at most one event within that time: the first at once, or the latest at its end. The others
    /// count as `coalesced`. An event without a key has its topic for one. Default: every event.
    ///
    /// With [`Keep::First`] the time begins when an event goes in, or begins to wait for room; 65,536 keys are remembered, and beyond that the one whose time is
    /// over first is forgotten. With [`Keep::Latest`] it begins with the first event, and all is as with [`debounce`](Self::debounce).
    /// `Immediate` events go in at once, and are not counted in.
    ///
    /// ```
    /// # async fn example(bus: owlbus::Bus) -> Result<(), owlbus::SubscribeError> {
    /// use std::time::Duration;
    ///
    /// use owlbus::{Delivery, handle::Keep};
    ///
    /// // One mail a customer and hour, however much goes wrong.
    /// bus.on("order.failed")
    ///     .throttle(Duration::from_secs(3600), Keep::First)
    ///     .handle(|failed: Delivery| async move { println!("tell {}", failed.key()) })
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn throttle(mut self, within: Duration, keep: Keep) -> Self {
        self.throttle = Some((within, keep));
        self
    }

    /// How the mailbox thins out the events of a key, where what was said of that goes together.
    pub(super) fn pace(&self) -> Result<Option<Pace>, ConfigError> {
        let wrong = |setting, problem| Err(ConfigError::new(setting, problem));
        match (self.debounce, self.throttle) {
            (None, _) if self.debounce_at_most.is_some() => {
                wrong("debounce_at_most", "is for `debounce`; say that too, or leave it out")
            }
            (Some(_), Some(_)) => wrong("throttle", "does not go with `debounce`; choose one of them"),
            (Some(_), _) if self.once => wrong(
                "debounce",
                "does not go with `once`: nothing comes after the first event; leave it out",
            ),
            (_, Some(_)) if self.once => wrong(
                "throttle",
                "does not go with `once`: nothing comes after the first event; leave it out",
            ),
            (Some(Duration::ZERO), _) => wrong("debounce", "is zero, and holds nothing back; leave it out"),
            (_, Some((Duration::ZERO, _))) => {
                wrong("throttle", "is zero, and leaves nothing out; leave it out")
            }
            (Some(quiet), _) if self.debounce_at_most.is_some_and(|longest| longest < quiet) => {
                wrong("debounce_at_most", "is shorter than `debounce`; make it longer, or use `throttle`")
            }
            (Some(quiet), _) => Ok(Some(Pace::Latest { quiet, longest: self.debounce_at_most })),
            (_, Some((within, Keep::First))) => Ok(Some(Pace::First { within })),
            (_, Some((within, Keep::Latest))) => {
                Ok(Some(Pace::Latest { quiet: within, longest: Some(within) }))
            }
            (None, None) => Ok(None),
        }
    }
}
