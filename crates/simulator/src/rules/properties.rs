//! What must hold whatever is called, in whatever order, at whatever time.

use std::{net::IpAddr, time::Duration};

use proptest::prelude::*;

use super::{
    Rules, ThirdMint, Verdict,
    app::{AppState, Grant, Identity, Issued, SecretAsk},
    quota::PathId,
};
use crate::{apps::AppKind, clock::SimTime};

#[derive(Debug, Clone, Copy)]
enum Step {
    Classic,
    Normal,
    Force,
    Wait(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Classic),
        3 => Just(Step::Normal),
        2 => Just(Step::Force),
        2 => (0..400_u32).prop_map(Step::Wait),
        // Into the last five minutes of a token, where the stable line renews.
        2 => (6800..7250_u32).prop_map(Step::Wait),
    ]
}

fn ask(path: &'static str, id: u16) -> SecretAsk<'static> {
    let grant = Grant {
        given: Some("client_credential"),
        right: "client_credential",
    };
    let from = IpAddr::from([127, 0, 0, 1]);
    SecretAsk {
        path: (PathId(id), path),
        secret: Some("s"),
        grant: Some(grant),
        from,
    }
}

/// What one value was when it was minted, and when it was replaced.
struct Minted {
    stable: bool,
    issued: Issued,
    replaced: Vec<(SimTime, bool)>,
}

/// Plays the steps; calls `look` after each with everything minted so far.
fn play(
    steps: &[Step],
    rules: &Rules,
    mut look: impl FnMut(&AppState, &[Minted], SimTime) -> Result<(), TestCaseError>,
) -> Result<(), TestCaseError> {
    let mut app = AppState::new(0, "s", AppKind::Official);
    let mut now = SimTime::from_unix_ms(1_795_334_400_000);
    let mut minted: Vec<Minted> = Vec::new();
    for step in steps {
        let outcome = match step {
            Step::Wait(s) => {
                now = now.plus(Duration::from_secs((*s).into()));
                None
            }
            Step::Classic => Some((
                false,
                app.fetch_classic(&ask("/cgi-bin/token", 1), rules, now),
            )),
            Step::Normal => Some((
                true,
                app.fetch_stable(&ask("/cgi-bin/stable_token", 2), false, rules, now),
            )),
            Step::Force => Some((
                true,
                app.fetch_stable(&ask("/cgi-bin/stable_token", 2), true, rules, now),
            )),
        };
        if let Some((stable, Ok(issued))) = outcome
            && issued.minted
        {
            for old in minted.iter_mut().filter(|old| old.stable == stable) {
                old.replaced.push((now, issued.forced));
            }
            minted.push(Minted {
                stable,
                issued,
                replaced: Vec::new(),
            });
        }
        look(&app, &minted, now)?;
    }
    Ok(())
}

fn verdict(app: &AppState, one: &Minted, rules: &Rules, now: SimTime) -> Verdict {
    let (serial, expires) = (one.issued.slot.serial, one.issued.slot.expires);
    app.verdict(
        Identity {
            stable: one.stable,
            serial,
            expires,
        },
        rules,
        now,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn a_value_lives_exactly_as_long_as_its_own_line_lets_it(
        steps in prop::collection::vec(step(), 1..60), keep_all: bool,
    ) {
        let mut rules = Rules::default();
        if keep_all {
            rules.readings.third_mint = ThirdMint::KeepsAll;
        }
        play(&steps, &rules, |app, minted, now| {
            for one in minted {
                // An oracle of its own: from when the value was minted and by what it was replaced.
                let mut ends = one.issued.slot.expires;
                if let Some((at, forced)) = one.replaced.first() {
                    // The stable line's own renewal leaves the old value its time; all else leaves it the overlap.
                    if !one.stable || *forced {
                        ends = ends.min(at.plus(rules.overlap));
                    }
                }
                let second = one.replaced.iter().skip(1).find(|(_, forced)| !keep_all || *forced);
                if let Some((at, _)) = second {
                    ends = ends.min(*at);
                }
                let lives = verdict(app, one, &rules, now).is_live();
                prop_assert_eq!(lives, now < ends, "stable {} serial {}", one.stable, one.issued.slot.serial);
            }
            Ok(())
        })?;
    }

    #[test]
    fn what_one_lane_does_is_never_seen_on_the_other(steps in prop::collection::vec(step(), 1..60)) {
        let rules = Rules::default();
        let of = |keep: fn(&Step) -> bool| {
            let only: Vec<Step> = steps.iter().map(|step| if keep(step) { *step } else { Step::Wait(0) }).collect();
            let mut lives = Vec::new();
            play(&only, &rules, |app, minted, now| {
                lives.push(minted.iter().map(|one| (one.stable, verdict(app, one, &rules, now).is_live())).collect::<Vec<_>>());
                Ok(())
            })?;
            Ok::<_, TestCaseError>(lives)
        };
        let both = of(|_| true)?;
        let classic = of(|step| matches!(step, Step::Classic | Step::Wait(_)))?;
        let stable = of(|step| !matches!(step, Step::Classic))?;
        for (at, all) in both.iter().enumerate() {
            let lane = |stable: bool| all.iter().filter(|(of, _)| *of == stable).copied().collect::<Vec<_>>();
            prop_assert_eq!(lane(false), classic[at].clone());
            prop_assert_eq!(lane(true), stable[at].clone());
        }
    }

    #[test]
    fn the_stable_line_always_answers_at_least_the_renewal_window_and_never_forces_too_often(
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let rules = Rules::default();
        let mut forces = Vec::new();
        play(&steps, &rules, |app, minted, now| {
            if let Some(slot) = app.live(true, now) {
                prop_assert!(slot.dies <= slot.expires);
            }
            forces = minted.iter().filter(|one| one.issued.forced).map(|one| one.issued.slot.issued).collect();
            for one in minted.iter().filter(|one| one.stable) {
                prop_assert!(one.issued.expires_in >= 300);
            }
            Ok(())
        })?;
        prop_assert!(forces.windows(2).all(|two| two[1].since(two[0]) >= Duration::from_secs(30)));
        for first in &forces {
            let same_day = forces.iter().filter(|at| (at.unix_s() + 28_800) / 86_400 == (first.unix_s() + 28_800) / 86_400);
            prop_assert!(same_day.count() <= 20);
        }
    }
}
