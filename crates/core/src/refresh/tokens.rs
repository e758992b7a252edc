//! What the answer to a token fetch means: a new value, the same value, trouble (rules 3 to 8).

use super::alarm::Alarm;
use super::due;
use super::event::Effect;
use super::lane::{Health, Held, Outcome};
use super::machine::{Job, Machine, Task};
use super::mutant::planted;
use super::rules::{FORCE_GAP, OVERLAP};
use crate::clock::{Boot, Now};
use crate::credential::{Kind, Lane};
use crate::retry;
use crate::source::{Failure, Minted, Passing, Trouble};

/// A value that died younger than this died early.
const EARLY: u64 = 600_000;

impl Machine {
    pub(super) fn token_minted(
        &mut self,
        task: Task,
        sent: Boot,
        minted: Minted,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let Some(lane) = task.fetches() else { return };
        self.saving.dirty = true;
        let state = self.lane_mut(lane);
        state.retry.clear();
        state.nudge = None;
        if task.mints() {
            state.intent = None;
            state.settle = false;
        }
        let newer = state.held.as_ref().is_some_and(|held| held.sent > sent);
        let same = state.held.as_ref().is_some_and(|held| held.id == minted.id);
        if lane == Lane::Classic {
            self.contest_mut().classic_ours = true;
        }
        if same {
            self.same_value(task, lane, sent, &minted, now, effects);
        } else if newer && !planted!(self.rules, LateAnswerWins) {
            self.late_answer(lane, &minted, now);
        } else {
            self.new_value(task, lane, sent, minted, now, effects);
        }
    }

    /// An answer to an older question: a newer value is here, and stays.
    fn late_answer(&mut self, lane: Lane, minted: &Minted, now: Now) {
        let ends = now.boot.plus(OVERLAP);
        let kind = Kind::AccessToken;
        self.remember(
            super::machine::Known {
                id: minted.id,
                kind,
                ends,
            },
            now,
        );
        self.lane_mut(lane).last = Some((Outcome::Same, now.boot));
    }

    fn same_value(
        &mut self,
        task: Task,
        lane: Lane,
        sent: Boot,
        minted: &Minted,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let expires = self.expiry(sent, minted, now);
        let timing = self.rules.timing;
        let other_lives = self.lane(lane.other()).is_some_and(|other| other.live(now));
        let spent = self.spent(task.budget(), now);
        let mut jitter = self.jitter;
        let state = self.lane_mut(lane);
        state.last = Some((Outcome::Same, now.boot));
        let Some(held) = state.held.as_mut() else {
            return;
        };
        held.expires = held.expires.max(expires);
        held.restored = false;
        held.due = due::due_again(lane, held.expires, now.boot, &timing, &mut jitter);
        if held.dead && task == Task::Forced {
            held.dead = false;
            state.stuck = false;
            state.health = Health {
                suspected: Some(now.boot),
                not_before: now.boot.plus(FORCE_GAP),
                probe_due: now.boot.plus(timing.probe_every),
                ..state.health
            };
            effects.push(Effect::Alarm(Alarm::ForceChangedNothing));
        } else if held.dead {
            let again = state.stuck || other_lives;
            state.stuck = true;
            if again {
                state.retry.failures = state.retry.failures.saturating_add(1);
                let wait = retry::after_trouble(8, None, spent, &mut jitter);
                state.retry.not_before = now.boot.plus(wait);
            }
        }
        self.jitter = jitter;
    }

    fn new_value(
        &mut self,
        task: Task,
        lane: Lane,
        sent: Boot,
        minted: Minted,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        self.notice_foreign_force(task, now, effects);
        let lifetime = crate::clock::millis(minted.expires_in);
        let expires = self.expiry(sent, &minted, now);
        let died_early = self
            .lane(lane)
            .and_then(|state| state.held.as_ref())
            .is_some_and(|held| held.dead && now.boot.since(held.sent) < EARLY);
        self.displace(lane, now);
        let due = self.due_for(lane, expires, lifetime, now);
        let probe_due = self.first_probe(now);
        let without_lease = task.mints() && self.fence(now).is_none();
        let state = self.lane_mut(lane);
        state.held = Some(Held {
            token: minted.token,
            id: minted.id,
            sent,
            expires,
            lifetime,
            due,
            dead: false,
            restored: false,
        });
        state.health = Health {
            last_alive: sent,
            probe_due,
            ..Health::default()
        };
        state.stuck = false;
        state.early_deaths = if died_early {
            state.early_deaths.saturating_add(1)
        } else {
            0
        };
        state.last = Some((Outcome::New, now.boot));
        if without_lease {
            state.settle = true;
            let sent = now.wall_at(sent);
            self.late_mint = Some(sent);
            effects.push(Effect::PostLateMint(sent));
        } else if task == Task::Classic {
            self.late_mint = None;
        }
        if self.lane(lane).is_some_and(|state| state.early_deaths >= 3) {
            self.raise(Alarm::NothingLives, effects);
        }
    }

