//! Rule 2: save, then publish.

use crate::bench::{
    Bench, Disk, FULL, HOUR, MINUTE, SECOND, both, classic, id, stable, with_jsapi,
};
use std::time::Duration;
use wxtoken_core::clock::Wall;
use wxtoken_core::credential::{Kind, Lane, Token};
use wxtoken_core::refresh::alarm::AlarmName;
use wxtoken_core::refresh::event::Event;
use wxtoken_core::source::{Answer, Minted, Reply};
use wxtoken_core::store::StoredToken;

#[test]
fn rule_2_a_note_with_fence_time_deadline_and_count_is_durable_before_a_classic_fetch() {
    let mut bench = Bench::new(classic());
    assert_eq!(bench.words(), ["classic"]);
    let stored = bench.stored.clone().unwrap();
    let note = stored.intents[Lane::Classic.index()].unwrap();
    assert_eq!(Some(note.fence), bench.own);
    assert_eq!(note.sent, bench.now.wall);
    assert_eq!(note.deadline, Wall(bench.now.wall.0 + 20 * SECOND));
    assert_eq!(stored.budgets.counts[0].used(bench.now.wall), 1);
    bench.answer("a", FULL);
    let stored = bench.stored.clone().unwrap();
    assert_eq!(stored.intents, [None, None], "settled with the answer");
}

#[test]
fn rule_2_a_note_is_durable_before_a_force() {
    let mut bench = Bench::with_token(stable(), "a");
    bench.nudge(true);
    assert_eq!(bench.words(), ["forced"]);
    assert!(bench.stored.unwrap().intents[Lane::Stable.index()].is_some());
}

#[test]
fn rule_2_while_the_disk_is_full_no_classic_fetch_is_made_and_that_is_alarmed() {
    let mut bench = Bench::with_token(classic(), "a");
    bench.disk = Disk::Full;
    bench.nudge(false);
    assert!(bench.words().is_empty());
    assert!(bench.is_raised(AlarmName::StoreRefuses));
    for _ in 0..120 {
        bench.pass(MINUTE);
        bench.asked.retain(|asked| asked.words() == "classic");
        assert!(bench.words().is_empty());
    }
    bench.disk = Disk::Good;
    assert_eq!(bench.next_ask(MINUTE), "classic");
    assert!(!bench.is_raised(AlarmName::StoreRefuses));
}

#[test]
fn rule_2_while_the_disk_is_full_stable_is_still_renewed() {
    let mut bench = Bench::with_token(stable(), "a");
    bench.disk = Disk::Full;
    assert_eq!(bench.next_ask(2 * HOUR), "stable");
    bench.answer("b", FULL);
    assert_eq!(bench.current().as_deref(), Some("b"));
}

#[test]
fn rule_2_an_answer_is_saved_before_it_is_published() {
    let mut bench = Bench::new(classic());
    bench.disk = Disk::Slow;
    bench.answer("a", FULL);
    assert_eq!(bench.current(), None);
    assert!(bench.published.is_empty());
    bench.writes_land();
    assert_eq!(bench.current().as_deref(), Some("a"));
    assert_eq!(bench.stored_token(Lane::Classic).as_deref(), Some("a"));
}

#[test]
fn rule_2_a_value_that_cannot_be_saved_is_published_and_alarmed() {
    let mut bench = Bench::new(classic());
    bench.disk = Disk::Full;
    bench.answer("a", FULL);
    assert_eq!(bench.current().as_deref(), Some("a"));
    assert!(bench.is_raised(AlarmName::Unsaved));
}

#[test]
fn rule_2_what_could_not_be_saved_is_saved_as_soon_as_may_be() {
    let mut bench = Bench::new(classic());
    bench.disk = Disk::Full;
    bench.answer("a", FULL);
    bench.pass(10 * SECOND);
    assert_eq!(bench.stored_token(Lane::Classic), None);
    bench.disk = Disk::Good;
    bench.pass(33 * SECOND);
    assert_eq!(bench.stored_token(Lane::Classic).as_deref(), Some("a"));
    assert!(!bench.is_raised(AlarmName::Unsaved));
    assert_eq!(bench.published.len(), 1, "it is not published twice");
}

