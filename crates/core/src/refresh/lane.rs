//! One lane of one app: the token it holds, what is known of that token's health, and when to try again.

use crate::clock::{Boot, Now, Wall};
use crate::credential::{Token, ValueId};
use crate::retry::{self, Jitter, Spent};
use crate::source::Trouble;
use crate::store::{Intent, StoredToken};

use super::rules::REACH;

/// A token held, handed out or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) token: Token,
    pub(super) id: ValueId,
    /// When the request that first brought it was sent: expiry counts from here (rule 5).
    pub(super) sent: Boot,
    /// Its place among the lane's values: always grows, however the clocks of replicas differ.
    pub(super) order: Wall,
    pub(super) expires: Boot,
    /// What `expires_in` said when it was first met, milliseconds.
    pub(super) lifetime: u64,
    /// When to fetch its successor (rule 4).
    pub(super) due: Boot,
    /// WeChat called it bad, and a probe agreed.
    pub(super) dead: bool,
    /// It came from the store, so its expiry rests on two wall clocks.
    pub(super) restored: bool,
    /// Others fetched it and we took it over: in which lane, nobody knows.
    pub(super) adopted: bool,
}

impl Held {
    pub(super) const fn live(&self, now: Now) -> bool {
        !self.dead && now.boot.0 < self.expires.0
    }
}

/// When something that fails may be tried again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Retry {
    pub(super) failures: u8,
    pub(super) not_before: Boot,
    pub(super) trouble: Option<(Trouble, Wall)>,
    /// The last call was refused for its AppSecret only, and another is to be shown at once.
    pub(super) other_secret: bool,
}

impl Retry {
    /// Everything is well again.
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// It failed, once more: tried again when that helps (rules 6, 7 and 9). The trouble counts since the first of the row.
    pub(super) fn failed(
        &mut self,
        trouble: Trouble,
        left: Option<u64>,
        spent: Spent,
        now: Now,
        steady: Wall,
        jitter: &mut Jitter,
    ) {
        self.failures = self.failures.saturating_add(1);
        let wait = retry::after(trouble, self.failures, left, spent, steady, jitter);
        self.not_before = now.boot.plus(wait);
        let since = self.trouble.map_or(now.wall, |(_, since)| since);
        self.trouble = Some((trouble, since));
    }

    /// A person did something: try at once.
    pub(super) fn nudge(&mut self) {
        self.not_before = Boot::default();
        self.failures = 0;
    }
}

/// What is known of a token's health between fetches (rule 8).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Health {
    /// WeChat last said so at the end of a call sent then.
    pub(super) last_alive: Boot,
    /// Somebody called it dead, first at this time, and no probe has answered yet.
    pub(super) suspected: Option<Boot>,
    /// Nothing but hearsay says so: no probe is spent on it that first-hand evidence may need.
    pub(super) hearsay_only: bool,
    /// The evidence came from a sink: it is put back if the probe says alive.
    pub(super) put_back: bool,
    /// The next regular probe.
    pub(super) probe_due: Boot,
    /// Not probed before this.
    pub(super) not_before: Boot,
    pub(super) failures: u8,
    /// A young value was called dead once: the second look decides.
    pub(super) second_look: bool,
    /// Hearsay counts again from then.
    pub(super) hearsay_after: Boot,
    /// Looked at regularly until then: whoever spoke the hearsay may not be heard again for as long.
    pub(super) watched_until: Boot,
}

/// A stable value that another replica saved while we held one that was not saved: clocks differ, so which of them is the
/// newer nobody can say but WeChat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rival {
    pub(super) stored: StoredToken,
    /// When we heard of it: an answer to an older question does not settle it.
    pub(super) heard: Boot,
}

/// An operator's wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nudge {
    Fetch,
    Force,
}

/// How the last fetch of a lane ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// With a new value.
    New,
    /// With the value already held.
    Same,
    /// Without an answer that helps.
    Failed(Trouble),
    /// It was not made: our budget does not allow it.
    OverBudget,
    /// It was not made: the store accepts no writes.
    StoreRefused,
}

