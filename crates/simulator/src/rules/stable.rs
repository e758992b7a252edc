//! The stable line: the same token until five minutes before its end, and the forced mode.
//!
//! Pages: `api_getstableaccesstoken`, and the older page's best practice with the leak drill.

use super::{
    ForceOverLimit, ForceTooSoon, ForcedPrevious, Rules,
    day::day,
    line::{Farewell, Line, Slot},
};
use crate::{clock::SimTime, errcode::Refusal};

/// The stable lane of one app.
#[derive(Debug, Clone, Default)]
pub(super) struct StableLine {
    pub(super) line: Line,
    last_force: Option<SimTime>,
    forces_day: i32,
    forces_today: u32,
}

/// What a call on the stable line leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StableStep {
    /// The token in force is answered again.
    Same(Slot),
    /// A new one must be minted; the old one goes like this.
    Mint { farewell: Farewell, forced: bool },
}

impl StableLine {
    /// Normal mode: the same token while more than the renewal window is left.
    pub(super) fn normal(&self, rules: &Rules, now: SimTime) -> StableStep {
        match self.line.live(now) {
            Some(slot) if slot.dies.since(now) > rules.stable_renewal => StableStep::Same(slot),
            Some(_) | None => StableStep::Mint {
                farewell: Farewell::AtExpiry,
                forced: false,
            },
        }
    }

    /// Forced mode: a new token, at most 20 a day and 30 s apart.
    pub(super) fn forced(&mut self, rules: &Rules, now: SimTime) -> Result<StableStep, Refusal> {
        let today = day(now, rules.readings.day_start);
        if self.forces_day != today {
            (self.forces_day, self.forces_today) = (today, 0);
        }
        if self
            .last_force
            .is_some_and(|last| now.since(last) < rules.force_spacing)
        {
            return match rules.readings.force_too_soon {
                ForceTooSoon::SameValue => Ok(self.normal(rules, now)),
                ForceTooSoon::Quota45009 => Err(Refusal::of(45009)),
                ForceTooSoon::Rate45011 => Err(Refusal::of(45011)),
            };
        }
        if self.forces_today >= rules.forces_per_day {
            return match rules.readings.force_over_limit {
                ForceOverLimit::SameValue => Ok(self.normal(rules, now)),
                ForceOverLimit::Quota45009 => Err(Refusal::of(45009)),
            };
        }
        self.last_force = Some(now);
        self.forces_today += 1;
        Ok(StableStep::Mint {
            farewell: Self::forced_farewell(rules),
            forced: true,
        })
    }

    /// How the value that a force replaces goes.
    pub(super) fn forced_farewell(rules: &Rules) -> Farewell {
        match rules.readings.forced_previous {
            ForcedPrevious::Grace => Farewell::After(rules.overlap),
            ForcedPrevious::DiesNow => Farewell::After(std::time::Duration::ZERO),
        }
    }

    /// Forced fetches counted for the day `now` is in.
    pub(super) fn forces_today(&self, rules: &Rules, now: SimTime) -> u32 {
        if self.forces_day == day(now, rules.readings.day_start) {
            self.forces_today
        } else {
            0
        }
    }
}
