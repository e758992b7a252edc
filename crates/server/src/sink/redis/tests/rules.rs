//! When an entry is written, looked at, reported and put back; time is moved by hand and Redis is what the test says.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use wxtoken_core::app::AppId;
use wxtoken_core::clock::{Boot, Now, Wall};
use wxtoken_core::credential::{Credential, CredentialKey, Generation, Kind, Lane, Token, ValueId};
use wxtoken_core::refresh::verdict::{Theirs, Verdict};

use super::super::judge::Acquaintance;
use super::super::kept::{Heard, Looking, Sink, Strange, Then, Truth, Writing};
use super::super::room::Room;
use crate::redis::Trouble;
use crate::sdk::{Body, Content, Format, Found, Module, Place, Spec, Ttl};

const LIFE: u64 = 7_200_000;

fn id_of(token: &str) -> ValueId {
    ValueId(token.bytes().fold(7, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u64::from(byte))
    }))
}

/// What the keeper would say.
#[derive(Default)]
struct Says {
    current: Mutex<HashMap<CredentialKey, Arc<Credential>>>,
    ours: Mutex<Vec<ValueId>>,
}

impl Truth for Says {
    fn current(&self, key: &CredentialKey) -> Option<Arc<Credential>> {
        self.current.lock().unwrap().get(key).cloned()
    }
    fn acquaintance(&self, _: CredentialKey) -> Box<dyn Acquaintance + '_> {
        Box::new(Ours(self))
    }
}

struct Ours<'s>(&'s Says);

impl Acquaintance for Ours<'_> {
    fn id_of(&self, token: &Token) -> ValueId {
        id_of(token.expose())
    }
    fn is_ours(&self, id: ValueId) -> bool {
        self.0.ours.lock().unwrap().contains(&id)
    }
}

/// One Redis, as a map, and a room of sinks there.
struct Story {
    room: Room,
    says: Says,
    now: Now,
    redis: HashMap<Vec<u8>, (String, Boot)>,
    /// Every writing, as key and token.
    written: Vec<(Boot, String)>,
    then: Vec<Then>,
}

fn app(number: usize) -> AppId {
    format!("wx{number:016}").parse().unwrap()
}

fn key(number: usize) -> CredentialKey {
    CredentialKey {
        app: app(number),
        kind: Kind::AccessToken,
    }
}

fn sink(number: usize) -> Sink {
    let spec = Spec::new(
        Format::WxjavaMp,
        app(number),
        Module::Official,
        Kind::AccessToken,
    );
    Sink {
        key: key(number),
        place: Place::new(&spec).unwrap(),
    }
}

fn redis_key(number: usize) -> Vec<u8> {
    format!("wx:access_token:{}", app(number)).into_bytes()
}

impl Story {
    fn of(sinks: usize) -> Self {
        let now = Now {
            wall: Wall(1_795_000_000_000),
            boot: Boot(10_000_000),
        };
        let mut room = Room::new(now.boot);
        room.configure((1..=sinks).map(sink).collect(), now.boot);
        room.connected(now.boot);
        Self {
            room,
            says: Says::default(),
            now,
            redis: HashMap::new(),
            written: Vec::new(),
            then: Vec::new(),
        }
    }

    /// A room whose only sink holds "first", quietly.
    fn settled() -> Self {
        let mut story = Self::of(1);
        story.publish(1, "first", 0);
        story.run(1_000);
        assert_eq!(story.tokens(), ["first"]);
        story.written.clear();
        story.then.clear();
        story
    }

    /// The keeper hands out a value that was asked for so long ago.
    fn publish(&mut self, number: usize, token: &str, age: u64) {
        self.publish_as(number, token, age, |_| ());
    }

