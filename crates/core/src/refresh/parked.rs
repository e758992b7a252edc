//! A machine at rest, small: most apps hold one live token and wait, and there may be a hundred thousand of them.
//!
//! Parking keeps exactly what a resting machine needs. Whether that is enough is not argued but tested: a machine is parked
//! only if waking what was kept gives an equal one, so whatever the rules come to hold, nothing is ever lost by it.

use std::sync::Arc;

use super::event::{CallId, SaveId};
use super::lane::{Health, Held, LaneState, Outcome};
use super::machine::{Handed, Known, LeaseState, Machine, Saving};
use super::rules::Rules;
use crate::budget::{BudgetKind, Budgets, Count};
use crate::clock::{Boot, Now, Wall};
use crate::credential::{Credential, Kind, Lane};
use crate::retry::Jitter;
use crate::store::Fence;

/// What few resting machines have: calls of more than one kind counted, values no longer handed out.
#[derive(Debug, Clone)]
struct Rare {
    budgets: Budgets,
    known: Vec<Known>,
}

/// A time within seven weeks after the request that brought the value, in milliseconds.
#[derive(Debug, Clone, Copy)]
struct Later(u32);

impl Later {
    /// Stands for "never", as a restored value was never seen alive in this life.
    const NEVER: Self = Self(u32::MAX);

    fn than(sent: Boot, at: Boot) -> Option<Self> {
        if at == Boot::default() {
            return Some(Self::NEVER);
        }
        let after = at.0.checked_sub(sent.0)?;
        u32::try_from(after)
            .ok()
            .filter(|after| *after < u32::MAX)
            .map(Self)
    }

    fn at(self, sent: Boot) -> Boot {
        if self.0 == Self::NEVER.0 {
            Boot::default()
        } else {
            sent.plus(self.0.into())
        }
    }
}

/// A machine that holds one live token, saved and handed out, and waits for its due time.
#[derive(Debug, Clone)]
pub struct Parked {
    rules: Arc<Rules>,
    handed: Arc<Credential>,
    jitter: Jitter,
    order: Wall,
    steady: i64,
    rare: Option<Box<Rare>>,
    /// Calls counted, of the first kind there are any of: a count's parts, for together they would take more room.
    counted: BudgetKind,
    newest: u32,
    slots: [u16; 5],
    confirmed: Later,
    due: Later,
    last_alive: Later,
    probe_due: Later,
    lifetime: u32,
    calls: u32,
    saves: u32,
    restored: bool,
}

impl Machine {
    /// Parks the machine, if it is at rest; else gives it back.
    ///
    /// # Errors
    /// The machine itself: something is under way, or it holds more than one quiet token.
    pub fn park(mut self: Box<Self>, own: Option<Fence>, now: Now) -> Result<Parked, Box<Self>> {
        if self.at_work() || self.current(Kind::AccessToken, now).is_none() {
            return Err(self);
        }
        self.forget_what_has_passed(now);
        match Parked::of(&self) {
            Some(parked) if parked.clone().wake(own, now) == *self => Ok(parked),
            _ => Err(self),
        }
    }

    /// "Not before" a time that is over says nothing any more.
    fn forget_what_has_passed(&mut self, now: Now) {
        let wall = self.counting_wall(now);
        let passed = |at: &mut Boot| {
            if *at <= now.boot {
                *at = Boot::default();
            }
        };
        passed(&mut self.saving.not_before);
        match &mut self.lease {
            LeaseState::None { not_before } => passed(not_before),
            // Whoever needs the lease asks anew: that is how it is found out whether the store is back.
            LeaseState::Away { not_before } if *not_before <= now.boot => {
                self.lease = LeaseState::None {
                    not_before: Boot::default(),
                };
            }
            LeaseState::Own(_)
            | LeaseState::Asking
            | LeaseState::Held { .. }
            | LeaseState::Away { .. } => {}
        }
        for count in &mut self.budgets.counts {
            if count.used(wall) == 0 {
                *count = Count::default();
            }
        }
        self.forget_strangers(now);
        for state in self.lanes.iter_mut().flatten() {
            passed(&mut state.health.not_before);
            passed(&mut state.health.hearsay_after);
            passed(&mut state.health.watched_until);
            passed(&mut state.wait_until);
            passed(&mut state.force_gap_ends);
            // It was said of the value before this one.
            if state
                .held
                .as_ref()
                .is_some_and(|held| state.confirmed < held.sent)
            {
                state.confirmed = Boot::default();
            }
            if !state.held_is_doubted() {
                passed(&mut state.doubted_until);
            }
            passed(&mut state.force_after);
            state.nudge = state.nudge.filter(|_| state.wish(now).is_some());
            if state.retry.trouble.is_none() {
                passed(&mut state.retry.not_before);
            }
            // Whoever waited for a fetch to end has looked by now; only a lack of budget is still of interest.
            state
                .last
                .take_if(|(outcome, _)| *outcome != Outcome::OverBudget);
        }
    }
}

