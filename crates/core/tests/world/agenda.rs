//! What is to come: everything that will happen, in order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use wxtoken_core::clock::Wall;
use wxtoken_core::refresh::event::{CallId, Event};
use wxtoken_core::store::{Fence, Record};

use crate::question::{Question, Says, Value};
use crate::redis::{Holder, Redis};
use crate::table::Fault;

/// A write on its way to the store.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) good: Event,
    pub(crate) bad: Event,
    pub(crate) record: Box<Record>,
    pub(crate) fence: Fence,
    pub(crate) note: bool,
    /// The newest version its writer knows of, and the late mint it has been shown.
    pub(crate) knows: (u64, Option<Wall>),
}

/// Something that will happen.
#[derive(Debug)]
pub(crate) enum Ev {
    Give(usize, u32, Event),
    Wake(usize, u32, u64),
    Arrive(usize, u32, CallId, Question),
    Answer(usize, u32, CallId, Says),
    Timeout(usize, u32, CallId),
    Land(usize, u32, Box<Write>),
    WriteDone(usize, u32, bool, Event),
    LeaseTry(usize, u32, u64),
    /// The holder's process keeps its lease alive.
    Keep(usize, u32),
    /// A message has told of a new version; or of an epoch.
    Read(usize, u32),
    Refill(usize, u32),
    Compare(usize, u32),
    Mended(usize),
    FailOver(Box<Redis>),
    OldMasterEnds,
    /// By then another must have followed who was lost.
    Followed(Holder, u64),
    /// By then this generation is known to this process.
    Known(usize, u32, u64),
    Reload(usize, u32),
    Fault,
    Fire(Fault, usize),
    Restart(usize),
    Resume(usize, u32),
    ForeignFetch,
    Notice(Value),
    Look(usize, u32),
    Calm,
    Judgement,
    Chaos,
}

/// What is to come, earliest first; what it is lies apart, so that little moves when they are sorted.
#[derive(Default)]
pub(crate) struct Agenda {
    order: BinaryHeap<Reverse<(u64, u64, usize)>>,
    events: Vec<Option<Ev>>,
    free: Vec<usize>,
    number: u64,
}

impl Agenda {
    pub(crate) fn push(&mut self, at: u64, ev: Ev) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.events.push(None);
            self.events.len() - 1
        });
        self.events[slot] = Some(ev);
        self.number += 1;
        self.order.push(Reverse((at, self.number, slot)));
    }

    pub(crate) fn pop(&mut self) -> Option<(u64, Ev)> {
        let Reverse((at, _, slot)) = self.order.pop()?;
        self.free.push(slot);
        Some((at, self.events[slot].take()?))
    }
}