    fn publish_as(
        &mut self,
        number: usize,
        token: &str,
        age: u64,
        change: impl Fn(&mut Credential),
    ) {
        let sent = self.now.boot.minus(age);
        let mut value = Credential {
            kind: Kind::AccessToken,
            lane: Some(Lane::Stable),
            token: Token::new(token).unwrap(),
            id: id_of(token),
            generation: Generation(sent.0),
            sent,
            expires: sent.plus(LIFE),
            adopted: false,
        };
        change(&mut value);
        let mut current = self.says.current.lock().unwrap();
        if let Some(old) = current.insert(key(number), Arc::new(value)) {
            self.says.ours.lock().unwrap().push(old.id);
        }
        drop(current);
        self.room
            .changed(app(number), Kind::AccessToken, &self.says, self.now.boot);
    }

    fn is_found_alive(&mut self) {
        let then = self.room.put_back(&key(1), self.now.boot);
        self.then.extend(then);
    }

    /// Somebody else writes.
    fn intrude(&mut self, token: &str) {
        let end = self.now.boot.plus(LIFE);
        self.redis.insert(redis_key(1), (token.to_owned(), end));
        self.room.touched(&redis_key(1), self.now.boot);
    }

    fn delete(&mut self, number: usize) {
        self.redis.remove(&redis_key(number));
        self.room.touched(&redis_key(number), self.now.boot);
    }

    /// Lets time pass, and does what is due meanwhile.
    fn run(&mut self, millis: u64) {
        let until = self.now.boot.plus(millis);
        loop {
            while self.write() || self.look() {}
            let wake = self.room.wake();
            assert!(wake > self.now.boot, "it would spin");
            let next = wake.min(until);
            let passed = next.since(self.now.boot);
            self.now.boot = next;
            self.now.wall = self.now.wall.plus(passed);
            if next == until {
                return;
            }
        }
    }

    fn write(&mut self) -> bool {
        let writings = self.room.writings(&self.says, self.now);
        for writing in &writings {
            for entry in &writing.entries {
                let Body::Text(text) = &entry.body else {
                    panic!("texts alone");
                };
                let token = String::from_utf8(text.expose().to_vec()).unwrap();
                assert!(!token.is_empty());
                let end = self.now.boot.plus(entry.ttl.expect("it has a TTL").get());
                self.written.push((self.now.boot, token.clone()));
                self.redis
                    .insert(entry.key.as_bytes().to_vec(), (token, end));
            }
            let then = self.room.wrote(writing, Ok(()), self.now.boot);
            self.then.extend(then);
        }
        !writings.is_empty()
    }

    fn look(&mut self) -> bool {
        let lookings = self.room.lookings(&self.says, self.now);
        let any = !lookings.is_empty();
        let seen = lookings
            .into_iter()
            .map(|look| (self.lies_at(&look), look))
            .map(|(found, look)| (look, vec![found]))
            .collect();
        let then = self.room.looked(seen, &self.says, self.now);
        self.then.extend(then);
        any
    }

    fn lies_at(&self, look: &Looking) -> Found {
        let found = self.redis.get(look.sink.place.keys()[0].as_bytes());
        match found.filter(|(_, end)| *end > self.now.boot) {
            Some((token, end)) => Found::Text(
                Content::new(token.as_bytes()),
                Ttl::Left(end.since(self.now.boot)),
            ),
            None => Found::Absent,
        }
    }

    fn tokens(&self) -> Vec<&str> {
        self.written
            .iter()
            .map(|(_, token)| token.as_str())
            .collect()
    }

    fn reports(&self) -> usize {
        let report = |then: &&Then| matches!(then, Then::Report(..));
        self.then.iter().filter(report).count()
    }

    fn told(&self) -> Vec<Strange> {
        let told = |then: &Then| match then {
            Then::Tell(_, what, _) => Some(*what),
            _ => None,
        };
        self.then.iter().filter_map(told).collect()
    }

    fn answered(&mut self, verdict: Verdict) {
        self.heard(Heard::OfOurs(Some(verdict)));
    }

