//! What is to come: everything that will happen, in order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use wxtoken_core::refresh::event::{CallId, Event};
use wxtoken_core::store::{Fence, Record};

use crate::question::{Question, Says, Value};
use crate::table::Fault;

/// A write on its way to the store.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) good: Event,
    pub(crate) bad: Event,
    pub(crate) record: Box<Record>,
    pub(crate) fence: Fence,
    pub(crate) note: bool,
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
    Reconcile(usize),
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