    /// Normal mode gave another value though ours should live on: someone forced it.
    fn notice_foreign_force(&mut self, task: Task, now: Now, effects: &mut Vec<Effect>) {
        if task != Task::Stable {
            return;
        }
        let state = self.lane(Lane::Stable);
        let forced = state
            .and_then(|state| state.held.as_ref())
            .is_some_and(|held| !held.restored && held.expires.since(now.boot) > OVERLAP + 60_000);
        if forced {
            effects.push(Effect::Alarm(Alarm::ForeignForce { noticed: now.wall }));
        }
    }

    /// Rule 5: expiry counts from the moment the request was sent.
    fn expiry(&self, sent: Boot, minted: &Minted, now: Now) -> Boot {
        let from = if planted!(self.rules, ExpiryFromReceipt) {
            now.boot
        } else {
            sent
        };
        from.plus(crate::clock::millis(minted.expires_in))
    }

    /// Rule 4's due time; a classic standby or primary keeps half a lifetime from the stable lane.
    fn due_for(&mut self, lane: Lane, expires: Boot, lifetime: u64, now: Now) -> Boot {
        let timing = self.rules.timing;
        let due = due::due(lane, expires, lifetime, &timing, &mut self.jitter);
        let stable = self
            .lane(Lane::Stable)
            .and_then(|state| state.held.as_ref());
        match (lane, stable) {
            (Lane::Classic, Some(stable)) if self.in_use(Lane::Stable) => {
                due::out_of_phase(due, stable.due, lifetime, now.boot)
            }
            (Lane::Classic | Lane::Stable, _) => due,
        }
    }

    pub(super) fn token_not_minted(
        &mut self,
        job: &Job,
        failure: Failure,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let Some(lane) = job.task.fetches() else {
            return;
        };
        let sent = job.sent.unwrap_or(now.boot);
        let spent = self.spent(job.task.budget(), now);
        let wall = self.steady_wall(now);
        let mut jitter = self.jitter;
        let state = self.lane_mut(lane);
        let (left, retry) = (state.left(now), &mut state.retry);
        retry.failures = retry.failures.saturating_add(1);
        let wait = retry::after(
            failure.trouble,
            retry.failures,
            left,
            spent,
            wall,
            &mut jitter,
        );
        retry.not_before = now.boot.plus(wait);
        let since = retry.trouble.map_or(now.wall, |(_, since)| since);
        retry.trouble = Some((failure.trouble, since));
        state.nudge = None;
        state.last = Some((Outcome::Failed(failure.trouble), now.boot));
        if job.task.mints() {
            if failure.sent && may_have_minted(failure.trouble) {
                state.may_have_been_replaced(sent, OVERLAP);
                self.saving.dirty = true;
            } else {
                state.intent = None;
            }
        }
        self.jitter = jitter;
        self.tell_trouble(Kind::AccessToken, Some(lane), failure.trouble, effects);
    }

    pub(super) fn tell_trouble(
        &mut self,
        kind: Kind,
        lane: Option<Lane>,
        trouble: Trouble,
        effects: &mut Vec<Effect>,
    ) {
        match trouble {
            Trouble::Refused(errcode) => self.raise(
                Alarm::Refused {
                    kind,
                    lane,
                    errcode,
                },
                effects,
            ),
            Trouble::QuotaUsedUp => self.raise(Alarm::QuotaUsedUp { kind, lane }, effects),
            Trouble::Passing(_) | Trouble::TokenBad(_) => {
                self.raise(
                    Alarm::Trouble {
                        kind,
                        lane,
                        trouble,
                    },
                    effects,
                );
            }
        }
    }
}

/// WeChat's own refusals and "busy" say that nothing was minted; anything else leaves it open (rule 3).
const fn may_have_minted(trouble: Trouble) -> bool {
    match trouble {
        Trouble::Passing(Passing::Busy | Passing::TooFast | Passing::Unreachable)
        | Trouble::Refused(_)
        | Trouble::QuotaUsedUp
        | Trouble::TokenBad(_) => false,
        Trouble::Passing(Passing::Cut | Passing::Status(_) | Passing::Nonsense) => true,
    }
}
