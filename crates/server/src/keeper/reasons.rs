//! Why there is nothing to hand out, in words for the one who asks.

use wxtoken_core::clock::{Boot, Now, Wall};
use wxtoken_core::credential::{Kind, Lane, Ticket};
use wxtoken_core::refresh::alarm::AlarmName;
use wxtoken_core::refresh::{LaneView, Machine, Outcome};
use wxtoken_core::source::Trouble;

use super::absent::NoLive;
use super::tell::describe_trouble;
use crate::words::Sentence;

/// Looks at a machine of which some kind has no live value.
pub(super) fn no_live(machine: &Machine, now: Now, since: Wall) -> NoLive {
    let lanes: Vec<LaneView> = Lane::ALL
        .into_iter()
        .filter_map(|lane| machine.lane_view(lane, now))
        .collect();
    let token_lives =
        machine.current(Kind::AccessToken, now).is_some() || lanes.iter().any(|lane| lane.live);
    let troubles: Vec<(Trouble, Boot)> = if token_lives {
        let tickets = Ticket::ALL
            .into_iter()
            .filter_map(|ticket| machine.ticket_view(ticket));
        tickets
            .filter_map(|(trouble, next)| trouble.map(|(trouble, _)| (trouble, next)))
            .collect()
    } else {
        lanes
            .iter()
            .filter_map(|lane| lane.trouble.map(|(trouble, _)| (trouble, lane.not_before)))
            .collect()
    };
    let next = troubles
        .iter()
        .map(|(_, next)| *next)
        .min()
        .unwrap_or(now.boot)
        .max(now.boot);
    let (reason, detail, errcode) = why(
        machine,
        &lanes,
        troubles.first().map(|(trouble, _)| *trouble),
    );
    NoLive {
        reason,
        detail,
        errcode,
        since,
        next_try: (!matches!(reason, "needs-take-over" | "shadow")).then(|| now.wall_at(next)),
    }
}

/// The configuration says that nothing is to be fetched.
fn waits_for_a_person(machine: &Machine, lanes: &[LaneView]) -> Option<(&'static str, Sentence)> {
    if machine.rules().shadow {
        let text = Sentence::new(
            "应用处于 shadow 模式：只观察别的程序获取的令牌，不分发；配置里写 mode = \"live\" 才分发",
            "the app is in shadow mode: what others fetch is watched, and nothing is handed out before its mode is \"live\"",
        );
        return Some(("shadow", text));
    }
    let mut raised = machine.raised();
    let needed = raised.any(|alarm| alarm == AlarmName::NeedsTakeOver);
    (needed && lanes.iter().all(|lane| !lane.live)).then(|| {
        let text = Sentence::new(
            "第一次 classic 获取之前，应用的配置里要写 take_over = true，或给出现有的令牌",
            "the first classic fetch needs take_over = true in the app's configuration, or a token to adopt",
        );
        ("needs-take-over", text)
    })
}

fn why(
    machine: &Machine,
    lanes: &[LaneView],
    trouble: Option<Trouble>,
) -> (&'static str, Sentence, Option<i64>) {
    if let Some((reason, text)) = waits_for_a_person(machine, lanes) {
        return (reason, text, None);
    }
    let blocked = |wanted: Outcome| {
        lanes
            .iter()
            .any(|lane| lane.last.is_some_and(|(last, _)| last == wanted))
    };
    match trouble {
        Some(Trouble::Refused(errcode)) => (
            "refused",
            describe_trouble(Trouble::Refused(errcode)),
            Some(errcode),
        ),
        Some(Trouble::QuotaUsedUp) => (
            "quota-used-up",
            describe_trouble(Trouble::QuotaUsedUp),
            Some(45009),
        ),
        Some(trouble @ (Trouble::Passing(_) | Trouble::TokenBad(_))) => {
            ("upstream-trouble", describe_trouble(trouble), None)
        }
        None if blocked(Outcome::OverBudget) => (
            "over-budget",
            Sentence::new(
                "今天的调用预算用完了",
                "the daily budget of calls is used up",
            ),
            None,
        ),
        None if blocked(Outcome::StoreRefused) => (
            "store-refuses",
            Sentence::new(
                "存储写不进去，所以不获取会让现有令牌失效的新令牌",
                "the store takes no writes, so nothing is fetched that would kill a token",
            ),
            None,
        ),
        None if lanes.iter().any(|lane| lane.dead) => (
            "replacing",
            Sentence::new(
                "微信说令牌已失效；正在获取新的",
                "WeChat called the token dead; a new one is being fetched",
            ),
            None,
        ),
        None => (
            "starting",
            Sentence::new("正在获取第一个令牌", "the first token is being fetched"),
            None,
        ),
    }
}