    fn heard(&mut self, heard: Heard) {
        let report = self.then.iter().rev().find_map(|then| match then {
            Then::Report(sink, value) | Then::Meet(sink, value, _) => {
                Some((Arc::clone(sink), value.id))
            }
            _ => None,
        });
        let (sink, about) = report.expect("it was reported");
        let then = self
            .room
            .answered(&sink, about, heard, &self.says, self.now.boot);
        self.then.extend(then);
    }

    fn asked_about_theirs(&self) -> usize {
        let meet = |then: &&Then| matches!(then, Then::Meet(..));
        self.then.iter().filter(meet).count()
    }

    /// A room whose only sink holds a classic "first", quietly.
    fn classic() -> Self {
        let mut story = Self::of(1);
        story.publish_as(1, "first", 0, |value| value.lane = Some(Lane::Classic));
        story.run(1_000);
        story.written.clear();
        story
    }

    fn lies_there(&self) -> &str {
        self.redis.get(&redis_key(1)).map_or("", |(token, _)| token)
    }
}

#[test]
fn a_new_value_is_written_at_once_and_without_a_look() {
    let mut story = Story::settled();
    story.publish(1, "second", 0);
    assert!(story.write());
    assert_eq!(story.tokens(), ["second"]);
}

#[test]
fn an_entry_lives_exactly_as_long_as_its_value() {
    let mut story = Story::of(1);
    story.publish(1, "first", 1_000_000);
    story.run(0);
    let (_, end) = story.redis[&redis_key(1)].clone();
    assert_eq!(end, story.now.boot.minus(1_000_000).plus(LIFE));
}

#[test]
fn an_end_that_moves_is_written_again() {
    let mut story = Story::settled();
    story.run(3_000_000);
    story.publish(1, "first", 0);
    story.run(0);
    assert_eq!(story.tokens(), ["first"]);
    assert_eq!(story.redis[&redis_key(1)].1, story.now.boot.plus(LIFE));
    assert_eq!(story.reports(), 0);
}

#[test]
fn a_value_from_the_store_does_not_overwrite_what_others_wrote_meanwhile() {
    let mut story = Story::of(1);
    story.intrude("theirs");
    story.publish(1, "old", 1_000_000);
    story.run(1_000);
    assert_eq!((story.lies_there(), story.reports()), ("theirs", 1));
    // It was dead, and is replaced.
    story.publish(1, "new", 0);
    story.run(0);
    assert_eq!(story.lies_there(), "new");
}

#[test]
fn a_value_from_the_store_that_lies_there_already_is_left_as_it_is() {
    let mut story = Story::of(1);
    let end = story.now.boot.minus(1_000_000).plus(LIFE);
    story.redis.insert(redis_key(1), ("old".to_owned(), end));
    story.publish(1, "old", 1_000_000);
    story.run(60_000);
    assert!(story.written.is_empty() && story.then.is_empty());
}

#[test]
fn a_deleted_entry_is_evidence_within_a_second_and_goes_back_once_ours_is_found_alive() {
    let mut story = Story::settled();
    story.delete(1);
    story.run(999);
    assert_eq!((story.reports(), story.told()), (1, vec![Strange::Missing]));
    assert!(story.written.is_empty(), "not before it is known to live");
    story.is_found_alive();
    story.answered(Verdict::Alive);
    story.run(0);
    assert_eq!(story.tokens(), ["first"]);
    assert!(matches!(story.then.last(), Some(Then::Restored(_))));
}

#[test]
fn without_events_a_deleted_entry_is_evidence_within_five_seconds() {
    let mut story = Story::settled();
    story.redis.clear();
    story.run(5_000);
    assert_eq!(story.reports(), 1);
}

