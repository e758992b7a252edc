//! Carrying out what a machine says: each outcome comes back as an event, if nothing goes wrong on the way.

use std::time::Duration;

use wxtoken_core::clock::Wall;
use wxtoken_core::credential::{Kind, Token};
use wxtoken_core::refresh::event::{CallId, Effect, Event};
use wxtoken_core::source::{Answer, Ask, Failure, Minted, Passing, Reply, Trouble};

use crate::agenda::Ev;
use crate::phase::Fate;
use crate::question::{Question, Says, Value, Who};
use crate::replica::{Call, DAWN, id_of, token};
use crate::setup::SECOND;
use crate::world::World;

impl World {
    pub(crate) fn carry_out(&mut self, r: usize, life: u32, effect: Effect) {
        match effect {
            Effect::TakeLease => {
                self.replicas[r].leasing = true;
                let asked = self.t;
                self.soon(20, Ev::LeaseTry(r, life, asked));
            }
            Effect::Release(fence) => self.release(r, life, fence),
            Effect::Note(call, record, fence) => {
                self.replicas[r].notes += 1;
                self.write(
                    r,
                    life,
                    (Event::Noted(call), Event::NoteFailed(call)),
                    record,
                    fence,
                    true,
                );
            }
            Effect::Save(save, record, fence) => {
                let replica = &mut self.replicas[r];
                replica.saves += 1;
                let out = replica.seen[0].map(|seen| id_of(seen.value));
                replica.staged = record.handed_out[0].id != out;
                self.write(
                    r,
                    life,
                    (Event::Saved(save), Event::SaveFailed(save)),
                    record,
                    fence,
                    false,
                );
            }
            Effect::Ask(call, ask, timeout) => self.ask(r, life, call, &ask, timeout),
            Effect::WakeAt(at) => {
                let replica = &mut self.replicas[r];
                let at = replica.true_time(at);
                replica.woken = true;
                if at <= self.t {
                    self.break_promise("no hot loop", format!("#{r} asks to be woken at once"));
                } else if replica.wake_at != at {
                    replica.wake += 1;
                    replica.wake_at = at;
                    let number = replica.wake;
                    self.push(at, Ev::Wake(r, life, number));
                }
            }
            Effect::PostLateMint(at) => {
                self.tell(|| format!("  #{r} posts a late mint"));
                self.replicas[r].posted = self.replicas[r].minted;
                self.post_late_mint(r, at);
            }
            Effect::Publish(kind) => self.tell(|| format!("  #{r} publishes {kind}")),
            Effect::PutBack(kind) => self.put_back(r, kind),
            Effect::Alarm(alarm) => self.alarm(r, alarm),
        }
    }

    pub(crate) fn ask(&mut self, r: usize, life: u32, id: CallId, ask: &Ask, timeout: u64) {
        let question = question(ask);
        self.tell(|| format!("  #{r} asks {question:?}"));
        self.table.calls += 1;
        let t = self.t;
        let unreachable = t < self.unreachable_until;
        self.judge_ask(r, question, !unreachable);
        let mut fate = self.next_fate.take().unwrap_or(Fate::Well);
        if t < self.cut_until && fate == Fate::Well {
            fate = self.cut_fate();
        }
        let leased = self.is_leased(r);
        let lost = self.store.is_behind(r);
        let over = self.replicas[r].seen[0].map(|seen| seen.value);
        self.replicas[r].calls.push(Call {
            id,
            question,
            asked: t,
            over,
            fate,
            leased,
            lost,
        });
        if matches!(question, Question::Probe(..)) {
            self.replicas[r].last_probe = t;
        }
        if unreachable {
            let says = Says::Trouble(Trouble::Passing(Passing::Unreachable));
            self.soon(300, Ev::Answer(r, life, id, says));
            return;
        }
        let travels = 3 + self.chance.below(50);
        self.push(t + travels, Ev::Arrive(r, life, id, question));
        self.push(t + timeout, Ev::Timeout(r, life, id));
    }

    pub(crate) fn cut_fate(&mut self) -> Fate {
        match self.chance.below(4) {
            0 => Fate::LostAnswer,
            1 => Fate::LateRequest(self.chance.between(10_000, 39_000)),
            2 => Fate::Delayed(self.chance.between(1000, 12_000)),
            _ => Fate::Well,
        }
    }

