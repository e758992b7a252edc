//! Rule 10, seen from WeChat: whose token a mint kills, and who is accused of it.

use wxtoken_core::credential::Lane;
use wxtoken_core::refresh::alarm::{Alarm, AlarmName};

use crate::agenda::Ev;
use crate::question::{Question, Says, Value, Who};
use crate::replica::Call;
use crate::setup::{HOUR, MINUTE, SECOND};
use crate::world::World;

impl World {
    /// Rule 10, at the moment of a mint: whose token does it kill?
    pub(crate) fn judge_mint(
        &mut self,
        question: Question,
        who: Who,
        before: Option<Value>,
        says: Says,
    ) {
        let t = self.t;
        if question != Question::Classic || !matches!(says, Says::Value(..)) {
            return;
        }
        let Some(before) = before else { return };
        let theirs = self.wechat.value(before).by == Who::Foreign;
        if who == Who::Foreign || !theirs {
            return;
        }
        if self.setup.foreign && self.chance.percent(50) {
            let again = t + 5 * MINUTE + self.chance.below(20 * MINUTE);
            self.push(again, Ev::ForeignFetch);
        }
        let gave_way = self.judge.gave_way && self.asker_may_know_of_giving_way();
        let standby = self.rules.lanes.primary() != Lane::Classic || gave_way;
        let ours = self.wechat.values[..before as usize]
            .iter()
            .rposition(|minted| minted.lane == Some(Lane::Classic) && minted.by == Who::Us);
        // What was asked before the death was heard of is no answer to it.
        let calls = self.replicas.iter().flat_map(|replica| &replica.calls);
        let classic = calls.filter(|call| call.question == Question::Classic);
        let asked = classic.map(|call| call.asked).min().unwrap_or(t);
        let repair = ours
            .zip(self.judge.known_dead)
            .is_some_and(|(ours, (dead, heard))| dead == ours as Value && heard <= asked);
        // Where a clock was found to be off, an early death accuses nobody, and so protects nobody.
        let unsure = self.judge.stepped && self.setup.readings.date_header;
        let late = self.judge.last_late_mint.max(self.judge.unwritten_epoch);
        let doubted = ours.is_some_and(|ours| {
            let at = self.wechat.value(ours as Value).at;
            self.judge.uncertain[0] + 2 * MINUTE >= at || late > 0 && late + 2 * MINUTE >= at
        });
        let excused = unsure
            || doubted
            || t < self.judge.reasons[0]
            || t < self.judge.clocks_excused_until
            || !self.setup.own && self.judge.stepped;
        if !repair || excused {
            self.judge.war.clear();
            return;
        }
        self.judge.war.push_back(t);
        while self
            .judge
            .war
            .front()
            .is_some_and(|at| at + 2 * HOUR <= t + MINUTE)
        {
            self.judge.war.pop_front();
        }
        let hour = self.judge.war.iter().filter(|at| **at + HOUR > t).count();
        if standby && self.judge.war.len() > 1 || hour > 3 {
            let kills = self.judge.war.len();
            self.break_promise(
                "no war over the classic token",
                format!("{kills} repairs killed a living token"),
            );
        }
    }

    /// Of several replicas one that is cut off cannot know that another has just given way.
    fn asker_may_know_of_giving_way(&self) -> bool {
        let stored = self.store.record();
        let itself = self.replicas.iter().any(|replica| {
            let asks = |call: &Call| call.question == Question::Classic;
            let machine = replica.machine.as_ref();
            replica.calls.iter().any(asks)
                && machine
                    .is_some_and(|machine| machine.raised().any(|name| name == AlarmName::GaveWay))
        });
        self.setup.own || itself || stored.is_some_and(|record| record.contest.yielded)
    }

    pub(crate) fn alarm(&mut self, r: usize, alarm: Alarm) {
        self.tell(|| format!("  #{r} alarms {alarm:?}"));
        match alarm {
            Alarm::Unsaved => self.replicas[r].unsaved = true,
            Alarm::Over(AlarmName::Unsaved) => self.replicas[r].unsaved = false,
            Alarm::ForeignFetcher { .. } => self.judge_accusation(r),
            Alarm::GaveWay => self.judge.gave_way = true,
            Alarm::Over(AlarmName::GaveWay) => self.judge.gave_way = false,
            _ => {}
        }
    }

    fn judge_accusation(&mut self, r: usize) {
        self.judge.accused = true;
        let Some((_, value)) = self.judge.just_dead.filter(|(whom, _)| *whom == r) else {
            return;
        };
        let minted = self.wechat.value(value);
        let foreign = minted.killed_by == Who::Foreign && minted.dies < minted.expires;
        let excused = self.judge.all_bad_until + HOUR / 4 > self.t
            || self.judge.of_two_masters(minted.at)
            || self.replicas[r].clock_doubt
            || !self.setup.own && self.judge.stepped;
        if !foreign && !excused {
            self.break_promise(
                "nobody is accused of what we did ourselves",
                format!("v{value}, {minted:?}"),
            );
        }
    }

    /// After the machine heard that a value is dead: if another program did it, that is said.
    pub(crate) fn told_dead(&mut self, r: usize, call: &Call, says: Says) {
        let t = self.t;
        let Question::Probe(Lane::Classic, value) = call.question else {
            return;
        };
        if says != Says::Dead(40001) || !self.replicas[r].up() || self.replicas[r].stalled_until > t
        {
            return;
        }
        let minted = self.wechat.value(value).clone();
        let foreign = minted.killed_by == Who::Foreign && minted.by == Who::Us;
        let early = minted.dies.saturating_add(20 * SECOND) < minted.expires
            && t + 20 * SECOND < minted.expires;
        let taken_down = self.replicas[r].seen[0].is_none_or(|seen| seen.value != value);
        let was_out = self.replicas[r].highest[0].1 == Some(value);
        let fetching = self.replicas[r]
            .calls
            .iter()
            .any(|call| call.question == Question::Classic);
        let ours_may_have = fetching
            || self.judge.uncertain[0] + 2 * MINUTE >= minted.at
            || self.judge.last_late_mint + 2 * MINUTE >= minted.at && self.judge.last_late_mint > 0
            || self.replicas[r].clock_doubt
            || self.judge.stepped;
        if foreign
            && early
            && taken_down
            && was_out
            && self.setup.own
            && !ours_may_have
            && !self.judge.accused
        {
            self.break_promise(
                "another program that fetches is named",
                format!("v{value}, {minted:?}"),
            );
        }
    }
}
