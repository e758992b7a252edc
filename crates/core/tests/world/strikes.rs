//! What each fault does.

use std::sync::Arc;

use wxtoken_core::credential::Lane;
use wxtoken_core::refresh::event::Event;
use wxtoken_core::refresh::rules::{Lanes, Rules};
use wxtoken_core::refresh::verdict::Evidence;

use crate::agenda::Ev;
use crate::phase::Fate;
use crate::question::{Question, Value, Who};
use crate::replica::{KINDS, id_of};
use crate::setup::{DAY, HOUR, MINUTE, SECOND};
use crate::table::Fault;
use crate::world::World;

impl World {
    #[expect(
        clippy::too_many_lines,
        reason = "a table: one arm a fault, none of them more than a few lines"
    )]
    pub(crate) fn strike(&mut self, fault: Fault, r: usize) {
        let t = self.t;
        match fault {
            Fault::Crash | Fault::Reboot => self.strike_process(fault, r),
            Fault::Stall => self.stall(r),
            Fault::WallStep => self.step_wall(r),
            Fault::StoreRefuses => {
                let until = t + self.window();
                if self.setup.own || self.chance.percent(30) {
                    self.store.full_until = until;
                } else {
                    self.store.away_until = until;
                    for r in 0..self.replicas.len() {
                        self.push(until, Ev::Mended(r));
                    }
                }
            }
            Fault::StoreSlow => {
                let until = t + self.window();
                let most = if self.setup.own { 9000 } else { 50_000 };
                self.store.slow = (until, self.chance.between(100, most));
            }
            Fault::StoreCut | Fault::StoreEmptied | Fault::StoreFailsOver | Fault::LeaseEnds => {
                self.strike_store(fault, r);
            }
            Fault::Unreachable => self.unreachable_until = t + self.window(),
            Fault::Cut => self.cut_until = t + self.window(),
            Fault::Busy => self.wechat.busy_until = t + self.window(),
            Fault::LostAnswer => self.twist(r, Fate::LostAnswer),
            Fault::LateRequest => {
                let later = self.chance.between(9_000, 39_000);
                self.twist(r, Fate::LateRequest(later));
            }
            Fault::DelayedAnswer => {
                let millis = self.chance.between(1200, 9900);
                self.twist(r, Fate::Delayed(millis));
            }
            Fault::Refused => {
                let code = self
                    .chance
                    .pick(&[40013, 40125, 40164, 40243, 50004, 89503, 99999]);
                let window = self.window();
                self.wechat.refuses = (t + window, code);
            }
            Fault::QuotaUsedUp => {
                let lane = self.chance.below(2) as usize;
                self.wechat.quota_until[lane] = t + self.chance.spread(MINUTE, 5 * HOUR);
            }
            Fault::ForeignFetch => self.foreign_fetch(),
            Fault::ForeignForce => drop(self.ask_wechat(Question::Forced, Who::Foreign)),
            Fault::AllBad => {
                let millis = self.chance.spread(SECOND, 20 * MINUTE);
                self.wechat.all_bad_for(t, millis);
                self.judge.all_bad(t + millis);
            }
            Fault::StuckStable => {
                if let Some(value) = self.wechat.stick_stable(t) {
                    self.readers_will_notice(value);
                }
            }
            Fault::FalseReport => self.report(r, None),
            Fault::LateReport => {
                let known = self.wechat.values.len() as u64;
                if known > 0 {
                    let value = known - 1 - self.chance.below(known.min(8));
                    self.report(r, Some(value as Value));
                }
            }
            Fault::SinkTampered => self.tamper(r),
            Fault::Nudge | Fault::Force => {
                self.judge.nudged(t);
                let life = self.replicas[r].life;
                let force = fault == Fault::Force;
                let kind = if force {
                    KINDS[0]
                } else {
                    self.chance.pick(&KINDS)
                };
                self.give(r, life, Event::Nudged { kind, force });
            }
            Fault::Reconfigure => self.reconfigure(),
        }
    }

    /// How long a trouble lasts: mostly minutes, sometimes hours.
    pub(crate) fn window(&mut self) -> u64 {
        let most = if self.chance.percent(2) {
            3 * HOUR
        } else {
            10 * MINUTE
        };
        self.chance.spread(SECOND, most)
    }

    /// A call under way, or the next one, meets this fate.
    pub(crate) fn twist(&mut self, r: usize, fate: Fate) {
        match self.replicas[r].calls.last_mut() {
            Some(call) => call.fate = fate,
            None => self.next_fate = Some(fate),
        }
    }

    pub(crate) fn strike_process(&mut self, fault: Fault, r: usize) {
        if self.replicas[r].up() {
            if fault == Fault::Crash && self.chance.percent(50) {
                self.crash_within = Some((r, self.chance.below(4) as usize));
                return;
            }
            self.crash(r);
        }
        if fault == Fault::Reboot {
            let t = self.t;
            self.replicas[r].reboot(t);
            if self.chance.percent(30) {
                self.replicas[r].snapshot = None; // another machine takes its place
            }
        }
    }

    /// The process is gone; it comes back at once, or in hours.
    pub(crate) fn crash(&mut self, r: usize) {
        self.tell(|| format!("#{r} dies"));
        self.integrate(r);
        self.judge_crash(r);
        self.holder_is_lost(r);
        self.replicas[r].die();
        let rest = if self.chance.percent(40) {
            self.chance.below(50)
        } else {
            self.chance.spread(SECOND, 5 * HOUR)
        };
        let at = self.t + rest;
        self.push(at, Ev::Restart(r));
        self.fire_armed(r);
    }

    pub(crate) fn stall(&mut self, r: usize) {
        let t = self.t;
        let millis = self.chance.spread(500, 10 * MINUTE);
        self.integrate(r);
        let replica = &mut self.replicas[r];
        replica.stalled_until = t + millis;
        let life = replica.life;
        self.push(t + millis, Ev::Resume(r, life));
        self.holder_is_lost(r);
        self.fire_armed(r);
    }

    pub(crate) fn step_wall(&mut self, r: usize) {
        let by = self.chance.spread(2 * SECOND, 2 * DAY).cast_signed();
        let by = if self.chance.percent(50) { by } else { -by };
        self.tell(|| format!("#{r}'s clock steps by {by} ms"));
        self.replicas[r].step_wall(by);
        let t = self.t;
        self.judge.clock_stepped(r, t);
        if self.replicas[r].runs(t) {
            self.look(r);
        }
    }

    pub(crate) fn foreign_fetch(&mut self) {
        if !self.calm {
            self.ask_wechat(Question::Classic, Who::Foreign);
        }
    }

    /// Somebody calls a value dead: the current one, or one of long ago.
    pub(crate) fn report(&mut self, r: usize, value: Option<Value>) {
        let k = self.chance.pick(&[0, 0, 1, 2]);
        let Some(value) = value.or(self.replicas[r].seen[k].map(|seen| seen.value)) else {
            return;
        };
        let evidence =
            self.chance
                .pick(&[Evidence::FirstHand, Evidence::Report, Evidence::Hearsay]);
        let (life, id) = (self.replicas[r].life, id_of(value));
        let kind = KINDS[k];
        self.give(r, life, Event::Reported { kind, id, evidence });
    }

    /// Readers got a 40001, and those that can say so do.
    pub(crate) fn notice(&mut self, value: Value) {
        let evidence =
            self.chance
                .pick(&[Evidence::FirstHand, Evidence::Report, Evidence::Hearsay]);
        for r in 0..self.replicas.len() {
            if self.replicas[r].seen[0].is_some_and(|seen| seen.value == value) {
                let (life, id) = (self.replicas[r].life, id_of(value));
                let kind = KINDS[0];
                self.give(r, life, Event::Reported { kind, id, evidence });
            }
        }
    }

    /// A sink's entry is deleted, or overwritten by somebody: its watcher says so a moment later.
    pub(crate) fn tamper(&mut self, r: usize) {
        let k = self.chance.pick(&[0, 0, 1, 2]);
        let Some(seen) = self.replicas[r].seen[k] else {
            return;
        };
        if self.replicas[r].stalled_until > self.t {
            return;
        }
        self.replicas[r].tampered[k] = Some(self.t);
        let event = Event::Reported {
            kind: KINDS[k],
            id: id_of(seen.value),
            evidence: Evidence::Sink,
        };
        let life = self.replicas[r].life;
        self.give(r, life, event);
    }

    /// A reload: mostly nothing changed, sometimes lanes or kinds did.
    pub(crate) fn reconfigure(&mut self) {
        let rules = &self.rules;
        let changed = match self.chance.below(10) {
            0 | 1 => Rules {
                watched: !rules.watched,
                ..(**rules).clone()
            },
            2 => Rules {
                kinds: self
                    .chance
                    .pick(&[[true, false, false], [true, true, true]]),
                ..(**rules).clone()
            },
            3 if !self.setup.adopts => Rules {
                lanes: self.chance.pick(&[
                    Lanes::Only(Lane::Classic),
                    Lanes::Only(Lane::Stable),
                    Lanes::First(Lane::Classic),
                    Lanes::First(Lane::Stable),
                ]),
                ..(**rules).clone()
            },
            _ => (**rules).clone(),
        };
        if changed.lanes != rules.lanes {
            let t = self.t;
            self.judge.lanes_changed(t);
        }
        self.judge.rules_changed_at = self.t + 2 * SECOND;
        self.rules = Arc::new(changed);
        for r in 0..self.replicas.len() {
            let life = self.replicas[r].life;
            self.soon(2000, Ev::Reload(r, life));
        }
    }
}
