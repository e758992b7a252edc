//! An app's state, for people.
//!
//! Must not know: how it is shown.

use wxtoken_core::app::AppId;
use wxtoken_core::budget::BudgetKind;
use wxtoken_core::clock::{Boot, Now, Wall};
use wxtoken_core::credential::{Kind, Lane, Ticket};
use wxtoken_core::refresh::Machine;

use super::reasons::no_live;
use super::tell::describe_trouble;
use super::views::{AppStatus, KindStatus, LaneStatus};

/// An app's state; it has lacked a live value since then, if it lacks one.
pub(super) fn state_of(app: AppId, machine: &Machine, since: Wall, now: Now) -> AppStatus {
    let kinds = Kind::ALL
        .into_iter()
        .filter(|kind| machine.rules().keeps(*kind));
    AppStatus {
        app,
        kinds: kinds
            .map(|kind| kind_status(machine, kind, since, now))
            .collect(),
        lanes: Lane::ALL
            .into_iter()
            .filter_map(|lane| lane_status(machine, lane, now))
            .collect(),
        budgets: BudgetKind::ALL
            .into_iter()
            .map(|kind| {
                let (used, limit) = machine.budget(kind, now);
                (kind, used, limit)
            })
            .collect(),
    }
}

fn kind_status(machine: &Machine, kind: Kind, since: Wall, now: Now) -> KindStatus {
    let current = machine.current(kind, now);
    let absent = current.is_none().then(|| no_live(machine, now, since));
    let (own_trouble, next) = match Ticket::of(kind) {
        Some(ticket) => machine
            .ticket_view(ticket)
            .map_or((None, None), |(trouble, at)| (trouble, Some(at))),
        None => {
            let lane = current
                .and_then(|value| value.lane)
                .unwrap_or(machine.rules().lanes.primary());
            machine
                .lane_view(lane, now)
                .map_or((None, None), |view| (view.trouble, view.due))
        }
    };
    let waits = !machine.rules().shadow; // or nothing will be tried
    let trouble = own_trouble.map(|(trouble, since)| (describe_trouble(trouble), since));
    KindStatus {
        kind,
        lane: current.and_then(|value| value.lane),
        generation: current.map(|value| value.generation),
        since: current.map(|value| now.wall_at(value.sent)),
        expires_at: current.map(|value| now.wall_at(value.expires)),
        trouble: trouble.or_else(|| absent.as_ref().map(|why| (why.detail.clone(), why.since))),
        next_try: absent
            .and_then(|why| why.next_try)
            .or(next
                .filter(|at| *at < Boot::NEVER)
                .map(|at| now.wall_at(at)))
            .filter(|_| waits),
    }
}

fn lane_status(machine: &Machine, lane: Lane, now: Now) -> Option<LaneStatus> {
    let view = machine.lane_view(lane, now)?;
    Some(LaneStatus {
        lane,
        live: view.live,
        expires_at: view.expires.map(|at| now.wall_at(at)),
        due_at: view
            .due
            .filter(|_| !machine.rules().shadow)
            .map(|at| now.wall_at(at)),
        trouble: view
            .trouble
            .map(|(trouble, since)| (describe_trouble(trouble), since)),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use wxtoken_core::credential::{Token, ValueId};
    use wxtoken_core::refresh::event::{Adoption, Effect, Event};
    use wxtoken_core::refresh::rules::{Lanes, Rules};
    use wxtoken_core::refresh::step;
    use wxtoken_core::source::{Answer, Reply};
    use wxtoken_core::store::Fence;

    use super::*;

    #[test]
    fn of_an_app_in_shadow_nothing_is_said_to_be_tried() {
        let now = Now {
            wall: Wall(1_795_000_000_000),
            boot: Boot(10_000_000),
        };
        let rules = Rules {
            shadow: true,
            ..Rules::new(Lanes::Only(Lane::Stable))
        };
        let fence = Fence {
            epoch: 1,
            number: 1,
        };
        let machine = Machine::restore(Arc::new(rules), None, Some(fence), 1, now);
        let seen = Event::Adopt(Adoption {
            lane: Lane::Stable,
            token: Token::new("theirs").unwrap(),
            id: ValueId(1),
            expires: Some(now.wall.plus(7_200_000)),
        });
        let mut machine = Box::new(machine);
        let mut events = vec![seen];
        while let Some(event) = events.pop() {
            let (next, effects) = step(machine, event, now);
            machine = next;
            let answer = Answer {
                reply: Reply::Alive,
                upstream_time: None,
            };
            events.extend(effects.into_iter().filter_map(|effect| match effect {
                Effect::Note(call, ..) => Some(Event::Noted(call)),
                Effect::Ask(call, ..) => Some(Event::Answered(call, answer.clone())),
                _ => None,
            }));
        }
        let app = "wx0123456789abcdef".parse().unwrap();
        let status = state_of(app, &machine, now.wall, now);
        assert!(status.lanes[0].live, "it is held");
        assert_eq!(
            (status.kinds[0].next_try, status.lanes[0].due_at),
            (None, None)
        );
    }
}
