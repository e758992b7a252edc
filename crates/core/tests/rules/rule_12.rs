//! Rule 12: handing over.

use crate::bench::{Bench, FULL, HOUR, MINUTE, SECOND, both, classic, id, stable};
use wxtoken_core::credential::{Kind, Lane, Token};
use wxtoken_core::refresh::Standing;
use wxtoken_core::refresh::event::Event;

fn standing(bench: &Bench, value: &str) -> Standing {
    bench
        .machine
        .standing(Kind::AccessToken, id(value), bench.now)
}

#[test]
fn rule_12_replicas_that_see_another_lane_live_do_not_answer_each_other_for_ever() {
    let mut bench = Bench::leased(both(Lane::Classic));
    bench.lease_won(1);
    bench.answer_to("stable", "s", FULL);
    bench.answer_to("classic", "c", FULL);
    assert_eq!(bench.current().as_deref(), Some("c"));
    bench.pass(SECOND);
    let generation = bench.generation();
    let mut theirs = bench.stored.clone().unwrap();
    theirs.handed_out[0].generation.0 += 1;
    theirs.handed_out[0].id = Some(id("s"));
    theirs.handed_out[0].lane = Some(Lane::Stable);
    let leases = bench.lease_asked;
    bench.hear(Event::Learned(Box::new(theirs)));
    bench.pass(SECOND);
    assert_eq!(bench.current().as_deref(), Some("s"));
    assert_eq!(
        (bench.generation(), bench.lease_asked),
        (generation + 1, leases)
    );
    bench.nudge(false);
    bench.lease_won(2);
    bench.answer_to("classic", "d", FULL);
    assert_eq!(bench.current().as_deref(), Some("d"), "this one is new");
}

#[test]
fn rule_12_a_replaced_value_stays_known_until_long_after_it_surely_died() {
    let mut bench = Bench::with_token(classic(), "a");
    bench.answer_next("b");
    assert_eq!(standing(&bench, "a"), Standing::Known);
    bench.asked.clear();
    bench.pass(HOUR);
    bench.restart();
    assert_eq!(
        standing(&bench, "a"),
        Standing::Known,
        "over a restart, too"
    );
    let ends = bench.stored.as_ref().unwrap().remembered[0].ends;
    assert!(ends <= bench.stored.as_ref().unwrap().saved_at.plus(5 * MINUTE));
}

#[test]
fn rule_12_it_is_remembered_by_hash_only() {
    let mut bench = Bench::with_token(classic(), "a-secret-value");
    bench.answer_next("b");
    let stored = bench.stored.unwrap();
    assert_eq!(stored.remembered.len(), 1);
    assert_eq!(stored.remembered[0].id, id("a-secret-value"));
}

#[test]
fn rule_12_not_more_than_a_few_are_remembered() {
    let mut bench = Bench::with_token(stable(), "v0");
    for round in 1..40 {
        bench.answer_next(&format!("v{round}"));
    }
    assert!(bench.stored.unwrap().remembered.len() <= 8);
}

#[test]
fn rule_12_a_change_is_published_in_the_step_in_which_it_became_durable() {
    let mut bench = Bench::with_token(stable(), "a");
    let before = bench.now.boot;
    bench.nudge(false);
    bench.answer("b", FULL);
    assert_eq!(bench.now.boot, before);
    let last = bench.published.last().cloned();
    assert_eq!(last, Some((Kind::AccessToken, Some("b".to_owned()))));
}

#[test]
fn rule_12_another_replicas_value_is_handed_out_even_if_it_ends_at_the_very_moment_of_the_one_before()
 {
    let mut bench = Bench::leased(stable());
    bench.lease_won(1);
    bench.answer("a", FULL);
    let mut record = bench.stored.clone().unwrap();
    let stored = record.lanes[Lane::Stable.index()].as_mut().unwrap();
    stored.token = Token::new("b").unwrap();
    stored.id = id("b");
    stored.sent = stored.sent.plus(1);
    record.handed_out[0].generation.0 += 1;
    record.handed_out[0].id = Some(id("b"));
    let (ends, generation) = (bench.left(), bench.generation());
    bench.hear(Event::Learned(Box::new(record)));
    assert_eq!(bench.current().as_deref(), Some("b"));
    assert_eq!((bench.left(), bench.generation()), (ends, generation + 1));
}