#[test]
fn a_foreign_value_stays_until_ours_is_found_alive_or_replaced() {
    let mut story = Story::settled();
    story.intrude("theirs");
    story.run(999);
    let foreign = Strange::Foreign(id_of("theirs"));
    assert_eq!((story.reports(), story.told()), (1, vec![foreign]));
    story.answered(Verdict::Pending);
    story.run(30_000);
    assert_eq!(story.lies_there(), "theirs");
    assert!(
        story.reports() > 1,
        "without an answer it is reported again"
    );
    assert_eq!(story.told().len(), 1, "and told once");
    story.publish(1, "second", 0);
    story.run(0);
    assert_eq!(story.tokens(), ["second"]);
}

#[test]
fn on_the_classic_lane_a_living_value_of_anothers_stays_until_ours_is_another() {
    let mut story = Story::classic();
    story.intrude("theirs");
    story.run(999);
    assert_eq!((story.reports(), story.asked_about_theirs()), (0, 1));
    story.heard(Heard::OfTheirs(Theirs::Lives));
    // Ours still lives, for some minutes: another sink's report, or an end that moves, does not bring it back.
    story.is_found_alive();
    story.publish_as(1, "first", 1_000, |value| value.lane = Some(Lane::Classic));
    story.run(30_000);
    assert_eq!((story.lies_there(), story.tokens()), ("theirs", vec![]));
    assert_eq!(
        story.asked_about_theirs(),
        1,
        "nobody is asked again so soon"
    );
    story.run(60_000);
    assert_eq!(story.asked_about_theirs(), 2, "but it may die");
    story.publish(1, "second", 0);
    story.run(0);
    assert_eq!(story.lies_there(), "second");
}

#[test]
fn on_the_classic_lane_ours_goes_back_over_a_dead_value_once_it_is_found_alive() {
    let mut story = Story::classic();
    story.intrude("theirs");
    story.run(999);
    story.heard(Heard::OfTheirs(Theirs::Unclear));
    story.run(10_000);
    assert_eq!(
        (story.lies_there(), story.asked_about_theirs()),
        ("theirs", 2)
    );
    story.heard(Heard::OfOurs(Some(Verdict::Alive)));
    story.run(0);
    assert_eq!(story.lies_there(), "first");
}

#[test]
fn a_value_that_was_taken_over_does_not_overwrite_what_others_wrote_since() {
    let mut story = Story::of(1);
    story.intrude("newer");
    story.publish_as(1, "adopted", 0, |value| value.adopted = true);
    story.run(1_000);
    assert_eq!(
        (story.lies_there(), story.asked_about_theirs()),
        ("newer", 1)
    );
    // It lives, and is taken over in its turn.
    story.publish_as(1, "newer", 0, |value| value.adopted = true);
    story.heard(Heard::OfOurs(Some(Verdict::Replaced)));
    story.run(10_000);
    assert!(story.written.is_empty());
}

#[test]
fn a_value_that_was_taken_over_is_written_where_nothing_lies() {
    let mut story = Story::of(1);
    story.publish_as(1, "adopted", 0, |value| value.adopted = true);
    story.run(100);
    assert_eq!(story.tokens(), ["adopted"]);
}

#[test]
fn a_value_of_our_own_that_is_not_the_current_one_is_put_right_without_a_word() {
    let mut story = Story::settled();
    story.publish(1, "second", 0);
    story.run(10);
    // A slow writer, or another replica that has not heard yet.
    story.intrude("first");
    story.run(500);
    assert_eq!(story.tokens(), ["second", "second"]);
    assert!(story.then.is_empty());
}

#[test]
fn a_value_another_replica_wrote_before_we_heard_of_it_is_not_foreign() {
    let mut story = Story::settled();
    story.intrude("second");
    story.run(200);
    story.publish(1, "second", 0);
    story.run(10_000);
    assert_eq!(story.reports(), 0);
    assert!(story.told().is_empty());
    assert_eq!(story.lies_there(), "second");
}

