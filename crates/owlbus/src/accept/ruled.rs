//! A publish on a bus that has rules: of the event as they leave it, and of what they copied.

use std::{mem, sync::Arc};

use super::{Begun, Manner, PublishError, Receipt, Track, Waiting, Whose, check, enter, ready, straight};
use crate::{
    bus::Core,
    dispatch::rules::{Counted, Followed, Refusal},
    event::{Event, EventId},
    handle::Origin,
    journal::Seq,
    middleware::Way,
};

/// Asks the rules what becomes of the event, and publishes that: all of it, or nothing.
pub(super) fn begin<'a>(
    core: &'a Core,
    rules: &Arc<Counted>,
    event: Event,
    manner: Manner,
    track: Option<&Track>,
    origin: Option<&Origin>,
    way: Option<&Way>,
) -> Result<Begun<'a>, PublishError> {
    // What may not be published is none of the rules' business.
    check(core, &event, event.bytes_of_it())?;
    let Followed { event: own, copies, done } = match rules.follow(event.clone()) {
        Ok(followed) => followed,
        Err(Refusal { by, reason }) => return Err(PublishError::rejected(event, &by, reason)),
    };
    if done.is_nothing() {
        drop(own);
        return straight(core, event, manner, track, origin, way);
    }

    let prepare = || {
        let own = match own {
            Ok(own) => Ok(ready(core, own, manner, track, origin)?),
            Err(by) => Err(by),
        };
        let copies = copies.into_iter().map(|copy| ready(core, copy, manner, None, origin));
        let copies: Vec<_> = copies.collect::<Result<_, _>>()?;
        Ok::<_, PublishError>((own, copies))
    };
    let (own, copies) = match prepare() {
        Ok(prepared) => prepared,
        // The publisher gets back what it gave, not what the rules made of it.
        Err(error) => return Err(error.about(event)),
    };
    let Some(passages) = core.turnstile.pass_together(copies.len() + usize::from(own.is_ok())) else {
        return Err(PublishError::Closed { event });
    };
    done.count();
    let id = event.id();
    drop(event);

    let mut passages = passages.into_iter();
    let mut begun = match own {
        Err(by) => Begun::Ended(discarded(id, by)),
        Ok(own) => {
            let passage = passages.next().expect("there is one for each");
            enter(core, own, passage, track, origin, Whose::Publisher(way))
        }
    };
    for (copy, passage) in copies.into_iter().zip(passages) {
        begun = begun.with(enter(core, copy, passage, None, origin, Whose::Rule));
    }
    Ok(begun)
}

/// The receipt of an event that a rule dropped.
fn discarded(id: EventId, by: Arc<str>) -> Receipt {
    Receipt {
        id,
        seq: Seq::NONE,
        matched: Some(0),
        dropped: Some(Vec::new()),
        unfinished: Vec::new(),
        due: None,
        duplicate: false,
        discarded_by: Some(by),
    }
}

impl Begun<'_> {
    /// The same publish with that of a copy, whose losses it names, and whose room it waits for.
    fn with(self, copy: Self) -> Self {
        match (self, copy) {
            (Begun::Ended(mut receipt), Begun::Ended(copy)) => {
                receipt.names_losses_of(copy);
                Begun::Ended(receipt)
            }
            (Begun::Ended(receipt), Begun::Waiting(mut waiting)) => {
                let copy = mem::replace(&mut waiting.receipt, receipt);
                waiting.receipt.names_losses_of(copy);
                Begun::Waiting(waiting)
            }
            (Begun::Waiting(mut waiting), Begun::Ended(copy)) => {
                waiting.receipt.names_losses_of(copy);
                Begun::Waiting(waiting)
            }
            (Begun::Waiting(mut waiting), Begun::Waiting(copy)) => {
                let Waiting { receipt, rooms, pause, passages, .. } = *copy;
                waiting.receipt.names_losses_of(receipt);
                waiting.rooms.extend(rooms);
                waiting.pause = waiting.pause.max(pause);
                waiting.passages.extend(passages);
                Begun::Waiting(waiting)
            }
        }
    }
}

impl Receipt {
    fn names_losses_of(&mut self, copy: Receipt) {
        self.dropped.get_or_insert_default().extend(copy.dropped.unwrap_or_default());
    }
}
