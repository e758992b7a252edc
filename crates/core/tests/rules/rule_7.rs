//! Rule 7: WeChat refuses, and a person must act.

use crate::bench::{Bench, DAY, FULL, HOUR, MINUTE, SECOND, both, classic, stable};
use wxtoken_core::credential::Lane;
use wxtoken_core::refresh::alarm::{Alarm, AlarmName};
use wxtoken_core::source::Trouble;

/// How long it takes until the lane is asked again.
fn wait_after(code: i64) -> u64 {
    let mut bench = Bench::new(stable());
    bench.fail(Trouble::Refused(code));
    let before = bench.now.boot;
    bench.next_ask(2 * DAY);
    bench.now.boot.since(before)
}

#[test]
fn rule_7_a_refusal_is_alarmed_by_its_number_and_the_value_is_served_until_it_ends() {
    let mut bench = Bench::with_token(stable(), "a");
    bench.next_ask(2 * HOUR);
    bench.fail(Trouble::Refused(40164));
    let said = bench.alarms.iter().any(|alarm| {
        matches!(
            alarm,
            Alarm::Refused {
                errcode: 40164,
                lane: Some(Lane::Stable),
                ..
            }
        )
    });
    assert!(said, "{:?}", bench.alarms);
    assert_eq!(bench.current().as_deref(), Some("a"));
    bench.pass(5 * MINUTE);
    assert_eq!(bench.current(), None);
}

#[test]
fn rule_7_retries_come_after_one_to_five_minutes() {
    for code in [
        40013, 40125, 40164, 40243, 41002, 50004, 61024, 89503, 12345,
    ] {
        let wait = wait_after(code);
        assert!((50 * SECOND..=MINUTE).contains(&wait), "{code}: {wait}");
    }
    let mut bench = Bench::new(stable());
    for _ in 0..6 {
        bench.fail(Trouble::Refused(40164));
        let before = bench.now.boot;
        bench.next_ask(HOUR);
        assert!(bench.now.boot.since(before) <= 5 * MINUTE);
    }
}

#[test]
fn rule_7_a_refused_address_waits_as_long_as_wechat_locks_it() {
    assert_eq!(wait_after(89507), HOUR);
    assert_eq!(wait_after(89506), DAY);
}

#[test]
fn rule_7_a_config_change_or_a_refresh_tries_at_once() {
    let mut bench = Bench::new(stable());
    bench.fail(Trouble::Refused(40125));
    bench.rules_change(stable());
    assert_eq!(bench.words(), ["stable"]);
    bench.fail(Trouble::Refused(40125));
    bench.nudge(false);
    assert_eq!(bench.words(), ["stable"]);
    bench.answer("a", FULL);
    assert!(!bench.is_raised(AlarmName::Refused));
}

#[test]
fn rule_7_a_used_up_quota_goes_to_the_other_lane() {
    let mut bench = Bench::with_token(both(Lane::Classic), "c");
    bench.answer_to("stable", "s", FULL);
    bench.pass(30 * SECOND);
    bench.reported("c");
    bench.dead();
    assert_eq!(bench.current().as_deref(), Some("s"));
    assert_eq!(bench.words(), ["classic"]);
    bench.fail(Trouble::QuotaUsedUp);
    assert!(bench.is_raised(AlarmName::QuotaUsedUp));
    bench.quiet(50 * SECOND);
    assert_eq!(bench.current().as_deref(), Some("s"));
}

#[test]
fn rule_7_a_used_up_quota_is_tried_hourly() {
    let mut bench = Bench::new(classic());
    bench.fail(Trouble::QuotaUsedUp);
    bench.quiet(50 * MINUTE);
    assert_eq!(bench.next_ask(12 * MINUTE), "classic");
}

#[test]
fn rule_7_no_more_forced_refreshes_is_no_reason_to_leave_normal_mode_alone() {
    let mut bench = Bench::with_token(stable(), "a");
    bench.pass(MINUTE);
    bench.reported("a");
    bench.dead();
    bench.answer("a", 7000);
    assert_eq!(bench.words(), ["forced"]);
    bench.fail(Trouble::QuotaUsedUp);
    let asked = bench.next_ask(20 * SECOND);
    assert_eq!(asked, "stable");
    bench.answer("b", FULL);
    assert_eq!(bench.current().as_deref(), Some("b"));
}
