//! One process: its machine, its clocks, what it has under way, and what its readers see.

use wxtoken_core::clock::{Boot, Now, Wall};
use wxtoken_core::credential::{Kind, Token, ValueId};
use wxtoken_core::refresh::Machine;
use wxtoken_core::refresh::event::{CallId, Event};

use crate::client::{Client, Reach};
use crate::phase::{Fate, Phase};
use crate::question::{Question, Value};
use crate::redis::Body;
use crate::setup::DAY;

/// The wall clock at the beginning of a world.
pub(crate) const DAWN: u64 = 1_795_000_000_000;

#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) id: CallId,
    pub(crate) question: Question,
    pub(crate) asked: u64,
    /// What readers saw of the token then.
    pub(crate) over: Option<Value>,
    pub(crate) fate: Fate,
    /// Made under a lease, or with a store of our own.
    pub(crate) leased: bool,
    /// The store has lost its note, and nobody could tell.
    pub(crate) lost: bool,
}

/// What readers of one kind see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) value: Value,
    pub(crate) generation: u64,
    /// When it is said to end, in true time.
    pub(crate) ends: u64,
}

/// What the judge keeps in mind of the value a reader sees while it is dead.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Guilt {
    /// Somebody told the machine.
    pub(crate) evidence: Option<u64>,
    /// When readers first saw the value.
    pub(crate) since: u64,
    /// Idle time since then.
    pub(crate) idle: u64,
    /// Nothing can be expected before.
    pub(crate) excused_until: u64,
    /// Probes in a row that gave nothing.
    pub(crate) failures: u32,
}

#[derive(Debug)]
pub(crate) struct Replica {
    pub(crate) machine: Option<Box<Machine>>,
    pub(crate) life: u32,
    boot_zero: i64,
    pub(crate) wall_offset: i64,
    pub(crate) stalled_until: u64,
    pub(crate) queued: Vec<Event>,
    /// Which wake-up counts, and when it comes.
    pub(crate) wake: u64,
    pub(crate) wake_at: u64,
    /// Whether this step asked for one.
    pub(crate) woken: bool,
    pub(crate) calls: Vec<Call>,
    pub(crate) notes: u32,
    pub(crate) saves: u32,
    pub(crate) staged: bool,
    /// Writes of one app are carried out in the order given.
    pub(crate) write_tail: u64,
    pub(crate) leasing: bool,
    pub(crate) failing: bool,
    pub(crate) seen: [Option<Seen>; 3],
    /// The highest generation readers of this replica have seen, and the value that bore it.
    pub(crate) highest: [(u64, Option<Value>); 3],
    pub(crate) unsaved: bool,
    pub(crate) guilt: [Guilt; 3],
    /// When this life began.
    pub(crate) born: u64,
    /// Since when readers of the token have had none.
    pub(crate) absent_since: u64,
    /// The last time the judge looked.
    pub(crate) looked: u64,
    /// Normal mode's last answer met another value: it has to be asked once more.
    pub(crate) asks_again: bool,
    /// Normal mode has answered this call, which was made over this value.
    pub(crate) stable_over: Option<(CallId, Option<Value>)>,
    /// Probes of a lane in a row that gave nothing.
    pub(crate) probe_failures: [u32; 2],
    pub(crate) last_hearsay: u64,
    pub(crate) last_probe: u64,
    /// Classic values that were answered to be dead, by the call that asked.
    pub(crate) told_dead: Vec<(CallId, Value)>,
    /// When somebody meddled with a sink, until it is put right.
    pub(crate) tampered: [Option<u64>; 3],
    /// Its side of a shared store.
    pub(crate) client: Client,
    /// What its disk holds of the record.
    pub(crate) snapshot: Option<Body>,
    /// Cut off from the store until then, this way; and when that last began.
    pub(crate) cut: (u64, Reach),
    pub(crate) cut_at: u64,
    /// When it last missed a message; when it last came back from a master that was none any more.
    pub(crate) deaf_at: u64,
    pub(crate) behind_until: u64,
    /// The last classic value that it fetched, and the last that it has told of as a late mint.
    pub(crate) minted: Option<Value>,
    pub(crate) posted: Option<Value>,
    /// What it was told about values by a clock that had been set since.
    pub(crate) clock_doubt: bool,
    /// Steps at one instant, to catch hot loops.
    pub(crate) steps: (u64, u32),
}