#[test]
fn rule_2_what_replicas_wait_for_is_saved_within_seconds_however_long_their_store_was_away() {
    let mut bench = Bench::leased(stable());
    bench.hear(Event::LeaseUnavailable);
    bench.answer("a", FULL);
    let (mut quiet, mut asked) = (0, bench.lease_asked);
    for _ in 0..5 * 60 {
        bench.pass(SECOND);
        quiet += 1;
        if bench.lease_asked > asked {
            assert!(bench.lease_asked == asked + 1, "not in a hot loop");
            (quiet, asked) = (0, bench.lease_asked);
            bench.hear(Event::LeaseUnavailable);
        }
        assert!(
            quiet < 9,
            "nobody else has it, and nobody asked for {quiet} s"
        );
    }
    bench.pass(8 * SECOND);
    bench.lease_won(1);
    assert_eq!(bench.stored_token(Lane::Stable).as_deref(), Some("a"));
}

#[test]
fn rule_2_while_a_value_is_unsaved_nothing_is_minted_unless_it_dies() {
    let mut bench = Bench::new(classic());
    bench.disk = Disk::Full;
    bench.answer("a", FULL);
    let before = bench.writes;
    bench.nudge(false);
    bench.pass(MINUTE / 2);
    assert!(bench.words().is_empty());
    assert!(bench.writes - before < 20, "tried, but not in a hot loop");
    bench.reported("a");
    bench.dead();
    bench.disk = Disk::Good;
    bench.pass(40 * SECOND);
    assert_eq!(bench.words(), ["classic"]);
}

#[test]
fn rule_2_an_operators_force_waits_until_what_is_out_is_saved() {
    let mut bench = Bench::new(stable());
    bench.disk = Disk::Full;
    bench.answer("a", FULL);
    bench.nudge(true);
    assert!(bench.words().is_empty(), "{:?}", bench.words());
    bench.disk = Disk::Good;
    assert_eq!(bench.next_ask(MINUTE), "forced");
}

#[test]
fn rule_2_a_late_answer_never_replaces_a_newer_value() {
    let mut bench = Bench::leased(stable());
    bench.lease_won(1);
    bench.pass(SECOND);
    let mut record = bench.stored.clone().unwrap();
    record.lanes[Lane::Stable.index()] = Some(StoredToken {
        token: Token::new("newer").unwrap(),
        id: id("newer"),
        sent: bench.now.wall,
        expires: bench.now.wall.plus(2 * HOUR),
        lifetime: 2 * HOUR,
        dead: false,
        noted: None,
    });
    bench.hear(Event::Learned(Box::new(record)));
    let call = bench.asked.remove(0).call;
    bench.hear(Event::Answered(
        call,
        Answer {
            reply: Reply::Minted(Minted {
                token: Token::new("older").unwrap(),
                id: id("older"),
                expires_in: Duration::from_secs(FULL),
            }),
            upstream_time: None,
        },
    ));
    bench.pass(SECOND);
    assert_eq!(bench.current().as_deref(), Some("newer"));
    assert_eq!(
        bench
            .machine
            .standing(Kind::AccessToken, id("older"), bench.now),
        wxtoken_core::refresh::Standing::Known
    );
}

#[test]
fn rule_2_a_mint_that_another_replicas_value_overtook_does_not_replace_it_though_clocks_differ() {
    let mut bench = Bench::leased(classic());
    bench.lease_won(1);
    bench.pass(25 * SECOND);
    let mut record = bench.stored.clone().unwrap();
    // The other replica's clock is a minute behind ours, but it waited for our note to end, and knows it did.
    let sent = record.intents[0].unwrap().deadline.plus(1);
    record.lanes[0] = Some(StoredToken {
        token: Token::new("theirs").unwrap(),
        id: id("theirs"),
        sent,
        expires: bench.now.wall.plus(2 * HOUR - MINUTE),
        lifetime: 2 * HOUR,
        dead: false,
        noted: None,
    });
    record.intents = [None, None];
    record.saved_at = bench.now.wall.minus(MINUTE);
    bench.hear(Event::Learned(Box::new(record)));
    bench.answer("ours", FULL);
    bench.lease_won(3);
    assert_eq!(bench.current().as_deref(), Some("theirs"));
}