/// One lane.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LaneState {
    pub(super) held: Option<Held>,
    pub(super) retry: Retry,
    pub(super) health: Health,
    /// The note of a call that may have minted and whose answer was never saved.
    pub(super) intent: Option<Intent>,
    /// An open note that this one took the place of: what it may have minted is still not known.
    pub(super) beneath: Option<Intent>,
    /// When normal mode last answered with the value held.
    pub(super) confirmed: Boot,
    /// Another's open note, and when we first heard of it.
    pub(super) heard: Option<(Intent, Boot)>,
    /// Another replica's call may be under way until then: if nothing is heard of it, it has to be asked after.
    pub(super) theirs: Option<Boot>,
    /// The last note of ours that is settled, though the store may still hold it.
    pub(super) closed: Option<Intent>,
    /// Somebody else's open intent ends then: not fetched before.
    pub(super) wait_until: Boot,
    /// The same by the other's clock: what we fetch afterwards is newer than that.
    pub(super) others_end: Wall,
    /// Its newest value is not saved yet.
    pub(super) unsaved: bool,
    /// Where the unsaved value will stand once it is saved.
    pub(super) order_to_be: Wall,
    /// And that value was minted, not just handed to us.
    pub(super) unsaved_mint: bool,
    /// The note of the call that did, until the value is saved.
    pub(super) minted_by: Option<Intent>,
    /// The 30 s between forced refreshes have passed then, however clocks were set meanwhile.
    pub(super) force_gap_ends: Boot,
    /// The last forced refresh that is known of, by the clock of whoever made it.
    pub(super) forced_seen: Wall,
    /// WeChat has said that no more forced refreshes are to be had before this.
    pub(super) force_after: Boot,
    /// A call of ours may have minted until then, without our learning what: a value fetched before accuses nobody.
    pub(super) doubted_until: Boot,
    /// Another replica's value, saved while ours was not: normal mode tells which of the two lives.
    pub(super) rival: Option<Box<Rival>>,
    /// The lane's value was called dead, and normal mode answered with the same value.
    pub(super) stuck: bool,
    /// Values in a row that died young: the next fetch keeps a distance.
    pub(super) early_deaths: u8,
    /// An operator's wish, until it lapses.
    pub(super) nudge: Option<(Nudge, Boot)>,
    pub(super) last: Option<(Outcome, Boot)>,
}

impl LaneState {
    pub(super) fn live(&self, now: Now) -> bool {
        self.held.as_ref().is_some_and(|held| held.live(now))
    }

    /// What an operator wishes now.
    pub(super) fn wish(&self, now: Now) -> Option<Nudge> {
        self.nudge
            .filter(|(_, lapses)| now.boot < *lapses)
            .map(|(nudge, _)| nudge)
    }

    pub(super) fn dead(&self) -> bool {
        self.held.as_ref().is_some_and(|held| held.dead)
    }

    /// Milliseconds the live value has left; none if there is none.
    pub(super) fn left(&self, now: Now) -> Option<u64> {
        self.held
            .as_ref()
            .filter(|held| held.live(now))
            .map(|held| held.expires.since(now.boot))
    }

    /// The value's place as it is, or is to be, stored.
    pub(super) fn stored_order(&self) -> Wall {
        let order = self
            .held
            .as_ref()
            .map_or_else(Wall::default, |held| held.order);
        order.max(self.order_to_be)
    }

    /// The value goes into a write: it will stand at the wall time of its request, or later.
    pub(super) fn goes_out(&mut self, now: Now) {
        if let Some(held) = self.held.as_ref().filter(|_| self.unsaved)
            && self.rival.is_none()
            && self.order_to_be == Wall::default()
        {
            self.order_to_be = now.wall_at(held.sent);
        }
    }

    /// What it holds is durable.
    pub(super) fn was_saved(&mut self) {
        if self.rival.is_some() {
            return; // that was saved, not ours
        }
        let order = self.stored_order();
        if let Some(held) = &mut self.held {
            held.order = order;
        }
        self.order_to_be = Wall::default();
        (self.unsaved, self.unsaved_mint) = (false, false);
        self.minted_by = None;
    }

    /// The note is settled: a value is known that was asked for after it.
    pub(super) fn close_intent(&mut self) {
        self.beneath = None;
        if let Some(intent) = self.intent.take() {
            self.closed = Some(intent);
        }
    }

    /// The note's call is known not to have minted: what was open before it is open again.
    pub(super) fn withdraw_intent(&mut self) {
        (self.closed, self.intent) = (self.intent.or(self.closed), self.beneath.take());
    }

    /// A call of ours may be under way until then.
    pub(super) fn doubt_calls_until(&mut self, until: Boot) {
        self.doubted_until = self.doubted_until.max(until);
    }

    /// Whoever ended the value held, it may have been us.
    pub(super) fn doubt_held(&mut self) {
        if let Some(held) = &self.held {
            self.doubted_until = self.doubted_until.max(held.sent.plus(1));
        }
    }

    /// Whether the value held may have been ended by a call of ours.
    pub(super) fn held_is_doubted(&self) -> bool {
        let held = self.held.as_ref();
        held.is_some_and(|held| held.sent < self.doubted_until)
    }

    /// Shortens the held value's life: a call that may have minted ends it within the overlap (rule 3).
    pub(super) fn may_have_been_replaced(&mut self, sent: Boot, overlap: u64) {
        self.doubt_calls_until(sent.plus(REACH));
        self.doubt_held();
        if let Some(held) = self.held.as_mut() {
            held.expires = held.expires.min(sent.plus(overlap));
            held.due = held.due.min(sent);
        }
    }
}