#[test]
fn an_entry_without_a_token_is_written_at_once_and_is_evidence_too() {
    let mut story = Story::settled();
    story.intrude("");
    story.run(100);
    assert_eq!(story.tokens(), ["first"]);
    assert_eq!(
        (story.reports(), story.told()),
        (1, vec![Strange::Unusable])
    );
}

#[test]
fn what_cannot_be_read_may_be_a_value_in_another_form_and_stays_until_ours_is_found_alive() {
    let mut story = Story::settled();
    story.intrude("no token has blanks");
    story.run(10_000);
    assert!(story.written.is_empty());
    assert_eq!(
        (story.reports(), story.told()),
        (1, vec![Strange::Unreadable])
    );
    story.answered(Verdict::Alive);
    story.run(0);
    assert_eq!(story.tokens(), ["first"]);
}

#[test]
fn a_change_is_over_when_another_replica_has_put_it_right() {
    let mut story = Story::settled();
    story.intrude("theirs");
    story.run(999);
    let end = story.now.boot.minus(2_000).plus(LIFE);
    story.redis.insert(redis_key(1), ("first".to_owned(), end));
    story.run(5_000);
    assert!(matches!(story.then.last(), Some(Then::Restored(_))));
    let many = story.then.len();
    story.run(60_000);
    assert_eq!(story.then.len(), many, "and that is told once");
}

#[test]
fn a_war_is_over_when_an_entry_was_left_in_peace_for_ten_minutes() {
    let mut story = Story::settled();
    for _ in 0..5 {
        story.intrude("");
        story.run(10_000);
    }
    let contended = |then: &Then| matches!(then, Then::Contended(_));
    assert!(story.then.iter().any(contended));
    let calm = |then: &Then| matches!(then, Then::Calm(_));
    story.run(590_000);
    assert!(!story.then.iter().any(calm));
    story.run(20_000);
    assert_eq!(story.then.iter().filter(|then| calm(then)).count(), 1);
}

#[test]
fn our_own_value_with_another_end_is_put_right_and_nobody_is_accused() {
    let mut story = Story::settled();
    for _ in 0..20 {
        // Without an end that is ours: somebody took it from us.
        let far = story.now.boot.plus(2 * LIFE);
        story.redis.insert(redis_key(1), ("first".to_owned(), far));
        story.run(5_000);
    }
    assert!(story.then.is_empty());
    assert!(
        (3..20).contains(&story.written.len()),
        "{}",
        story.written.len()
    );
}

#[test]
fn an_entry_that_could_not_be_read_is_told_to_be_well_again() {
    let mut story = Story::of(2);
    for number in 1..=2 {
        story.publish(number, "first", 0);
    }
    story.run(1_000);
    let looking = Looking {
        sink: Arc::clone(&story.room.kept[0].sink),
        value: story.says.current(&key(1)).unwrap(),
    };
    let then = story
        .room
        .unseen(vec![(looking, Trouble::NotAllowed)], story.now.boot);
    assert!(matches!(then[..], [Then::Failed(..)]));
    story.run(5_000);
    assert!(matches!(story.then[..], [Then::Well(_)]));
}

#[test]
fn there_is_no_war_with_a_program_that_keeps_overwriting() {
    let mut story = Story::settled();
    for round in 0..3_600 {
        story.intrude(&format!("theirs{}", round / 2));
        story.run(500);
        if story.lies_there() != "first" {
            story.is_found_alive();
        }
        story.run(500);
    }
    assert!(
        (10..100).contains(&story.written.len()),
        "{}",
        story.written.len()
    );
    let contended = |then: &&Then| matches!(then, Then::Contended(_));
    assert_eq!(story.then.iter().filter(contended).count(), 1);
}

#[test]
fn a_redis_that_was_emptied_is_filled_at_once_and_says_nothing_of_our_values() {
    // The fourth has no value.
    let mut story = Story::of(4);
    for number in 1..=3 {
        story.publish(number, "same", 0);
    }
    story.run(1_000);
    story.written.clear();
    story.redis.clear();
    story.run(5_000);
    assert_eq!((story.written.len(), story.reports()), (3, 0));
    assert!(matches!(story.then[..], [Then::Emptied(3)]));
}

