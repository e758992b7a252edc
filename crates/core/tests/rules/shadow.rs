//! Rules 8 and 10 in shadow mode: what others fetch is looked at, nothing is fetched and nothing handed out.

use crate::bench::{Bench, FULL, HOUR, MINUTE, SECOND, classic, id, stable, with_jsapi};
use wxtoken_core::credential::{Lane, Token};
use wxtoken_core::refresh::HeldBack;
use wxtoken_core::refresh::alarm::AlarmName;
use wxtoken_core::refresh::event::{Adoption, Event};
use wxtoken_core::refresh::rules::Rules;

fn shadow(rules: Rules) -> Rules {
    Rules {
        shadow: true,
        ..rules
    }
}

/// Somebody wrote this value, with so long to live.
fn seen(bench: &mut Bench, value: &str, left: u64) {
    let lane = bench.rules.lanes.primary();
    let expires = Some(bench.now.wall.plus(left));
    bench.hear(Event::Adopt(Adoption {
        lane,
        token: Token::new(value).unwrap(),
        id: id(value),
        expires,
    }));
}

fn held(bench: &Bench) -> bool {
    let lane = bench.rules.lanes.primary();
    let view = bench.machine.lane_view(lane, bench.now);
    view.is_some_and(|view| view.live)
}

/// Hours pass in which every probe says alive.
fn watch(bench: &mut Bench, millis: u64) {
    let end = bench.now.boot.plus(millis);
    while bench.now.boot < end {
        bench.pass(30 * SECOND);
        while !bench.words().is_empty() {
            assert!(bench.words().iter().all(|asked| asked.starts_with("probe")));
            bench.alive();
        }
    }
}

#[test]
fn rule_10_a_shadow_fetches_nothing_and_hands_out_nothing() {
    for rules in [with_jsapi(stable()), classic()] {
        let mut bench = Bench::new(shadow(rules));
        bench.quiet(3 * HOUR);
        seen(&mut bench, "theirs", 2 * HOUR);
        assert_eq!(bench.words(), ["probe theirs"]);
        bench.alive();
        assert!(held(&bench));
        watch(&mut bench, 3 * HOUR);
        assert_eq!(bench.current(), None);
        assert_eq!(bench.published, []);
        bench.nudge(false);
        assert_eq!(
            bench.words(),
            Vec::<String>::new(),
            "not even for an operator"
        );
        let lane = bench.rules.lanes.primary();
        let force = lane == Lane::Stable;
        let kind = wxtoken_core::credential::Kind::AccessToken;
        let back = bench.machine.held_back(kind, force, bench.now);
        assert!(matches!(back, Some(HeldBack::Shadow)));
    }
}

#[test]
fn rule_10_a_shadow_follows_what_others_write_and_says_when_it_dies_early() {
    for rules in [stable(), classic()] {
        let mut bench = Bench::new(shadow(rules));
        seen(&mut bench, "first", 2 * HOUR);
        bench.alive();
        watch(&mut bench, 10 * MINUTE);
        seen(&mut bench, "second", 2 * HOUR);
        while bench.words() != ["probe second"] {
            // The value before is just being probed, or was.
            if bench.words().is_empty() {
                bench.next_ask(MINUTE);
            } else {
                bench.alive();
            }
        }
        bench.alive();
        assert!(
            !bench.alarmed(AlarmName::Clash),
            "a replaced value is no clash"
        );
        assert!(bench.next_ask(2 * MINUTE).starts_with("probe second"));
        bench.dead();
        assert!(bench.alarmed(AlarmName::Clash));
        assert!(
            !bench.alarmed(AlarmName::ForeignFetcher),
            "everybody is foreign here"
        );
        assert!(!held(&bench));
        assert!(bench.words().is_empty());
    }
}

#[test]
fn rule_10_a_value_that_was_dead_when_a_shadow_first_saw_it_is_a_clash_too() {
    let mut bench = Bench::new(shadow(classic()));
    seen(&mut bench, "theirs", HOUR);
    bench.dead();
    assert!(bench.alarmed(AlarmName::Clash));
    assert!(!bench.alarmed(AlarmName::AdoptionRefused));
    bench.quiet(MINUTE);
}

