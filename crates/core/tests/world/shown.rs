//! What readers see, against what they saw before: generations, ends, and values that are let go of.

use crate::agenda::Ev;
use crate::replica::{KINDS, Seen, value_of};
use crate::setup::{HOUR, MINUTE, SECOND};
use crate::world::World;

impl World {
    /// What readers see now, against what they saw before.
    pub(crate) fn look(&mut self, r: usize) {
        let t = self.t;
        for (k, kind) in KINDS.into_iter().enumerate() {
            let replica = &self.replicas[r];
            let Some(machine) = &replica.machine else {
                return;
            };
            let current = machine.current(kind, replica.now(t)).map(|value| Seen {
                value: value_of(value.id),
                generation: value.generation.0,
                ends: replica.true_time(value.expires),
            });
            let before = replica.seen[k];
            if current == before {
                if let Some(seen) = current.filter(|seen| seen.ends + 1000 < t) {
                    self.break_promise(
                        "boot time decides what lives",
                        format!("#{r} hands out v{} beyond the end it was given", seen.value),
                    );
                }
                continue;
            }
            self.replicas[r].seen[k] = current;
            match (before, current) {
                (_, Some(current)) => self.shown(r, k, before, current),
                (Some(before), None) => self.withdrawn(r, k, before),
                (None, None) => {}
            }
        }
    }

    fn shown(&mut self, r: usize, k: usize, before: Option<Seen>, seen: Seen) {
        let t = self.t;
        if before.is_none_or(|before| before.value != seen.value) {
            let guilt = &mut self.replicas[r].guilt[k];
            (guilt.evidence, guilt.since, guilt.idle) = (None, t, 0);
            self.replicas[r].tampered[k] = None; // a publication rewrites sinks
        }
        let (highest, bearer) = self.replicas[r].highest[k];
        if seen.generation < highest
            || seen.generation == highest && bearer.is_some_and(|bearer| bearer != seen.value)
        {
            self.break_promise(
                "generations never go back",
                format!(
                    "#{r} hands out v{} as {} after {highest}",
                    seen.value, seen.generation
                ),
            );
        }
        self.replicas[r].highest[k] = (seen.generation, Some(seen.value));
        let life = self.replicas[r].life;
        self.push(seen.ends + 1500, Ev::Look(r, life));
        if k > 0 {
            return;
        }
        let minted = self.wechat.value(seen.value).clone();
        let own = self.judge.fetched_by(seen.value) == Some((r, life))
            && (self.setup.own || !self.judge.stepped);
        let misjudged = minted.at < self.judge.last_step[r];
        let clock_excuse = !own
            && (misjudged || self.replicas[r].clock_doubt || !self.setup.own && self.judge.stepped);
        let allowed = SECOND + if own { 0 } else { 2 * self.setup.skew };
        if seen.ends > minted.expires + allowed && !clock_excuse {
            self.break_promise(
                "no expiry is handed out beyond the truth",
                format!(
                    "#{r} says v{} ends {} ms too late",
                    seen.value,
                    seen.ends - minted.expires
                ),
            );
        }
        let Some(before) = before else { return };
        self.judge_order(r, before, seen);
        // What was taken from a store is corrected by an answer, which counts from when its question was sent.
        let resumed = self.replicas[r].stalled_until + SECOND >= t;
        let correction = if resumed { 11 * MINUTE } else { 12 * SECOND };
        if before.value == seen.value && seen.ends + correction < before.ends {
            self.cut_short(r, before, seen.ends);
        }
    }

    /// One value after another.
    fn judge_order(&mut self, r: usize, before: Seen, seen: Seen) {
        let t = self.t;
        let minted = self.wechat.value(seen.value);
        let replaced = self.wechat.value(before.value);
        // One more fetch tells, too, where the store has forgotten the older one since, and a clock that was set gives it the
        // newer generation.
        let forgotten = self.judge.stepped && self.judge.lost_at >= minted.at;
        if before.value != seen.value
            && replaced.lane == minted.lane
            && replaced.at > minted.at
            && !self.setup.adopts
            && !self.judge.is_settling(t)
            && !forgotten
        {
            self.break_promise(
                "an older value never replaces a newer one",
                format!("#{r} hands out v{} after v{}", seen.value, before.value),
            );
        }
    }

    fn withdrawn(&mut self, r: usize, k: usize, before: Seen) {
        let t = self.t;
        if k == 0 {
            self.replicas[r].absent_since = t;
            let minted = self.wechat.value(before.value);
            let natural = minted.dies == u64::MAX && minted.expires <= t + SECOND;
            self.judge_without_store(r, natural);
        }
        if k == 0 && before.ends > t + 50 {
            self.cut_short(r, before, t);
        }
    }

    /// A value is not handed out for as long as was said: only a death, or a call of ours that may have killed it, excuses.
    pub(crate) fn cut_short(&mut self, r: usize, before: Seen, ends: u64) {
        let t = self.t;
        let minted = self.wechat.value(before.value);
        let Some(lane) = minted.lane else { return };
        // A value that is being handed over may go before it dies: it has a successor.
        let dead = minted.end() <= t + 100 || self.wechat.newest(lane) != Some(before.value);
        let doubted = self.judge.uncertain[lane.index()] >= minted.at
            || self.judge.lanes_changed_at + HOUR > t
            || self.judge.all_bad_until + HOUR > t
            || self.replicas[r].clock_doubt
            || !self.setup.own
                && (self.judge.stepped || before.ends < ends + 2 * self.setup.skew + SECOND)
            || !self.setup.own && self.open_note(lane);
        if !dead && !doubted {
            self.break_promise(
                "no live value is thrown away",
                format!(
                    "#{r} lets go of v{}, which lives until {}",
                    before.value,
                    minted.end()
                ),
            );
        }
    }
}
