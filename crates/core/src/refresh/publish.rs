//! What is handed out: choosing it, giving it a generation, saving it first (rule 2), remembering what it replaces (rule 12).

use std::sync::Arc;

use super::event::{Effect, SaveId};
use super::machine::{Handed, Known, Machine};
use super::mutant::planted;
use super::rules::REMEMBER;
use crate::clock::{Boot, Now};
use crate::credential::{Credential, Generation, Kind, Lane, Ticket, Token, ValueId};

/// At most this many values that are no longer handed out are kept in mind.
const MOST_KNOWN: usize = 8;

/// The value that should be handed out for a kind.
#[derive(Clone, Copy)]
pub(super) struct Candidate<'a> {
    kind: Kind,
    pub(super) lane: Option<Lane>,
    pub(super) token: &'a Token,
    pub(super) id: ValueId,
    sent: Boot,
    expires: Boot,
    adopted: bool,
}

impl Candidate<'_> {
    fn bearing(self, generation: Generation) -> Arc<Credential> {
        Arc::new(Credential {
            kind: self.kind,
            lane: self.lane,
            token: self.token.clone(),
            id: self.id,
            generation,
            sent: self.sent,
            expires: self.expires,
            adopted: self.adopted,
        })
    }

    /// Whether this is what is out, under that generation.
    fn is_out(self, out: &Credential, generation: Generation) -> bool {
        (out.id, out.lane, out.expires, out.adopted, out.generation)
            == (self.id, self.lane, self.expires, self.adopted, generation)
    }
}

/// What is to become of the value that should be handed out.
enum Chosen {
    /// Nothing: it is out, or on its way.
    IsOut,
    /// It bears its generation already, but another value or another end is shown under it.
    Same(Arc<Credential>),
    /// It has a generation of its own now, and has to be saved first.
    New(Arc<Credential>),
}