#[test]
fn rule_10_going_live_hands_out_what_was_watched_and_fetches_only_when_due() {
    for (rules, ahead) in [(stable(), 290 * SECOND), (classic(), 15 * MINUTE)] {
        for restarted in [false, true] {
            let mut bench = Bench::new(shadow(rules.clone()));
            seen(&mut bench, "theirs", 2 * HOUR);
            bench.alive();
            watch(&mut bench, 30 * MINUTE);
            if restarted {
                bench.restart();
                assert_eq!(bench.current(), None);
            }
            bench.rules_change(rules.clone());
            assert_eq!(bench.current().as_deref(), Some("theirs"));
            while bench.words().is_empty() || bench.words()[0].starts_with("probe") {
                if !bench.words().is_empty() {
                    bench.alive();
                }
                bench.next_ask(2 * HOUR);
            }
            let left = bench.left();
            assert!(left <= ahead && left + 2 * MINUTE > ahead, "{left} ms left");
            bench.answer("ours", FULL);
            assert_eq!(bench.current().as_deref(), Some("ours"));
        }
    }
}

#[test]
fn rule_10_going_back_into_the_shadow_takes_the_value_down_and_keeps_it_in_mind() {
    let mut bench = Bench::with_token(stable(), "a");
    bench.rules_change(shadow(stable()));
    assert_eq!(bench.current(), None);
    bench.rules_change(stable());
    assert_eq!(bench.current().as_deref(), Some("a"));
    assert!(bench.words().is_empty(), "it lives, so nothing is fetched");
}

#[test]
fn rule_10_a_value_seen_just_before_the_switch_wins_over_the_one_held_until_then() {
    for rules in [stable(), classic()] {
        let mut bench = Bench::new(shadow(rules.clone()));
        seen(&mut bench, "first", 2 * HOUR);
        bench.alive();
        bench.pass(10 * SECOND);
        seen(&mut bench, "second", 2 * HOUR);
        assert_eq!(bench.words(), ["probe second"]);
        bench.rules_change(rules);
        bench.alive();
        assert_eq!(bench.current().as_deref(), Some("second"));
        assert!(bench.words().is_empty(), "and nothing is fetched");
    }
}

#[test]
fn rule_10_what_was_fetched_after_a_value_was_seen_in_use_stays() {
    let mut bench = Bench::new(shadow(classic()));
    seen(&mut bench, "first", 2 * HOUR);
    bench.alive();
    bench.pass(10 * SECOND);
    seen(&mut bench, "second", 2 * HOUR);
    bench.rules_change(classic());
    bench.pass(SECOND);
    bench.nudge(false);
    bench.answer_to("classic", "ours", FULL);
    bench.alive();
    assert_eq!(bench.current().as_deref(), Some("ours"));
}

#[test]
fn rule_10_a_shadow_asks_until_wechat_says_whether_a_value_lives() {
    for rules in [stable(), classic()] {
        let mut bench = Bench::new(shadow(rules));
        seen(&mut bench, "theirs", 2 * HOUR);
        let mut asked = 0;
        let end = bench.now.boot.plus(HOUR);
        while bench.now.boot < end {
            if bench.words().is_empty() {
                assert_eq!(bench.next_ask(2 * MINUTE), "probe theirs");
            }
            bench.busy();
            asked += 1;
        }
        assert!((30..200).contains(&asked), "{asked} probes in an hour");
        bench.next_ask(2 * MINUTE);
        bench.alive();
        assert!(held(&bench));
    }
}

#[test]
fn rule_10_of_two_values_in_use_the_one_that_lives_is_held_whichever_was_seen_first() {
    for [first, second] in [["alive", "dead"], ["dead", "alive"]] {
        let mut bench = Bench::new(shadow(stable()));
        seen(&mut bench, first, 2 * HOUR);
        seen(&mut bench, second, 2 * HOUR);
        while !held(&bench) {
            if bench.words().is_empty() {
                bench.next_ask(MINUTE);
            }
            match bench.words()[0].as_str() {
                "probe alive" => bench.alive(),
                "probe dead" => bench.dead(),
                other => panic!("{other}"),
            }
        }
        bench.rules_change(stable());
        assert_eq!(bench.current().as_deref(), Some("alive"));
    }
}

#[test]
fn rule_10_the_newest_of_two_living_values_is_held() {
    let mut bench = Bench::new(shadow(classic()));
    seen(&mut bench, "first", 2 * HOUR);
    bench.pass(SECOND);
    seen(&mut bench, "second", 2 * HOUR);
    watch(&mut bench, MINUTE);
    bench.rules_change(classic());
    assert_eq!(bench.current().as_deref(), Some("second"));
    assert!(!bench.alarmed(AlarmName::Clash));
}
