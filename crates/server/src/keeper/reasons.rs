//! Why there is nothing to hand out, in words for the one who asks.

use wxtoken_core::clock::{Boot, Now, Wall};
use wxtoken_core::credential::{Kind, Lane, Ticket};
use wxtoken_core::refresh::alarm::AlarmName;
use wxtoken_core::refresh::{LaneView, Machine, Outcome};
use wxtoken_core::source::Trouble;

use super::absent::NoLive;
use super::tell::describe_trouble;

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
        next_try: (reason != "needs-take-over").then(|| now.wall_at(next)),
    }
}

fn why(
    machine: &Machine,
    lanes: &[LaneView],
    trouble: Option<Trouble>,
) -> (&'static str, String, Option<i64>) {
    if machine
        .raised()
        .any(|alarm| alarm == AlarmName::NeedsTakeOver)
        && lanes.iter().all(|lane| !lane.live)
    {
        let text = "the first classic fetch needs take_over = true in the app's configuration, or a token to adopt";
        return ("needs-take-over", text.to_owned(), None);
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
            "the daily budget of calls is used up".to_owned(),
            None,
        ),
        None if blocked(Outcome::StoreRefused) => (
            "store-refuses",
            "the store takes no writes, so nothing is fetched that would kill a token".to_owned(),
            None,
        ),
        None if lanes.iter().any(|lane| lane.dead) => (
            "replacing",
            "WeChat called the token dead; a new one is being fetched".to_owned(),
            None,
        ),
        None => (
            "starting",
            "the first token is being fetched".to_owned(),
            None,
        ),
    }
}