#[test]
fn rule_2_a_value_never_stands_beyond_its_note_so_that_a_successors_is_the_newer_though_clocks_differ()
 {
    let mut first = Bench::leased(classic());
    first.lease_won(1);
    // Its answer is lost; the next replica's clock is three minutes behind, and it goes by the note it finds.
    let mut second = Bench::leased(classic());
    second.wall_steps(-3 * 60_000);
    second.stored = first.stored.clone();
    second.lease_won(2);
    assert_eq!(second.next_ask_leased(2 * MINUTE), "classic");
    let note = second.stored.clone().unwrap().intents[0].unwrap();
    second.answer("a", FULL);
    let value = second.stored.unwrap().lanes[0].clone().unwrap();
    assert!(value.sent <= note.sent, "{:?} and {:?}", value.sent, note);
}

#[test]
fn rule_2_generations_grow_over_lanes_and_restarts_and_clock_steps() {
    let mut bench = Bench::with_token(both(Lane::Stable), "s1");
    bench.answer_to("classic", "c1", FULL);
    let mut last = bench.generation();
    for round in 0..6 {
        bench.pass(30 * SECOND);
        let now = bench.current().unwrap();
        bench.reported(&now);
        bench.dead();
        assert!(
            bench.generation() > last,
            "the standby's value is a new generation"
        );
        last = bench.generation();
        bench.wall_steps(-(HOUR.cast_signed()));
        bench.restart();
        assert!(bench.generation() >= last);
        bench.asked.clear();
        bench.restart();
        let what = bench.next_ask(MINUTE);
        let next = format!("{what}{round}").replace(' ', "-");
        bench.answer(&next, FULL);
        assert!(bench.generation() >= last);
        last = bench.generation();
    }
}

#[test]
fn rule_2_a_ticket_too_is_saved_before_it_is_published() {
    let mut bench = Bench::with_token(with_jsapi(stable()), "a");
    bench.disk = Disk::Slow;
    bench.answer("ticket", FULL);
    assert_eq!(bench.current_of(Kind::JsapiTicket), None);
    bench.writes_land();
    assert_eq!(
        bench.current_of(Kind::JsapiTicket).as_deref(),
        Some("ticket")
    );
}

#[test]
fn rule_2_a_change_of_timings_saves_nothing_and_one_that_changes_the_record_does() {
    let rules = with_jsapi(stable());
    let mut bench = Bench::with_token(rules.clone(), "a");
    bench.answer_to("jsapi", "ticket", FULL);
    let before = bench.writes;
    let mut slower = rules;
    slower.timing.probe_every *= 2;
    bench.rules_change(slower);
    bench.pass(SECOND);
    assert_eq!(bench.writes, before, "a reload tells every app at once");
    bench.rules_change(stable());
    assert_eq!(bench.writes, before + 1, "the ticket is kept no more");
}

/// A machine that fetched `ours` in normal mode while the store was away, and then hears that another replica saved `theirs`,
/// by whatever clock.
fn two_stable_values() -> Bench {
    let mut bench = Bench::leased(stable());
    bench.lease_won(1);
    bench.answer("a", FULL);
    let before = bench.stored.clone().unwrap();
    bench.pass(2 * HOUR - 4 * MINUTE);
    bench.hear(Event::LeaseUnavailable);
    bench.answer("ours", FULL);
    assert_eq!(bench.current().as_deref(), Some("ours"));
    let mut record = before;
    record.saved_at = bench.now.wall;
    let stored = record.lanes[Lane::Stable.index()].as_mut().unwrap();
    stored.token = Token::new("theirs").unwrap();
    stored.id = id("theirs");
    stored.sent = bench.now.wall.plus(SECOND);
    stored.expires = bench.now.wall.plus(2 * HOUR);
    record.handed_out[0].generation.0 = bench.now.wall.0 + SECOND;
    record.handed_out[0].id = Some(id("theirs"));
    bench.stored = Some(record.clone());
    bench.hear(Event::Learned(Box::new(record)));
    bench
}