impl Machine {
    fn candidate(&self, kind: Kind, now: Now) -> Option<Candidate<'_>> {
        if self.rules.shadow {
            return None;
        }
        if let Some(ticket) = Ticket::of(kind) {
            let kept = self.rules.wants(ticket);
            let state = self.tickets[ticket as usize].as_ref().filter(|_| kept)?;
            let held = state.held.as_ref()?;
            return (now.boot < held.expires).then_some(Candidate {
                kind,
                lane: None,
                token: &held.token,
                id: held.id,
                sent: held.first_seen,
                expires: held.expires,
                adopted: false,
            });
        }
        let (primary, handed) = (self.primary(), &self.handed[kind.index()]);
        let mut living = [primary, primary.other()].into_iter().filter_map(|lane| {
            let held = self.lane(lane)?.held.as_ref()?;
            (!held.dead && self.lives(held.expires, now)).then_some(Candidate {
                kind,
                lane: Some(lane),
                token: &held.token,
                id: held.id,
                sent: held.sent,
                expires: held.expires,
                adopted: held.adopted,
            })
        });
        let first = living.next()?;
        let followed =
            living.find(|next| handed.passed_over == Some(first.id) && handed.id == Some(next.id));
        Some(followed.unwrap_or(first))
    }

    /// The token for calls of our own, handed out or about to be.
    pub(super) fn best_token(&self, now: Now) -> Option<Candidate<'_>> {
        self.candidate(Kind::AccessToken, now)
    }

    /// Compares what should be handed out with what is.
    pub(super) fn choose(&mut self, now: Now, effects: &mut Vec<Effect>) {
        for kind in Kind::ALL {
            if self.candidate(kind, now).is_none() {
                self.withdraw(kind, effects);
                continue;
            }
            self.take_down_the_dead(kind, now, effects);
            match self.chosen(kind, now) {
                Chosen::IsOut => {}
                Chosen::Same(value) => self.correct(value, effects),
                Chosen::New(value) => self.stage(value, now, effects),
            }
        }
    }

    /// Nothing lives: what is out comes down at once; no save is needed to say no.
    fn withdraw(&mut self, kind: Kind, effects: &mut Vec<Effect>) {
        let handed = &mut self.handed[kind.index()];
        handed.staged = None;
        if handed.current.take().is_some() {
            effects.push(Effect::Publish(kind));
        }
    }

    fn chosen(&self, kind: Kind, now: Now) -> Chosen {
        let handed = &self.handed[kind.index()];
        let Some(candidate) = self.candidate(kind, now) else {
            return Chosen::IsOut;
        };
        if handed.id == Some(candidate.id) && handed.lane == candidate.lane {
            // Another replica's word may have come before its value: what is out is not always what bears the generation.
            let staged = handed.staged.as_ref().map(|(value, _)| value);
            let out = staged.or(handed.current.as_ref());
            return if out.is_some_and(|out| candidate.is_out(out, handed.generation)) {
                Chosen::IsOut
            } else {
                Chosen::Same(candidate.bearing(handed.generation))
            };
        }
        let state = candidate.lane.and_then(|lane| self.lane(lane));
        let contested = state.is_some_and(|state| state.rival.is_some());
        let out = handed.current.as_ref();
        if contested && out.is_some_and(|out| out.id == candidate.id) {
            return Chosen::IsOut; // and stored is another: which bears the next generation, WeChat will say
        }
        let generation = self.next_generation(kind, candidate.lane, now);
        Chosen::New(candidate.bearing(generation))
    }

    /// What bears its generation already goes out; or goes on waiting, if it has yet to be durable.
    fn correct(&mut self, value: Arc<Credential>, effects: &mut Vec<Effect>) {
        let kind = value.kind;
        let handed = &mut self.handed[kind.index()];
        if let Some((staged, _)) = &mut handed.staged {
            *staged = value;
            return;
        }
        handed.current = Some(value);
        effects.push(Effect::Publish(kind));
    }

    /// A value gets its generation, and waits to be durable.
    fn stage(&mut self, value: Arc<Credential>, now: Now, effects: &mut Vec<Effect>) {
        let kind = value.kind;
        let was = self.handed[kind.index()].lane;
        let next = SaveId(self.saving.last.0.wrapping_add(1));
        let handed = &mut self.handed[kind.index()];
        handed.generation = value.generation;
        handed.id = Some(value.id);
        handed.lane = value.lane;
        self.saving.dirty = true;
        if planted!(self.rules, PublishBeforeSave) {
            handed.current = Some(value);
            effects.push(Effect::Publish(kind));
            return;
        }
        let lane = value
            .lane
            .filter(|lane| was.is_some_and(|was| was != *lane));
        // Durable with the next save, whatever is in flight now.
        handed.staged = Some((value, next));
        if let Some(lane) = lane {
            self.probe_sooner(lane, now);
        }
    }

    /// What is out but known dead, or run out, does not wait for its successor's save.
    fn take_down_the_dead(&mut self, kind: Kind, now: Now, effects: &mut Vec<Effect>) {
        let Some(out) = self.handed[kind.index()].current.as_ref() else {
            return;
        };
        let dead = self.lanes.iter().flatten().any(|state| {
            state
                .held
                .as_ref()
                .is_some_and(|held| held.id == out.id && held.dead)
        }) || self
            .known
            .iter()
            .any(|known| known.id == out.id && known.ends <= now.boot);
        if dead || !self.lives(out.expires, now) {
            self.handed[kind.index()].current = None;
            effects.push(Effect::Publish(kind));
        }
    }

    fn next_generation(&self, kind: Kind, lane: Option<Lane>, now: Now) -> Generation {
        let last = self.handed[kind.index()].generation.0;
        if let Some(lane) = lane.filter(|_| planted!(self.rules, GenerationPerLane)) {
            let held = self.lane(lane).and_then(|state| state.held.as_ref());
            return Generation(held.map_or(last, |held| now.wall_at(held.sent).0));
        }
        Generation((last + 1).max(now.wall.0))
    }

    /// What was saved (or could not be) goes out.
    pub(super) fn release_staged(&mut self, through: SaveId, effects: &mut Vec<Effect>) {
        for kind in Kind::ALL {
            let handed = &mut self.handed[kind.index()];
            if handed
                .staged
                .as_ref()
                .is_some_and(|(_, save)| *save <= through)
            {
                handed.current = handed.staged.take().map(|(value, _)| value);
                effects.push(Effect::Publish(kind));
            }
        }
    }

    /// Keeps a value in mind after it was replaced: it is being handed over until `ends`, and dead afterwards.
    pub(super) fn remember(&mut self, value: Known, now: Now) {
        self.known
            .retain(|known| known.id != value.id && known.ends.plus(REMEMBER) > now.boot);
        if self.known.len() >= MOST_KNOWN {
            self.known.remove(0);
        }
        self.known.push(value);
    }

    /// The lane's value makes room for another: it ends by itself, or within what the lane grants.
    pub(super) fn displace(&mut self, lane: Lane, now: Now) {
        let Some(held) = self.lane_mut(lane).held.take() else {
            return;
        };
        let ends = if held.dead {
            now.boot
        } else {
            ends_after_replacement(held.expires, now)
        };
        self.remember(
            Known {
                id: held.id,
                kind: Kind::AccessToken,
                ends,
            },
            now,
        );
    }
}

/// A replaced token lives on for at most five minutes, and never beyond its own end.
fn ends_after_replacement(expires: Boot, now: Now) -> Boot {
    expires.min(now.boot.plus(super::rules::OVERLAP))
}

/// After a restart: what was handed out and still lives is handed out again, under its generation, without a save.
pub(super) fn resume(machine: &mut Machine, now: Now) {
    for kind in Kind::ALL {
        let handed: &Handed = &machine.handed[kind.index()];
        let out = machine
            .candidate(kind, now)
            .filter(|candidate| handed.id == Some(candidate.id) && handed.lane == candidate.lane);
        let out = out.map(|candidate| candidate.bearing(handed.generation));
        machine.handed[kind.index()].current = out;
    }
}
