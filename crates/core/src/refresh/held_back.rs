//! Why an operator's fetch would not begin now, in words with the cure.

use super::machine::{LeaseState, Machine, Task};
use super::wants::Want;
use crate::budget::BudgetKind;
use crate::clock::{Boot, Now};
use crate::credential::{Kind, Lane, Ticket};
use crate::words::InChinese;

/// What stands in the way of an operator's fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeldBack {
    /// Others fetch for this app.
    #[error(
        "the app is in shadow mode: others fetch, and nothing is fetched here before its mode is live"
    )]
    Shadow,
    /// Only the access token of the stable lane can be forced.
    #[error(
        "only the access token of the stable lane can be forced: WeChat has no such call for anything else"
    )]
    NotForceable,
    /// An app's first classic fetch kills what others may hold.
    #[error(
        "the app's first classic fetch may end a token that other programs hold: set take_over = true, or give that token as initial_token"
    )]
    NeedsTakeOver,
    /// A ticket is fetched with an access token.
    #[error(
        "a ticket is fetched with the app's access token, and none lives now: refresh access_token first"
    )]
    NoToken,
    /// The day's budget of such calls is used up, or what is left of it is kept for tokens that die.
    #[error("today's budget of {} calls for this app is used up, or kept for tokens that die; it grows back within a day", .0.name())]
    OverBudget(BudgetKind),
    /// What is handed out is not durable yet, and the fetch would end it.
    #[error(
        "the token handed out could not be saved yet, and this fetch would end it: see that the store takes writes (disk full, read-only?)"
    )]
    Unsaved,
    /// Nobody may fetch without a lease, and the store that gives it is away.
    #[error("the store cannot be reached, and nothing that ends a token is fetched without it")]
    StoreAway,
    /// WeChat takes forced refreshes 30 s apart.
    #[error("WeChat takes forced refreshes 30 s apart: the next one in {} s", .in_ms.div_ceil(1000))]
    ForceGap {
        /// Until then, in milliseconds.
        in_ms: u64,
    },
    /// Another fetch of the same token may still be under way.
    #[error("another fetch of this token may still be under way: the next one in {} s", .in_ms.div_ceil(1000))]
    Elsewhere {
        /// Until that has surely ended, in milliseconds.
        in_ms: u64,
    },
}

impl InChinese for HeldBack {
    fn in_chinese(&self) -> String {
        match self {
            Self::Shadow => "应用处于 shadow 模式：由别的程序获取；mode 改为 live 之前，这里什么都不获取".to_owned(),
            Self::NotForceable => "只有 stable 通道的 access_token 能强制刷新：别的凭据，微信没有这样的接口".to_owned(),
            Self::NeedsTakeOver => {
                "应用的第一次 classic 获取可能让别的程序手里的令牌失效：在配置里写 take_over = true，或把那个令牌写作 initial_token"
                    .to_owned()
            }
            Self::NoToken => "ticket 要用应用的 access_token 去取，而现在没有有效的：先 refresh access_token".to_owned(),
            Self::OverBudget(budget) => format!(
                "这个应用今天的 {} 调用预算已用完，或余下的留给失效的令牌；一天之内会逐渐恢复",
                budget.name()
            ),
            Self::Unsaved => {
                "正在分发的令牌还没能存下来，这次获取会让它失效：让存储能写入（磁盘已满、只读？）".to_owned()
            }
            Self::StoreAway => "存储连不上；没有它，就不获取会让现有令牌失效的新令牌".to_owned(),
            Self::ForceGap { in_ms } => {
                format!("微信要求两次强制刷新相隔 30 秒：{} 秒后再试", in_ms.div_ceil(1000))
            }
            Self::Elsewhere { in_ms } => {
                format!("这个令牌的另一次获取可能还在进行：{} 秒后再试", in_ms.div_ceil(1000))
            }
        }
    }
}

impl Machine {
    /// Why an operator's fetch, wished for by an event just before, is not under way and will not be at once.
    #[must_use]
    pub fn held_back(&self, kind: Kind, force: bool, now: Now) -> Option<HeldBack> {
        if self.rules.shadow {
            return Some(HeldBack::Shadow);
        }
        let task = match (Ticket::of(kind), self.primary()) {
            (Some(_), _) if force => return Some(HeldBack::NotForceable),
            (Some(ticket), _) => Task::Ticket(ticket),
            (None, _) if force => Task::Forced,
            (None, Lane::Classic) => Task::Classic,
            (None, Lane::Stable) => Task::Stable,
        };
        if task == Task::Forced && !self.in_use(Lane::Stable) {
            return Some(HeldBack::NotForceable);
        }
        if self.busy(task) {
            return None;
        }
        let want = self.wants(now).into_iter().flatten();
        let want = want.into_iter().find(|want| want.task == task);
        // Forced ones are always for a reason; of the others, those for which nothing lives.
        let urgent = want.map_or(task == Task::Forced, |want| want.urgent);
        if let Some(over) = self.short_of(task, urgent, now) {
            return Some(HeldBack::OverBudget(over));
        }
        match want {
            Some(want) => self.want_held_back(want, now),
            None => self.unwanted(task, now),
        }
    }

    fn want_held_back(&self, want: Want, now: Now) -> Option<HeldBack> {
        if want.when > now.boot {
            let in_ms = want.when.since(now.boot);
            return Some(match want.task {
                Task::Forced => HeldBack::ForceGap { in_ms },
                Task::Classic | Task::Stable | Task::Ticket(_) | Task::Probe(_) => {
                    HeldBack::Elsewhere { in_ms }
                }
            });
        }
        let away = matches!(self.lease, LeaseState::Away { .. });
        (away && want.task.mints()).then_some(HeldBack::StoreAway)
    }

    /// Why there is no such want at all.
    fn unwanted(&self, task: Task, now: Now) -> Option<HeldBack> {
        match task {
            Task::Classic if self.classic_held_back(now) == Some(Boot::NEVER) => {
                Some(HeldBack::NeedsTakeOver)
            }
            Task::Classic | Task::Forced if self.unsaved() => Some(HeldBack::Unsaved),
            Task::Ticket(_) => {
                let comes = self.busy(Task::Classic) || self.busy(Task::Stable);
                (!comes && self.best_token(now).is_none()).then_some(HeldBack::NoToken)
            }
            Task::Classic | Task::Stable | Task::Forced | Task::Probe(_) => None,
        }
    }

    /// The budget that does not allow a call; half of each is kept for reported deaths and for credentials with no live
    /// value (rule 9).
    pub(super) fn short_of(&self, task: Task, urgent: bool, now: Now) -> Option<BudgetKind> {
        let short = |kind: &BudgetKind| {
            let spent = self.spent(*kind, now);
            spent.used >= if urgent { spent.limit } else { spent.limit / 2 }
        };
        task.counts_as().find(short)
    }
}
