//! One state for all that differ in nothing but names: which process is which, and how long ago things were.
//!
//! The checker then meets each only once. A moment is renamed to its rank among all that are remembered, so that a life of
//! any length has few states.

use crate::state::{Fence, Generation, Moment, Record, Replica, Row, State};

#[derive(Clone, Copy)]
enum Sort {
    Fence,
    Moment,
    Generation,
}

/// Which numbers are in use, a bit each: of fences, moments and generations.
#[derive(Debug, Clone, Copy, Default)]
struct InUse([u32; 3]);

/// By number: which rank it has among those of its sort.
struct Ranks([[u8; 32]; 3]);

impl InUse {
    fn highest(self, sort: Sort) -> u8 {
        31 - (self.0[sort as usize] | 1).leading_zeros() as u8
    }

    fn ranks(self) -> Ranks {
        let mut ranks = Ranks([[0; 32]; 3]);
        for (bits, ranks) in self.0.into_iter().zip(&mut ranks.0) {
            for (rank, number) in (1..).zip(numbers(bits)) {
                ranks[usize::from(number)] = rank;
            }
        }
        ranks
    }
}

impl Ranks {
    const fn of(&self, sort: Sort, number: u8) -> u8 {
        self.0[sort as usize][number as usize]
    }

    /// The same of a set of moments, a bit each.
    fn of_all(&self, moments: u32) -> u32 {
        numbers(moments).fold(0, |all, moment| all | 1 << self.of(Sort::Moment, moment))
    }
}

fn numbers(mut bits: u32) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        let number = (bits > 0).then(|| bits.trailing_zeros() as u8)?;
        bits &= bits - 1;
        Some(number)
    })
}

impl State {
    /// The state that stands for this one. `replicas` of them are looked at.
    #[must_use]
    pub fn canonical(mut self, replicas: usize) -> Self {
        let passed = self.notes() & (u32::MAX >> (31 - self.past));
        self.past = 31_u8.saturating_sub(passed.leading_zeros() as u8);
        self.row.writer = 0; // has been looked at
        let (ranks, values) = (self.in_use().ranks(), self.values());
        self.each(&mut |sort, number| *number = ranks.of(sort, *number));
        self.each_record(&mut |record| record.replaced = ranks.of_all(record.replaced & values));
        self.replicas[..replicas].sort_unstable();
        self.calls.sort_unstable();
        self
    }

    /// A fence newer than all.
    #[must_use]
    pub fn next_fence(&self) -> Fence {
        self.in_use().highest(Sort::Fence) + 1
    }

    /// Now: later than all that is remembered.
    #[must_use]
    pub fn now(&self) -> Moment {
        self.in_use().highest(Sort::Moment) + 1
    }

    /// A generation newer than all.
    #[must_use]
    pub fn next_generation(&self) -> Generation {
        self.in_use().highest(Sort::Generation) + 1
    }

    fn in_use(&self) -> InUse {
        let mut used = InUse::default();
        let mut copy = *self;
        copy.each(&mut |sort, number| used.0[sort as usize] |= 1 << *number);
        for bits in &mut used.0 {
            *bits &= !1; // 0 is none
        }
        used
    }

    fn each(&mut self, see: &mut impl FnMut(Sort, &mut u8)) {
        row(&mut self.row, see);
        if let Some(copy) = &mut self.copy {
            row(copy, see);
        }
        for replica in &mut self.replicas {
            self::replica(replica, see);
        }
        for call in &mut self.calls {
            see(Sort::Moment, &mut call.note);
        }
        see(Sort::Moment, &mut self.live);
        see(Sort::Moment, &mut self.minted);
        see(Sort::Moment, &mut self.past);
        see(Sort::Fence, &mut self.lease);
        see(Sort::Fence, &mut self.newest);
    }

    fn each_record(&mut self, see: &mut impl FnMut(&mut Record)) {
        see(&mut self.row.body);
        if let Some(copy) = &mut self.copy {
            see(&mut copy.body);
        }
        for replica in &mut self.replicas {
            see(&mut replica.mine);
            see(&mut replica.kept);
        }
    }

    /// Every value that is, or may come to be, in a record.
    fn values(&self) -> u32 {
        let mut copy = *self;
        let mut values = 0;
        copy.each_record(&mut |record| values |= 1 << record.value);
        for replica in &self.replicas {
            values |= 1 << replica.own;
        }
        values
    }

    /// Every note that anybody remembers or whose call is under way, a bit each.
    #[must_use]
    pub fn notes(&self) -> u32 {
        let mut copy = *self;
        let mut notes = 0;
        copy.each_record(&mut |record| notes |= 1 << record.note);
        for replica in &self.replicas {
            notes |= 1 << replica.own | 1 << replica.beneath;
        }
        for call in &self.calls {
            notes |= 1 << call.note;
        }
        notes & !1
    }
}

fn row(row: &mut Row, see: &mut impl FnMut(Sort, &mut u8)) {
    see(Sort::Fence, &mut row.granted);
    see(Sort::Fence, &mut row.writer);
    see(Sort::Moment, &mut row.late);
    record(&mut row.body, see);
}

fn record(record: &mut Record, see: &mut impl FnMut(Sort, &mut u8)) {
    see(Sort::Moment, &mut record.value);
    see(Sort::Generation, &mut record.generation);
    see(Sort::Moment, &mut record.note);
    see(Sort::Moment, &mut record.late);
}

fn replica(replica: &mut Replica, see: &mut impl FnMut(Sort, &mut u8)) {
    see(Sort::Fence, &mut replica.fence);
    for moment in [&mut replica.own, &mut replica.ended, &mut replica.beneath] {
        see(Sort::Moment, moment);
    }
    record(&mut replica.mine, see);
    record(&mut replica.kept, see);
    see(Sort::Generation, &mut replica.out.0);
    see(Sort::Moment, &mut replica.out.1);
}