impl Replica {
    pub(crate) fn new(boot_zero: i64, wall_offset: i64) -> Self {
        Self {
            machine: None,
            life: 0,
            boot_zero,
            wall_offset,
            stalled_until: 0,
            queued: Vec::new(),
            wake: 0,
            wake_at: 0,
            woken: false,
            calls: Vec::new(),
            notes: 0,
            saves: 0,
            staged: false,
            write_tail: 0,
            leasing: false,
            failing: false,
            seen: [None; 3],
            highest: [(0, None); 3],
            unsaved: false,
            guilt: [Guilt::default(); 3],
            born: 0,
            absent_since: 0,
            looked: 0,
            asks_again: false,
            stable_over: None,
            probe_failures: [0; 2],
            last_hearsay: 0,
            last_probe: 0,
            told_dead: Vec::new(),
            tampered: [None; 3],
            client: Client::default(),
            snapshot: None,
            cut: (0, Reach::Well),
            cut_at: 0,
            deaf_at: 0,
            behind_until: 0,
            minted: None,
            posted: None,
            clock_doubt: false,
            steps: (0, 0),
        }
    }

    pub(crate) fn now(&self, t: u64) -> Now {
        Now {
            wall: Wall((DAWN + t).saturating_add_signed(self.wall_offset)),
            boot: Boot(t.saturating_add_signed(self.boot_zero)),
        }
    }

    /// True time of a boot time.
    pub(crate) fn true_time(&self, boot: Boot) -> u64 {
        boot.0.saturating_add_signed(-self.boot_zero)
    }

    /// The whole machine starts anew: boot time too.
    pub(crate) fn reboot(&mut self, t: u64) {
        self.boot_zero = 5000 - t.cast_signed();
    }

    pub(crate) fn step_wall(&mut self, by: i64) {
        let limit = (400 * DAY).cast_signed();
        self.wall_offset = (self.wall_offset + by).clamp(-limit, limit);
    }

    pub(crate) fn up(&self) -> bool {
        self.machine.is_some()
    }

    pub(crate) fn runs(&self, t: u64) -> bool {
        self.up() && self.stalled_until <= t
    }

    pub(crate) fn phase(&self, t: u64) -> Phase {
        let asks = |what: fn(&Question) -> bool| self.calls.iter().any(|call| what(&call.question));
        if !self.up() {
            Phase::Down
        } else if self.stalled_until > t {
            Phase::Stalled
        } else if self.notes > 0 {
            Phase::Noting
        } else if asks(|question| question.fetches().is_some()) {
            Phase::Fetching
        } else if self.saves > 0 && self.staged {
            Phase::Staged
        } else if self.saves > 0 {
            Phase::Saving
        } else if asks(|question| matches!(question, Question::Probe(..))) {
            Phase::Probing
        } else if !self.calls.is_empty() {
            Phase::Ticketing
        } else if self.leasing {
            Phase::Leasing
        } else if self.failing {
            Phase::BackingOff
        } else {
            Phase::Idle
        }
    }

    /// Whether the machine itself could do something now: nothing is under way.
    pub(crate) fn free(&self, t: u64) -> bool {
        matches!(self.phase(t), Phase::Idle | Phase::BackingOff)
    }

    /// The process is gone, with all it had under way.
    pub(crate) fn die(&mut self) {
        self.machine = None;
        self.wake_at = 0;
        self.life += 1;
        self.queued.clear();
        self.calls.clear();
        self.client = Client::default();
        (self.minted, self.posted) = (None, None);
        self.told_dead.clear();
        (self.notes, self.saves) = (0, 0);
        (self.staged, self.leasing, self.failing) = (false, false, false);
        self.seen = [None; 3];
        self.guilt = [Guilt::default(); 3];
        self.stalled_until = 0;
        self.unsaved = false;
        self.tampered = [None; 3];
        self.probe_failures = [0; 2];
        self.asks_again = false;
        self.stable_over = None;
    }
}

/// A value's hash: what its number is to the machine.
pub(crate) const fn id_of(value: Value) -> ValueId {
    ValueId(value as u64 + 1)
}

/// A value as its bytes.
pub(crate) fn token(value: Value) -> Token {
    Token::new(&format!("v{value}")).unwrap()
}

/// The value behind a hash.
pub(crate) const fn value_of(id: ValueId) -> Value {
    (id.0 - 1) as Value
}

/// The kinds, by index.
pub(crate) const KINDS: [Kind; 3] = Kind::ALL;
