//! Rule 1, where it could not be kept: a note was lost, or a process stood still, and two calls may have minted at once. WeChat
//! keeps the value it minted last, and only one more fetch tells which that is. Each of these was found by `crates/model`.

use crate::bench::{Bench, Disk, FULL, MINUTE, SECOND, classic, id};
use wxtoken_core::clock::Wall;
use wxtoken_core::credential::{Generation, Kind, Lane, Token};
use wxtoken_core::refresh::event::Event;
use wxtoken_core::source::{Passing, Trouble};
use wxtoken_core::store::{HandedOut, Record, StoredToken};

/// A holder whose call is under way; and when its note says that it has ended.
fn asking() -> (Bench, Wall) {
    let mut bench = Bench::leased(classic());
    bench.lease_won(1);
    assert_eq!(bench.words(), ["classic"]);
    let note = bench.stored.as_ref().unwrap().intents[0].unwrap();
    (bench, note.deadline)
}

/// What another has saved that asked for this value then.
fn saved_by_another(value: &str, sent: Wall) -> Record {
    let mut record = Record {
        saved_at: sent,
        ..Record::default()
    };
    record.lanes[0] = Some(StoredToken {
        token: Token::new(value).unwrap(),
        id: id(value),
        sent,
        expires: sent.plus(FULL * SECOND),
        lifetime: FULL * SECOND,
        dead: false,
        noted: None,
    });
    record.handed_out[Kind::AccessToken.index()] = HandedOut {
        generation: Generation(sent.0),
        id: Some(id(value)),
        lane: Some(Lane::Classic),
    };
    record
}

/// Its save is refused, for another has saved this.
fn refused(bench: &mut Bench, record: Record) {
    bench.stored = Some(record);
    bench.writes_are_stale();
}

#[test]
fn rule_1_a_value_minted_beside_ours_is_settled_by_one_fetch_though_it_stands_after_ours() {
    let (mut bench, _) = asking();
    bench.disk = Disk::Slow;
    bench.pass(SECOND);
    let meanwhile = bench.now.wall;
    bench.answer("ours", FULL);
    refused(&mut bench, saved_by_another("theirs", meanwhile));
    assert_eq!(bench.late_mints.len(), 1, "all are told");
    bench.disk = Disk::Good;
    bench.lease_won(2);
    assert_eq!(bench.words(), ["classic"]);
    bench.answer("settled", FULL);
    assert_eq!(bench.current().as_deref(), Some("settled"));
    bench.pass(MINUTE / 2);
    assert!(!bench.words().contains(&"classic".to_owned()), "one does");
}

#[test]
fn rule_1_a_value_asked_for_after_our_notes_deadline_needs_no_settling() {
    let (mut bench, deadline) = asking();
    bench.disk = Disk::Slow;
    bench.pass(SECOND);
    bench.answer("ours", FULL);
    refused(&mut bench, saved_by_another("theirs", deadline.plus(1)));
    assert!(bench.late_mints.is_empty());
    assert_eq!(bench.current().as_deref(), Some("theirs"));
}

#[test]
fn rule_1_an_answer_that_finds_anothers_value_is_told_of() {
    let (mut bench, _) = asking();
    bench.pass(SECOND);
    let theirs = saved_by_another("theirs", bench.now.wall);
    bench.hear(Event::Learned(Box::new(theirs)));
    assert!(bench.late_mints.is_empty(), "nothing was minted yet");
    bench.answer("ours", FULL);
    assert_eq!(bench.late_mints.len(), 1);
}

#[test]
fn rule_1_a_value_of_another_that_stands_before_ours_is_told_of_too() {
    let (mut bench, _) = asking();
    let before = Wall(bench.now.wall.0 - SECOND);
    bench.disk = Disk::Full;
    bench.pass(SECOND);
    bench.answer("ours", FULL);
    bench.hear(Event::Learned(Box::new(saved_by_another("theirs", before))));
    assert_eq!(bench.late_mints.len(), 1);
}

#[test]
fn rule_1_an_answer_after_its_notes_deadline_is_told_of() {
    let (mut bench, _) = asking();
    bench.pass(21 * SECOND); // it stood still, perhaps before the call left; and has the lease for nine seconds more
    bench.answer("ours", FULL);
    assert_eq!(bench.late_mints.len(), 1);
}

#[test]
fn rule_1_a_lost_answer_and_anothers_value_of_the_same_time_are_told_of() {
    let (mut bench, _) = asking();
    bench.pass(SECOND);
    let meanwhile = bench.now.wall;
    bench.fail(Trouble::Passing(Passing::Cut));
    assert!(bench.late_mints.is_empty(), "its note stands for it");
    bench.hear(Event::Learned(Box::new(saved_by_another(
        "theirs", meanwhile,
    ))));
    assert_eq!(bench.late_mints.len(), 1);
}

