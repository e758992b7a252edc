//! What happens to a process: it starts, hears, is stalled and goes on.

use std::sync::Arc;

use wxtoken_core::credential::Lane;
use wxtoken_core::refresh::event::{Adoption, Event};
use wxtoken_core::refresh::{Machine, step};

use crate::agenda::Ev;
use crate::replica::{id_of, token};
use crate::story::words;
use crate::world::World;

impl World {
    /// An event reaches a process: now, or when it is awake again, or never.
    pub(crate) fn give(&mut self, r: usize, life: u32, event: Event) {
        let replica = &mut self.replicas[r];
        if replica.life != life || !replica.up() {
            return;
        }
        if replica.stalled_until > self.t {
            replica.queued.push(event);
            return;
        }
        self.hear(r, event);
    }

    fn hear(&mut self, r: usize, event: Event) {
        self.integrate(r);
        self.note_event(r, &event);
        self.tell(|| format!("  #{r} hears {}", words(&event)));
        let t = self.t;
        let replica = &mut self.replicas[r];
        let now = replica.now(t);
        let refused = matches!(event, Event::Stale(_));
        let Some(machine) = replica.machine.take() else {
            return;
        };
        let (machine, effects) = step(machine, event, now);
        replica.machine = Some(machine);
        if replica.steps.0 == t {
            replica.steps.1 += 1;
        } else {
            replica.steps = (t, 1);
        }
        let hot = replica.steps.1 > 400;
        self.table.steps += 1;
        if hot {
            self.break_promise(
                "no hot loop",
                format!("#{r} stepped 400 times in a millisecond"),
            );
            return;
        }
        if refused {
            self.judge_late_mint(r, &effects);
        }
        let life = self.replicas[r].life;
        self.replicas[r].woken = false;
        let crash = self.crash_within.filter(|(whom, _)| *whom == r);
        if crash.is_some() {
            self.crash_within = None;
        }
        for (done, effect) in effects.into_iter().enumerate() {
            if crash.is_some_and(|(_, after)| done >= after) {
                self.crash(r);
                return;
            }
            self.carry_out(r, life, effect);
        }
        if !self.replicas[r].woken {
            self.replicas[r].wake += 1; // nothing is to be woken for
            self.replicas[r].wake_at = 0;
        }
        self.look(r);
        self.fire_armed(r);
    }

    /// A process starts, from what its store holds.
    pub(crate) fn restart(&mut self, r: usize) {
        if self.replicas[r].up() {
            return;
        }
        let t = self.t;
        let own = self.store.open();
        let record = if self.setup.own {
            let record = self.store.shown();
            // A write that was under way when the last process died may have landed since.
            let yielded = record.as_ref().is_some_and(|record| record.contest.yielded);
            self.judge.gave_way = yielded;
            record
        } else {
            self.load(r)
        };
        let seed = self.chance.next();
        let rules = Arc::clone(&self.rules);
        let replica = &mut self.replicas[r];
        let now = replica.now(t);
        let machine = Machine::restore(rules, record.as_deref(), own, seed, now);
        replica.machine = Some(Box::new(machine));
        replica.life += 1;
        replica.born = t;
        replica.looked = t;
        replica.write_tail = t;
        self.judge.restarted(r, replica);
        self.judge_open_notes();
        self.tell(|| format!("#{r} starts"));
        self.look(r);
        let life = self.replicas[r].life;
        self.give(r, life, Event::Due);
        if let Some(value) = self.adopt.filter(|_| {
            let machine = self.replicas[r].machine.as_ref();
            machine.is_some_and(|machine| {
                let lane = machine.lane_view(Lane::Classic, now);
                lane.is_none_or(|lane| lane.expires.is_none())
            })
        }) {
            let token = token(value);
            let id = id_of(value);
            let adoption = Adoption {
                lane: Lane::Classic,
                token,
                id,
                expires: None,
            };
            self.give(r, life, Event::Adopt(adoption));
        }
    }

    pub(crate) fn resume(&mut self, r: usize, life: u32) {
        let replica = &mut self.replicas[r];
        if replica.life != life || replica.stalled_until > self.t {
            return;
        }
        replica.looked = self.t;
        let mut queued = std::mem::take(&mut replica.queued);
        self.tell(|| format!("#{r} goes on, with {} events", queued.len()));
        if self.chance.percent(50) {
            queued.reverse();
        }
        self.look(r);
        for event in queued {
            // What waited on other connections, the store's among them, may be heard first.
            if self.chance.percent(30) {
                self.soon(100, Ev::Give(r, life, event));
            } else {
                self.give(r, life, event);
            }
        }
        self.give(r, life, Event::Due);
    }
}
