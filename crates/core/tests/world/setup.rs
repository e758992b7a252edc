//! What a world is like: drawn from its seed. Every unverified fact about WeChat is a switch here.

use wxtoken_core::budget::Limits;
use wxtoken_core::credential::Lane;
use wxtoken_core::refresh::rules::{Lanes, Rules, Timing};

use crate::chance::Chance;
use crate::redis::Mistakes;

pub(crate) const SECOND: u64 = 1000;
pub(crate) const MINUTE: u64 = 60 * SECOND;
pub(crate) const HOUR: u64 = 60 * MINUTE;
pub(crate) const DAY: u64 = 24 * HOUR;

/// Readings of what WeChat's pages leave open.
#[derive(Debug, Clone)]
pub(crate) struct Readings {
    /// A third classic mint within five minutes ends the oldest at once, or all live out their five minutes.
    pub(crate) third_evicts: bool,
    /// A forced refresh ends the old value at once, or grants it five minutes.
    pub(crate) force_kills_at_once: bool,
    /// A force within 30 s of another, or the 21st of a day, is answered with the same value, or refused.
    pub(crate) force_limit_refuses: bool,
    /// An old ticket lives on for so long after the change.
    pub(crate) ticket_lingers: u64,
    /// A replaced token past its own end is 42001, or 40001.
    pub(crate) late_death_is_42001: bool,
    /// Answers carry a `Date` header.
    pub(crate) date_header: bool,
}

/// What goes on around the app.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) rules: Rules,
    /// The store is the process's own; else it grants leases.
    pub(crate) own: bool,
    pub(crate) replicas: usize,
    pub(crate) days: u64,
    pub(crate) readings: Readings,
    /// How far apart replicas' clocks are, at most.
    pub(crate) skew: u64,
    pub(crate) faults_per_day: u64,
    /// Programs that get a 40001 say so.
    pub(crate) reporters: bool,
    /// Another program fetches the classic token now and then.
    pub(crate) foreign: bool,
    /// An operator who forces and refreshes all day long.
    pub(crate) hammered: bool,
    /// The app starts from a token that another program holds.
    pub(crate) adopts: bool,
    /// Nothing goes wrong with clocks: then budgets are judged without excuses.
    pub(crate) clocks_step: bool,
    /// What is wrong with the store.
    pub(crate) mistakes: Mistakes,
}

impl Setup {
    pub(crate) fn draw(chance: &mut Chance) -> Self {
        let own = chance.percent(75);
        let hammered = chance.percent(8);
        let adopts = chance.percent(5);
        let lanes = chance.pick(&[
            Lanes::Only(Lane::Classic),
            Lanes::Only(Lane::Stable),
            Lanes::Only(Lane::Stable),
            Lanes::First(Lane::Classic),
            Lanes::First(Lane::Stable),
        ]);
        let rules = Rules {
            kinds: chance.pick(&[
                [true, false, false],
                [true, false, false],
                [true, false, false],
                [true, true, false],
                [true, true, true],
            ]),
            limits: limits(chance, hammered),
            take_over: !adopts,
            watched: chance.percent(40),
            timing: Timing {
                probe_every: if chance.percent(1) {
                    MINUTE
                } else {
                    chance.between(40, 100) * MINUTE
                },
                ..Timing::ORDINARY
            },
            ..Rules::new(lanes)
        };
        Self {
            rules,
            own,
            replicas: if own { 1 } else { chance.pick(&[1, 2, 2, 3]) },
            days: chance.between(10, 30),
            readings: Readings {
                third_evicts: chance.percent(60),
                force_kills_at_once: chance.percent(40),
                force_limit_refuses: chance.percent(40),
                ticket_lingers: chance.pick(&[0, 0, HOUR]),
                late_death_is_42001: chance.percent(50),
                date_header: chance.percent(60),
            },
            skew: if own {
                0
            } else {
                chance.pick(&[0, 200, 14_000])
            },
            faults_per_day: chance.between(3, 9),
            reporters: chance.percent(70),
            foreign: chance.percent(60),
            hammered,
            adopts,
            clocks_step: chance.percent(50),
            mistakes: Mistakes::default(),
        }
    }
}

fn limits(chance: &mut Chance, hammered: bool) -> Limits {
    if hammered {
        return Limits {
            per_day: [chance.between(40, 200) as u16, 300, 200, 3000, 20],
        };
    }
    if chance.percent(10) {
        Limits::TEST
    } else {
        Limits::ORDINARY
    }
}
