//! What there is: Redis, the processes, the calls under way, the value that lives.
//!
//! Must not know: what happens, what is promised.

/// When something was, among all that is still remembered; 0 is never. Notes, deadlines, late mints and values are ordered by
/// these: a value is named by the moment its note was made.
pub type Moment = u8;
/// Under which lease: an epoch and a number in one, for both only grow. 0 is none.
pub type Fence = u8;
/// Of a value that is handed out: grows by the clock.
pub type Generation = u8;

/// As many processes as there is room for.
pub const MOST_REPLICAS: usize = 3;
/// As many calls as can be under way at once.
pub const MOST_CALLS: usize = 4;

/// What is stored, and what a process would store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub struct Record {
    /// The value.
    pub value: Moment,
    /// Under which generation it is handed out.
    pub generation: Generation,
    /// The note before a call of which nobody has said what came of it: it may have minted. None if 0.
    pub note: Moment,
    /// Somebody minted without a lease then: a value no younger has to be settled by one more fetch.
    pub late: Moment,
    /// Values that are known to have been replaced, a bit each.
    pub replaced: u32,
}

/// An app's row in Redis, and in the machine that would take over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub struct Row {
    /// The newest fence granted; 0 where there is no row.
    pub granted: Fence,
    /// It is of another life of Redis.
    pub void: bool,
    /// No lease was given in this epoch: offers are taken.
    pub young: bool,
    /// Under which fence the body was written; 0 if it was offered.
    pub writer: Fence,
    /// A late mint that was noted beside the body.
    pub late: Moment,
    /// The body.
    pub body: Record,
}

/// Whether a process runs, and whether it reaches Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub enum Link {
    /// All is well.
    #[default]
    Well,
    /// Redis is out of reach, or the process stands still: whatever needs no Redis may go on, and need not.
    Away,
    /// It is gone, with all that was in its memory.
    Down,
}

/// How far a process is with a fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub enum Phase {
    /// Nothing is under way.
    #[default]
    Idle,
    /// It has taken the lease.
    Leased,
    /// Its note is durable.
    Noted,
    /// Its call is under way.
    Asking,
    /// WeChat has minted for it, and the answer is on its way.
    Answered,
    /// It has a value that is not saved.
    Unsaved,
}

/// What became of the knowledge of a call, or of a value. Decides nothing in the protocol: it is what is promised less for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub enum Fate {
    /// Redis has not lost it, or was told again.
    #[default]
    Told,
    /// Redis has lost it.
    Lost,
    /// And who knew is gone, or was not there while offers were taken. Or a process stood still with its call half out of the
    /// door.
    Missed,
}

/// One process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub struct Replica {
    /// Whether it is there.
    pub link: Link,
    /// How far it is.
    pub phase: Phase,
    /// The lease that it believes to have; 0 if it has none, or knows that it was lost.
    pub fence: Fence,
    /// Its own note, from when it is durable to when its value is saved, or all are told of it.
    pub own: Moment,
    /// When that note's deadline passed; 0 before.
    pub ended: Moment,
    /// It has learned of another value since its note.
    pub overtaken: bool,
    /// The open note that its own took the place of.
    pub beneath: Moment,
    /// What became of its note, until its call leaves.
    pub fate: Fate,
    /// What its machine knows, and would write.
    pub mine: Record,
    /// The body that it read or wrote last: what it offers.
    pub kept: Record,
    /// What it hands out.
    pub out: (Generation, Moment),
}

/// A call that may mint any moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, PartialOrd, Ord)]
pub struct Call {
    /// Its note; 0 for no call.
    pub note: Moment,
    /// What became of that.
    pub fate: Fate,
}

/// A promise that was seen to break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Broken {
    /// A write under an older fence was taken.
    OlderFence,
    /// What is stored, or handed out, went back.
    WentBack,
    /// A lease was given while somebody who was there kept what the store had lost.
    NotOffered,
    /// A lease ended under its holder's feet.
    LeaseTaken,
}

/// Everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct State {
    /// The master's row.
    pub row: Row,
    /// Under which fence somebody has the lease; 0 if it is free.
    pub lease: Fence,
    /// What another machine has, since writes no longer reach it.
    pub copy: Option<Row>,
    /// The processes, in no order.
    pub replicas: [Replica; MOST_REPLICAS],
    /// The calls.
    pub calls: [Call; MOST_CALLS],
    /// The value WeChat minted last: it alone lives on.
    pub live: Moment,
    /// What became of it.
    pub fate: Fate,
    /// When it was minted, if its note was lost before; else 0.
    pub minted: Moment,
    /// The deadlines of this note and of all before it have passed: a call that left in time has ended.
    pub past: Moment,
    /// The newest fence ever granted, whoever has forgotten.
    pub newest: Fence,
    /// Faults that have happened.
    pub faults: u8,
    /// Calls that were made.
    pub asked: u8,
    /// The first promise that was broken on the way here.
    pub broken: Option<Broken>,
}

impl Record {
    /// Without what the value has settled: notes and late mints before it.
    #[must_use]
    pub fn settled(mut self) -> Self {
        if self.note <= self.value {
            self.note = 0;
        }
        if self.late < self.value {
            self.late = 0;
        }
        self
    }

    /// Whether the value is known to have been replaced.
    #[must_use]
    pub const fn has_replaced(&self, value: Moment) -> bool {
        self.replaced >> value & 1 == 1
    }

    /// Whether one more fetch has to be made.
    #[must_use]
    pub const fn asks_for_more(&self) -> bool {
        self.note > self.value || (self.late > 0 && self.late >= self.value)
    }

    /// Whether it has this note, or what WeChat minted for it.
    #[must_use]
    pub const fn tells_of(&self, note: Moment) -> bool {
        self.value == note || self.note == note
    }

    /// Whether one more fetch has to be made, for what was minted until then.
    #[must_use]
    pub const fn settles(&self, minted: Moment) -> bool {
        self.late >= minted && self.late >= self.value
    }
}

impl State {
    /// At the beginning: an epoch in which leases are given, nothing stored, nobody knows anything.
    #[must_use]
    pub fn begun(replicas: u8) -> Self {
        let mut state = Self::default();
        state.row.granted = 1;
        for absent in &mut state.replicas[usize::from(replicas)..] {
            absent.link = Link::Down;
        }
        state
    }
}