    /// A request reaches WeChat, whether or not its sender still waits.
    pub(crate) fn arrive(&mut self, r: usize, life: u32, id: CallId, question: Question) {
        let t = self.t;
        let replica = &mut self.replicas[r];
        let same_life = replica.life == life;
        let call = replica
            .calls
            .iter_mut()
            .find(|call| same_life && call.id == id);
        let fate = call.map_or(Fate::Well, |call| {
            std::mem::replace(&mut call.fate, Fate::Well)
        });
        if let Fate::LateRequest(later) = fate {
            self.push(t + later, Ev::Arrive(r, life, id, question));
            return;
        }
        if t < self.cut_until && self.chance.percent(30) {
            let says = Says::Trouble(Trouble::Passing(Passing::Status(502)));
            self.soon(100, Ev::Answer(r, life, id, says));
            return;
        }
        let says = self.ask_wechat(question, Who::Us);
        match fate {
            Fate::LostAnswer if self.chance.percent(30) => {
                let says = Says::Trouble(Trouble::Passing(Passing::Nonsense));
                self.soon(100, Ev::Answer(r, life, id, says));
            }
            Fate::LostAnswer => {}
            Fate::Delayed(millis) => self.push(t + millis, Ev::Answer(r, life, id, says)),
            Fate::Well | Fate::LateRequest(_) => self.soon(60, Ev::Answer(r, life, id, says)),
        }
    }

    /// Asks the model, and lets readers find out what that killed.
    pub(crate) fn ask_wechat(&mut self, question: Question, who: Who) -> Says {
        let t = self.t;
        let before = question.fetches().and_then(|lane| self.wechat.newest(lane));
        let says = self.wechat.ask(question, who, t);
        self.tell(|| format!("    WeChat answers {who:?}: {question:?} with {says:?}"));
        if let Some(before) = before
            && !matches!(says, Says::Value(value, _) if value == before)
        {
            self.readers_will_notice(before);
        }
        if let (Who::Us, Some(lane), Says::Value(value, _)) = (who, question.fetches(), says)
            && before != Some(value)
        {
            self.judge_storm(lane);
        }
        self.judge_mint(question, who, before, says);
        says
    }

    pub(crate) fn readers_will_notice(&mut self, value: Value) {
        let end = self.wechat.value(value).end();
        if self.setup.reporters && end < self.wechat.value(value).expires {
            let at = end + self.chance.below(90 * SECOND);
            self.push(at, Ev::Notice(value));
        }
    }

    pub(crate) fn answer(&mut self, r: usize, life: u32, id: CallId, says: Says) {
        let upstream_time = self
            .setup
            .readings
            .date_header
            .then_some(Wall(DAWN + self.t));
        let Some(call) = self.take_call(r, life, id) else {
            return;
        };
        let reply = match says {
            Says::Value(value, seconds) => Reply::Minted(Minted {
                token: token(value),
                id: id_of(value),
                expires_in: Duration::from_secs(seconds),
            }),
            Says::Alive => Reply::Alive,
            Says::Dead(code) => Reply::Dead(code),
            Says::Trouble(trouble) => {
                let sent = trouble != Trouble::Passing(Passing::Unreachable);
                let failure = Failure {
                    trouble,
                    sent,
                    upstream_time: upstream_time.filter(|_| sent),
                };
                self.answered(r, &call, says);
                self.give(r, life, Event::Failed(id, failure));
                return;
            }
        };
        self.answered(r, &call, says);
        let answer = Answer {
            reply,
            upstream_time,
        };
        self.give(r, life, Event::Answered(id, answer));
        self.told_dead(r, &call, says);
    }

    pub(crate) fn time_out(&mut self, r: usize, life: u32, id: CallId) {
        let Some(call) = self.take_call(r, life, id) else {
            return;
        };
        let trouble = Trouble::Passing(Passing::Cut);
        self.answered(r, &call, Says::Trouble(trouble));
        let failure = Failure {
            trouble,
            sent: true,
            upstream_time: None,
        };
        self.give(r, life, Event::Failed(id, failure));
    }

    pub(crate) fn take_call(&mut self, r: usize, life: u32, id: CallId) -> Option<Call> {
        let replica = &mut self.replicas[r];
        if replica.life != life {
            return None;
        }
        let at = replica.calls.iter().position(|call| call.id == id)?;
        // The judge looks before the call ends: while it was under way, nobody was idle.
        let t = self.t;
        if self.replicas[r].stalled_until <= t {
            self.integrate(r);
        }
        Some(self.replicas[r].calls.swap_remove(at))
    }

    pub(crate) fn put_back(&mut self, r: usize, kind: Kind) {
        let Some(seen) = self.replicas[r].seen[kind.index()] else {
            return;
        };
        let Some(since) = self.replicas[r].tampered[kind.index()].take() else {
            return;
        };
        if self.wechat.seen_alive[seen.value as usize] < since {
            let value = seen.value;
            self.break_promise(
                "a sink's entry is put back only after a probe said it is alive",
                format!("#{r} put v{value} back into {kind}'s sink unprobed"),
            );
        }
    }
}

fn question(ask: &Ask) -> Question {
    match ask {
        Ask::Classic => Question::Classic,
        Ask::Stable => Question::Stable,
        Ask::Forced => Question::Forced,
        Ask::Ticket(ticket, token) => Question::Ticket(*ticket, number(token)),
        Ask::Probe(lane, token) => Question::Probe(*lane, number(token)),
    }
}

fn number(token: &Token) -> Value {
    token.expose()[1..].parse().unwrap()
}