#[test]
fn a_redis_that_was_emptied_is_noticed_with_any_number_of_sinks() {
    for many in [3, 499, 500, 501, 1_200] {
        let mut story = Story::of(many);
        for number in 1..=many {
            story.publish(number, "same", 0);
        }
        story.run(1_000);
        story.written.clear();
        // One that was met has no value now.
        story.says.current.lock().unwrap().remove(&key(many));
        let left = many - 1;
        story.redis.clear();
        story.run(5_000);
        assert_eq!((story.written.len(), story.reports()), (left, 0), "{many}");
    }
}

#[test]
fn where_some_entries_are_there_the_missing_ones_were_taken_away() {
    let mut story = Story::of(1_200);
    for number in 1..=1_200 {
        story.publish(number, "same", 0);
    }
    story.run(1_000);
    for number in 1..1_200 {
        story.redis.remove(&redis_key(number));
    }
    story.run(5_000);
    assert_eq!(story.reports(), 1_199);
}

#[test]
fn a_redis_that_comes_back_empty_is_filled_at_once_and_says_nothing_of_our_values() {
    let mut story = Story::settled();
    story.redis.clear();
    story.room.connected(story.now.boot);
    story.run(0);
    assert_eq!((story.tokens(), story.reports()), (vec!["first"], 0));
}

#[test]
fn while_redis_is_away_the_newest_value_waits_and_is_written_as_soon_as_it_is_back() {
    let mut story = Story::settled();
    let away = || Err(Trouble::Loading);
    for token in ["second", "third"] {
        story.publish(1, token, 0);
        let now = story.now;
        let writings: Vec<Writing> = story.room.writings(&story.says, now);
        assert_eq!(writings.len(), 1);
        assert!(story.room.wrote(&writings[0], away(), now.boot).is_empty());
        assert!(story.room.writings(&story.says, now).is_empty());
        story.now.boot = story.room.wake();
        assert!((1..2_000).contains(&story.now.boot.since(now.boot)));
    }
    story.run(0);
    assert_eq!(story.tokens(), ["third"]);
}

#[test]
fn an_entry_we_may_not_write_is_told_once_and_holds_up_no_other() {
    let mut story = Story::of(2);
    for number in 1..=2 {
        story.publish(number, "first", 0);
    }
    for round in 0..3 {
        let writings = story.room.writings(&story.says, story.now);
        for writing in &writings {
            let refused = writing.sink.key == key(1);
            let outcome = if refused {
                Err(Trouble::NotAllowed)
            } else {
                Ok(())
            };
            let then = story.room.wrote(writing, outcome, story.now.boot);
            assert_eq!(!then.is_empty(), refused && round == 0);
        }
        assert_eq!(writings.len(), if round == 0 { 2 } else { 1 });
        story.now.boot = story.now.boot.plus(60_000);
    }
}

#[test]
fn a_sink_that_stays_goes_on_and_one_that_leaves_leaves_its_entry() {
    let mut story = Story::settled();
    story.room.configure(vec![sink(1), sink(2)], story.now.boot);
    story.publish(2, "other", 0);
    story.run(10);
    assert_eq!(story.tokens(), ["other"], "the first was not written again");
    story.room.configure(vec![sink(2)], story.now.boot);
    story.publish(1, "second", 0);
    story.run(10_000);
    assert_eq!(
        (story.lies_there(), story.tokens()),
        ("first", vec!["other"])
    );
}

#[test]
fn where_nothing_is_handed_out_nothing_is_written_and_nothing_looked_at() {
    let mut story = Story::settled();
    story.says.current.lock().unwrap().clear();
    story.intrude("theirs");
    story.run(60_000);
    assert!(story.written.is_empty() && story.then.is_empty());
}