#[test]
fn rule_1_a_note_in_anothers_place_that_came_to_nothing_leaves_the_other_open() {
    let (bench, deadline) = asking();
    let mut next = Bench::leased(classic());
    next.stored = bench.stored.clone();
    next.pass(SECOND);
    next.lease_won(2);
    assert_eq!(next.next_ask_leased(MINUTE), "classic");
    let own = next.stored.as_ref().unwrap().intents[0].unwrap();
    assert!(own.sent > deadline, "one note has room, and this is newer");
    next.fail(Trouble::Passing(Passing::Busy)); // it has not minted
    let open = next.stored.as_ref().unwrap().intents[0];
    assert_eq!(open, bench.stored.as_ref().unwrap().intents[0]);
}

#[test]
fn rule_1_what_was_told_once_is_not_told_at_every_reading() {
    let (mut bench, _) = asking();
    bench.disk = Disk::Full;
    bench.pass(SECOND);
    bench.answer("ours", FULL);
    // Before ours, and by a clock that is ahead.
    for theirs in [
        Wall(bench.now.wall.0 - SECOND),
        bench.now.wall.plus(5 * SECOND),
    ] {
        let record = saved_by_another("theirs", theirs);
        for _ in 0..3 {
            bench.hear(Event::Learned(Box::new(record.clone())));
        }
        assert_eq!(bench.late_mints.len(), 1, "{theirs:?}");
    }
}

#[test]
fn rule_1_a_late_mint_told_of_before_ours_does_not_speak_for_it() {
    let (mut bench, _) = asking();
    bench.disk = Disk::Slow;
    bench.pass(SECOND);
    let mut theirs = saved_by_another("theirs", bench.now.wall);
    bench.pass(SECOND);
    theirs.late_mint = Some(bench.now.wall);
    bench.answer("ours", FULL);
    refused(&mut bench, theirs);
    assert_eq!(bench.late_mints.len(), 1);
}

/// Who took over from a holder whose call is under way, and waits; and the holder.
fn waiting_for_another() -> (Bench, Bench) {
    let (mut bench, _) = asking();
    let mut next = Bench::leased(classic());
    next.stored = bench.stored.clone();
    for each in [&mut bench, &mut next] {
        each.pass(SECOND);
    }
    next.lease_won(2);
    assert!(next.words().is_empty(), "the other call is under way");
    (bench, next)
}

#[test]
fn rule_1_what_came_of_a_note_that_is_waited_for_needs_no_settling() {
    let (mut bench, mut next) = waiting_for_another();
    bench.answer("theirs", FULL);
    next.hear(Event::Learned(Box::new(bench.stored.clone().unwrap())));
    assert_eq!(next.current().as_deref(), Some("theirs"));
    assert!(next.late_mints.is_empty());
    next.quiet(MINUTE / 2);
}

#[test]
fn rule_1_what_came_of_it_and_was_saved_late_is_settled_by_one_fetch() {
    let (mut bench, mut next) = waiting_for_another();
    bench.disk = Disk::Slow;
    bench.answer("theirs", FULL);
    bench.disk = Disk::Good;
    refused(&mut bench, next.stored.clone().unwrap());
    assert_eq!(
        bench.late_mints.len(),
        1,
        "it does not know what came meanwhile"
    );
    bench.lease_won(3);
    assert_eq!(bench.words(), ["classic"]);
    next.hear(Event::Learned(Box::new(bench.stored.clone().unwrap())));
    assert_eq!(next.current().as_deref(), Some("theirs"));
    assert!(next.late_mints.is_empty(), "all know that already");
}

#[test]
fn rule_1_a_value_beside_a_note_that_is_waited_for_is_told_of() {
    let (_, mut next) = waiting_for_another();
    let record = saved_by_another("theirs", next.now.wall);
    next.hear(Event::Learned(Box::new(record)));
    assert_eq!(next.late_mints.len(), 1);
}

#[test]
fn rule_1_what_came_of_the_next_note_under_the_same_lease_says_nothing_of_the_one_before() {
    let (bench, mut next) = waiting_for_another();
    let mut record = saved_by_another("theirs", next.now.wall);
    let mut note = bench.stored.as_ref().unwrap().intents[0].unwrap();
    note.sent = next.now.wall;
    record.lanes[0].as_mut().unwrap().noted = Some(note);
    next.hear(Event::Learned(Box::new(record)));
    assert_eq!(next.late_mints.len(), 1);
}