impl Parked {
    /// What a resting machine would be parked as; none if it surely holds more.
    fn of(machine: &Machine) -> Option<Self> {
        let handed = machine.handed[Kind::AccessToken.index()].current.as_ref()?;
        let state = machine.lane(handed.lane?)?;
        let held = state.held.as_ref()?;
        let used = |kind: &BudgetKind| machine.budgets.counts[*kind as usize] != Count::default();
        let mut kinds = BudgetKind::ALL.into_iter().filter(used);
        let first = kinds.next().unwrap_or(BudgetKind::Stable);
        let rare = (kinds.next().is_some() || !machine.known.is_empty()).then(|| {
            Box::new(Rare {
                budgets: machine.budgets,
                known: machine.known.clone(),
            })
        });
        let counts = machine.budgets.counts[first as usize];
        Some(Self {
            rules: Arc::clone(&machine.rules),
            handed: Arc::clone(handed),
            jitter: machine.jitter,
            order: held.order,
            due: Later::than(held.sent, held.due)?,
            last_alive: Later::than(held.sent, state.health.last_alive)?,
            probe_due: Later::than(held.sent, state.health.probe_due)?,
            steady: machine.steady,
            rare,
            counted: first,
            newest: counts.newest,
            slots: counts.slots,
            confirmed: Later::than(held.sent, state.confirmed)?,
            lifetime: u32::try_from(held.lifetime).ok()?,
            calls: machine.calls.0,
            saves: machine.saving.last.0,
            restored: held.restored,
        })
    }

    /// The machine again, as it was.
    #[must_use]
    pub fn wake(self, own: Option<Fence>, now: Now) -> Machine {
        let lane = self.handed.lane.unwrap_or(Lane::Stable);
        let mut machine = Machine::empty(self.rules, own, self.jitter.0, now);
        machine.steady = self.steady;
        machine.budgets.counts[self.counted as usize] = Count {
            newest: self.newest,
            slots: self.slots,
        };
        if let Some(rare) = self.rare {
            (machine.budgets, machine.known) = (rare.budgets, rare.known);
        }
        machine.calls = CallId(self.calls);
        machine.saving = Saving {
            last: SaveId(self.saves),
            ..Saving::default()
        };
        machine.lanes[lane.index()] = Some(Box::new(LaneState {
            held: Some(Held {
                token: self.handed.token.clone(),
                id: self.handed.id,
                sent: self.handed.sent,
                order: self.order,
                expires: self.handed.expires,
                lifetime: self.lifetime.into(),
                due: self.due.at(self.handed.sent),
                dead: false,
                restored: self.restored,
                adopted: self.handed.adopted,
            }),
            health: Health {
                last_alive: self.last_alive.at(self.handed.sent),
                probe_due: self.probe_due.at(self.handed.sent),
                ..Health::default()
            },
            confirmed: self.confirmed.at(self.handed.sent),
            ..LaneState::default()
        }));
        machine.handed[Kind::AccessToken.index()] = Handed {
            generation: self.handed.generation,
            id: Some(self.handed.id),
            lane: self.handed.lane,
            current: Some(self.handed),
            staged: None,
            passed_over: None,
        };
        machine
    }

    /// What is handed out.
    #[must_use]
    pub fn handed_out(&self) -> &Arc<Credential> {
        &self.handed
    }

    /// The rules it follows.
    #[must_use]
    pub fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credential::{Token, ValueId};
    use crate::refresh::event::{CallId, Effect, Event};
    use crate::refresh::rules::Lanes;
    use crate::refresh::step;
    use crate::source::{Answer, Minted, Reply};
    use std::time::Duration;

    const OWN: Option<Fence> = Some(Fence {
        epoch: 1,
        number: 1,
    });

    fn at(seconds: u64) -> Now {
        Now {
            wall: Wall(1_795_000_000_000 + seconds * 1000),
            boot: Boot(1_000_000 + seconds * 1000),
        }
    }

    /// A machine that has fetched its stable token, saved it and handed it out.
    fn resting() -> Box<Machine> {
        let rules = Arc::new(Rules::new(Lanes::Only(Lane::Stable)));
        let new = Box::new(Machine::restore(rules, None, OWN, 1, at(0)));
        let (mut machine, mut effects) = step(new, Event::Due, at(0));
        while let Some(event) = effects.into_iter().find_map(answer) {
            (machine, effects) = step(machine, event, at(0));
        }
        machine
    }

    fn answer(effect: Effect) -> Option<Event> {
        match effect {
            Effect::Note(call, ..) => Some(Event::Noted(call)),
            Effect::Ask(call, ..) => Some(Event::Answered(call, minted())),
            Effect::Save(save, ..) => Some(Event::Saved(save)),
            _ => None,
        }
    }

    fn minted() -> Answer {
        let token = Token::new("token").unwrap();
        let expires_in = Duration::from_secs(7200);
        Answer {
            reply: Reply::Minted(Minted {
                token,
                id: ValueId(7),
                expires_in,
            }),
            upstream_time: None,
        }
    }

    #[test]
    fn a_resting_machine_parks_and_wakes_as_it_was() {
        let machine = resting();
        let parked = machine.park(OWN, at(60)).expect("it is at rest");
        let woken = parked.clone().wake(OWN, at(3600));
        let again = Box::new(woken.clone())
            .park(OWN, at(3600))
            .expect("still at rest");
        assert_eq!(woken, again.wake(OWN, at(3601)));
        assert_eq!(woken.record(at(60)), resting().record(at(60)));
    }

    #[test]
    fn a_machine_parks_after_a_restart_too() {
        let record = resting().record(at(60));
        let rules = Arc::new(Rules::new(Lanes::Only(Lane::Stable)));
        let restored = Machine::restore(rules, Some(&record), OWN, 1, at(120));
        let (machine, _) = step(Box::new(restored), Event::Due, at(120));
        assert!(machine.park(OWN, at(120)).is_ok());
    }

    #[test]
    fn a_machine_with_a_call_under_way_does_not_park() {
        let (machine, effects) = step(resting(), Event::Due, at(7200 - 200));
        assert!(
            effects
                .iter()
                .any(|effect| matches!(effect, Effect::Note(CallId(2), ..)))
        );
        assert!(machine.park(OWN, at(7200 - 200)).is_err());
    }

    #[test]
    fn a_parked_machine_is_small() {
        assert!(size_of::<Parked>() <= 96, "{}", size_of::<Parked>());
    }
}
