//! What is handed out: choosing it, giving it a generation, saving it first (rule 2), remembering what it replaces (rule 12).

use std::sync::Arc;

use super::event::Effect;
use super::machine::{Handed, Known, Machine};
use super::mutant::planted;
use super::rules::REMEMBER;
use crate::clock::{Boot, Now};
use crate::credential::{Credential, Generation, Kind, Lane, Ticket};

/// At most this many values that are no longer handed out are kept in mind.
const MOST_KNOWN: usize = 8;

impl Machine {
    /// The value that should be handed out for a kind, without a generation yet.
    fn candidate(&self, kind: Kind, now: Now) -> Option<Credential> {
        if let Some(ticket) = Ticket::of(kind) {
            let kept = self.rules.wants(ticket);
            let state = self.tickets[ticket as usize].as_ref().filter(|_| kept)?;
            let held = state.held.as_ref()?;
            return (now.boot < held.expires).then(|| Credential {
                kind,
                lane: None,
                token: held.token.clone(),
                id: held.id,
                generation: Generation::default(),
                sent: held.first_seen,
                expires: held.expires,
            });
        }
        let primary = self.primary();
        [primary, primary.other()].into_iter().find_map(|lane| {
            let held = self.lane(lane)?.held.as_ref()?;
            (!held.dead && self.lives(held.expires, now)).then(|| Credential {
                kind,
                lane: Some(lane),
                token: held.token.clone(),
                id: held.id,
                generation: Generation::default(),
                sent: held.sent,
                expires: held.expires,
            })
        })
    }

    /// The token for calls of our own, handed out or about to be.
    pub(super) fn best_token(&self, now: Now) -> Option<Credential> {
        self.candidate(Kind::AccessToken, now)
    }

    /// Compares what should be handed out with what is.
    pub(super) fn choose(&mut self, now: Now, effects: &mut Vec<Effect>) {
        for kind in Kind::ALL {
            match self.candidate(kind, now) {
                Some(candidate) => self.offer(kind, candidate, now, effects),
                None => self.withdraw(kind, effects),
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

    fn offer(
        &mut self,
        kind: Kind,
        mut candidate: Credential,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        self.take_down_the_dead(kind, now, effects);
        let handed = &mut self.handed[kind.index()];
        let same = handed.id == Some(candidate.id) && handed.lane == candidate.lane;
        if same {
            let out = handed.current.as_ref().map(|value| value.expires);
            if handed.staged.is_none() && out != Some(candidate.expires) {
                candidate.generation = handed.generation;
                handed.current = Some(Arc::new(candidate));
                effects.push(Effect::Publish(kind));
            }
            return;
        }
        let contested = candidate
            .lane
            .and_then(|lane| self.lane(lane))
            .is_some_and(|state| state.rival.is_some());
        let handed = &self.handed[kind.index()];
        if contested
            && handed
                .current
                .as_ref()
                .is_some_and(|out| out.id == candidate.id)
        {
            return; // it is out, and stored is another: which bears the next generation, WeChat will say
        }
        candidate.generation = self.next_generation(kind, candidate.lane, now);
        let unsaved = self.saving.last;
        let handed = &mut self.handed[kind.index()];
        handed.generation = candidate.generation;
        handed.id = Some(candidate.id);
        handed.lane = candidate.lane;
        self.saving.dirty = true;
        if planted!(self.rules, PublishBeforeSave) {
            handed.current = Some(Arc::new(candidate));
            effects.push(Effect::Publish(kind));
            return;
        }
        // Durable with the next save, whatever is in flight now.
        handed.staged = Some((
            Arc::new(candidate),
            super::event::SaveId(unsaved.0.wrapping_add(1)),
        ));
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
    pub(super) fn release_staged(
        &mut self,
        through: super::event::SaveId,
        effects: &mut Vec<Effect>,
    ) {
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
        let Some(mut candidate) = machine.candidate(kind, now) else {
            continue;
        };
        let handed: &mut Handed = &mut machine.handed[kind.index()];
        if handed.id == Some(candidate.id) && handed.lane == candidate.lane {
            candidate.generation = handed.generation;
            handed.current = Some(Arc::new(candidate));
        }
    }
}
