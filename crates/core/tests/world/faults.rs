//! What goes wrong, when, and to whom: at any step of any process, or of WeChat, or of the store.

use crate::agenda::Ev;
use crate::phase::Phase;
use crate::setup::{DAY, HOUR, MINUTE, SECOND};
use crate::table::Fault;
use crate::world::{Armed, World};

impl World {
    /// Draws the next fault: some wait until a process is in the phase they are meant for.
    pub(crate) fn next_fault(&mut self) {
        if self.calm {
            return;
        }
        let gap = 2 * DAY / self.setup.faults_per_day.max(1);
        self.soon(gap, Ev::Fault);
        let fault = self.draw_fault();
        let r = self.chance.below(self.replicas.len() as u64) as usize;
        let phase = self.draw_phase();
        if self.replicas[r].phase(self.t) == phase || self.chance.percent(15) {
            self.fire(fault, r);
        } else {
            let rare = matches!(
                phase,
                Phase::Stalled | Phase::Down | Phase::Leasing | Phase::BackingOff
            );
            let patience = if rare { 4 * DAY } else { 8 * HOUR };
            let until = self.t + self.chance.between(HOUR, patience);
            self.armed.push(Armed {
                fault,
                replica: r,
                phase,
                until,
            });
        }
        let t = self.t;
        let mut late = Vec::new();
        self.armed.retain(|armed| {
            let keep = t < armed.until;
            if !keep {
                late.push((armed.fault, armed.replica));
            }
            keep
        });
        for (fault, r) in late {
            self.fire(fault, r);
        }
    }

    /// Where there are leases to be asked for, that is short and rare, and what happens to their store meets few processes that
    /// stand still: more faults wait for both.
    pub(crate) fn draw_phase(&mut self) -> Phase {
        loop {
            let phase = self.chance.pick(&Phase::ALL);
            let leases = !self.setup.own;
            if leases && self.chance.percent(18) {
                return Phase::Leasing;
            }
            if leases && self.chance.percent(8) {
                return Phase::Stalled;
            }
            if leases || phase != Phase::Leasing {
                return phase;
            }
        }
    }

    pub(crate) fn draw_fault(&mut self) -> Fault {
        if self.setup.hammered && self.chance.percent(50) {
            return self
                .chance
                .pick(&[Fault::Force, Fault::Force, Fault::Crash, Fault::Nudge]);
        }
        // Not every world knows these: where they are known, they come as often again.
        if self.setup.clocks_step && self.chance.percent(5) {
            return Fault::WallStep;
        }
        if self.setup.foreign && self.chance.percent(8) {
            return self
                .chance
                .pick(&[Fault::ForeignFetch, Fault::ForeignForce]);
        }
        if !self.setup.own && self.chance.percent(30) {
            return self.chance.pick(&Fault::OF_A_SHARED_STORE);
        }
        loop {
            let fault = self.chance.pick(&Fault::ALL);
            let fits = match fault {
                Fault::ForeignFetch | Fault::ForeignForce => self.setup.foreign,
                Fault::WallStep => self.setup.clocks_step,
                _ if Fault::OF_A_SHARED_STORE.contains(&fault) => !self.setup.own,
                _ => true,
            };
            if fits {
                return fault;
            }
        }
    }

    /// After a step: whatever waited for this phase happens now, or a moment later.
    pub(crate) fn fire_armed(&mut self, r: usize) {
        if self.armed.is_empty() || self.calm {
            return;
        }
        let phase = self.replicas[r].phase(self.t);
        let fits = |armed: &Armed| armed.replica == r && armed.phase == phase;
        let within = if matches!(phase, Phase::Noting | Phase::Saving | Phase::Staged) {
            2
        } else {
            30
        };
        while let Some(at) = self.armed.iter().position(fits) {
            let armed = self.armed.swap_remove(at);
            self.soon(within, Ev::Fire(armed.fault, r));
            if !matches!(phase, Phase::Stalled | Phase::Down) {
                return;
            }
        }
    }

    pub(crate) fn fire(&mut self, fault: Fault, r: usize) {
        if self.calm || (fault.needs_process() && !self.replicas[r].up()) {
            return;
        }
        let phase = self.replicas[r].phase(self.t);
        if fault == Fault::Stall && phase == Phase::Stalled {
            return;
        }
        self.table.hit(fault, phase);
        self.tell(|| format!("{fault:?} while #{r} is {phase:?}"));
        self.strike(fault, r);
    }

    /// Everything that goes wrong ends; what is down comes back.
    pub(crate) fn become_calm(&mut self) {
        self.calm = true;
        self.calm_since = self.t;
        self.tell(|| "all is calm".into());
        let t = self.t;
        self.wechat.calm(t);
        self.store.calm(t);
        self.old_master_ends();
        for r in 0..self.replicas.len() {
            let cut = &mut self.replicas[r].cut;
            cut.0 = cut.0.min(t);
            self.mended(r);
        }
        self.unreachable_until = t;
        self.cut_until = t;
        self.next_fate = None;
        self.crash_within = None;
        self.armed.clear();
        for r in 0..self.replicas.len() {
            let replica = &mut self.replicas[r];
            if !replica.up() {
                self.soon(30 * SECOND, Ev::Restart(r));
            } else if replica.stalled_until > t {
                replica.stalled_until = t;
                let life = replica.life;
                self.push(t, Ev::Resume(r, life));
            }
        }
        let bound = self.bound();
        self.push(t + bound, Ev::Judgement);
        let again = t + bound + self.chance.between(MINUTE, 3 * HOUR);
        self.push(again, Ev::Chaos);
    }

    pub(crate) fn become_chaotic(&mut self) {
        self.calm = false;
        self.soon(HOUR, Ev::Fault);
        let ends = self.t + self.chance.between(12 * HOUR, 60 * HOUR);
        self.push(ends, Ev::Calm);
    }
}
