//! What happened, in words; and the promise that was broken, if one was.

use wxtoken_core::refresh::event::Event;

use crate::replica::DAWN;
use crate::setup::{DAY, HOUR, MINUTE, SECOND};
use crate::world::World;

/// A promise that was broken.
#[derive(Debug, Clone)]
pub(crate) struct Violation {
    pub(crate) invariant: &'static str,
    pub(crate) at: u64,
    pub(crate) detail: String,
}

impl World {
    pub(crate) fn break_promise(&mut self, invariant: &'static str, detail: String) {
        if self.violation.is_none() {
            let at = self.t;
            for r in 0..self.replicas.len() {
                let machine = format!("#{r} is {:?}", self.replicas[r].machine);
                self.tell(|| machine);
            }
            self.tell(|| format!("BROKEN: {invariant}: {detail}"));
            self.violation = Some(Violation {
                invariant,
                at,
                detail,
            });
        }
    }

    pub(crate) fn tell(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            if trace.len() >= crate::run::lines() {
                trace.pop_front();
            }
            let at = clock(self.t);
            trace.push_back(format!("{at} {}", line()));
        }
    }
}

/// Days, hours, minutes, seconds, milliseconds.
pub(crate) fn clock(t: u64) -> String {
    let (days, hours, minutes) = (t / DAY, t / HOUR % 24, t / MINUTE % 60);
    format!(
        "{days}d {hours:02}:{minutes:02}:{:02}.{:03}",
        t / SECOND % 60,
        t % 1000
    )
}

pub(crate) fn words(event: &Event) -> String {
    match event {
        Event::Learned(record)
        | Event::LeaseWon {
            record: Some(record),
            ..
        } => {
            let lanes = record.lanes.clone().map(|lane| {
                lane.map(|held| {
                    format!("v{}{}", held.id.0 - 1, if held.dead { " dead" } else { "" })
                })
            });
            let notes = record
                .intents
                .map(|note| note.map(|note| (note.fence.number, note.sent.0 - DAWN)));
            let name = if matches!(event, Event::Learned(_)) {
                "Learned"
            } else {
                "LeaseWon"
            };
            format!(
                "{name} {lanes:?} notes {notes:?} late {:?}",
                record.late_mint
            )
        }
        Event::RulesChanged(rules) => format!("RulesChanged {:?}", rules.lanes),
        other => format!("{other:?}"),
    }
}