#[test]
fn rule_2_which_of_two_stable_values_lives_normal_mode_tells_and_meanwhile_ours_stays() {
    let mut bench = two_stable_values();
    let generation = bench.generation();
    assert_eq!(bench.current().as_deref(), Some("ours"));
    bench.pass(6 * SECOND);
    bench.lease_won(2);
    assert_eq!(bench.stored_token(Lane::Stable).as_deref(), Some("theirs"));
    assert_eq!(bench.current().as_deref(), Some("ours"));
    assert_eq!(bench.words(), ["stable"]);
    bench.answer("ours", FULL - 10);
    assert_eq!(bench.current().as_deref(), Some("ours"));
    assert_eq!(bench.stored_token(Lane::Stable).as_deref(), Some("ours"));
    assert!(bench.generation() > generation);
    bench.quiet(MINUTE);
}

#[test]
fn rule_2_a_living_stable_value_is_not_given_up_for_one_that_another_replica_found_dead() {
    let mut bench = two_stable_values();
    let mut record = bench.stored.clone().unwrap();
    record.lanes[Lane::Stable.index()].as_mut().unwrap().dead = true;
    bench.hear(Event::Learned(Box::new(record)));
    assert_eq!(bench.current().as_deref(), Some("ours"));
}

#[test]
fn rule_2_an_older_record_that_is_heard_late_does_not_settle_which_of_two_stable_values_lives() {
    let mut bench = two_stable_values();
    let mut older = bench.stored.clone().unwrap();
    let stored = older.lanes[Lane::Stable.index()].as_mut().unwrap();
    (stored.id, stored.token) = (id("ours"), Token::new("ours").unwrap());
    stored.sent = stored.sent.minus(2 * SECOND);
    bench.hear(Event::Learned(Box::new(older)));
    bench.pass(6 * SECOND);
    bench.lease_won(2);
    assert_eq!(bench.stored_token(Lane::Stable).as_deref(), Some("theirs"));
    assert_eq!(bench.words(), ["stable"]);
}

#[test]
fn rule_2_of_two_stable_values_theirs_is_taken_once_normal_mode_answers_with_it() {
    let mut bench = two_stable_values();
    bench.pass(6 * SECOND);
    bench.lease_won(2);
    bench.answer("theirs", FULL - 10);
    assert_eq!(bench.current().as_deref(), Some("theirs"));
    assert_eq!(bench.stored_token(Lane::Stable).as_deref(), Some("theirs"));
    bench.quiet(MINUTE);
}

#[test]
fn rule_2_a_value_heard_of_while_normal_mode_was_asked_is_not_replaced_by_the_answer_but_asked_after()
 {
    let mut bench = Bench::leased(stable());
    bench.lease_won(1);
    bench.answer("a", FULL);
    let mut record = bench.stored.clone().unwrap();
    bench.pass(2 * HOUR - 4 * MINUTE);
    bench.lease_won(2);
    assert_eq!(bench.words(), ["stable"]);
    let stored = record.lanes[Lane::Stable.index()].as_mut().unwrap();
    stored.token = Token::new("c").unwrap();
    stored.id = id("c");
    stored.sent = bench.now.wall.minus(HOUR); // by another clock
    stored.sent = stored.sent.max(record.saved_at.plus(1));
    stored.expires = bench.now.wall.plus(2 * HOUR);
    record.handed_out[0].generation.0 = bench.now.wall.0;
    record.handed_out[0].id = Some(id("c"));
    bench.stored = Some(record.clone());
    bench.hear(Event::Learned(Box::new(record)));
    assert_eq!(bench.current().as_deref(), Some("c"));
    bench.answer("b", FULL);
    assert_eq!(bench.current().as_deref(), Some("c"));
    assert_eq!(bench.words(), ["stable"]);
    bench.answer("c", FULL);
    assert_eq!(bench.current().as_deref(), Some("c"));
}
