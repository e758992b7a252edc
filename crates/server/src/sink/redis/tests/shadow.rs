//! What is seen of what others write, with a clock moved by hand.

use std::num::NonZeroU64;
use std::sync::Arc;

use wxtoken_core::app::AppId;
use wxtoken_core::clock::{Boot, Now, Wall};
use wxtoken_core::credential::{CredentialKey, Kind, Token, ValueId};

use super::super::judge::Acquaintance;
use super::super::kept::Sink;
use super::super::shadow::{Sighted, Watch};
use crate::redis::Trouble;
use crate::sdk::{Content, Format, Found, Module, Place, Spec, Ttl};

const LIFE: u64 = 7_200_000;

struct Known;

impl Acquaintance for Known {
    fn id_of(&self, token: &Token) -> ValueId {
        ValueId(token.expose().bytes().fold(7, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(u64::from(byte))
        }))
    }
    fn is_ours(&self, _: ValueId) -> bool {
        false
    }
}

/// Two entries of one app, as two SDKs keep them.
struct Story {
    watch: Watch,
    now: Now,
    redis: [Found; 2],
}

fn app() -> AppId {
    "wx0000000000000001".parse().unwrap()
}

fn sink(format: Format) -> Sink {
    let spec = Spec::new(format, app(), Module::Official, Kind::AccessToken);
    Sink {
        key: CredentialKey {
            app: app(),
            kind: Kind::AccessToken,
        },
        place: Place::new(&spec).unwrap(),
    }
}

fn holds(token: &str, left: u64) -> Found {
    Found::Text(Content::new(token), Ttl::Left(left))
}

impl Story {
    fn new() -> Self {
        let now = Now {
            wall: Wall(1_795_000_000_000),
            boot: Boot(10_000_000),
        };
        let mut watch = Watch::new(now.boot);
        let sinks = vec![sink(Format::WxjavaMp), sink(Format::Silenceper)];
        watch.configure(sinks, now.boot);
        Self {
            watch,
            now,
            redis: [Found::Absent, Found::Absent],
        }
    }

    /// Lets time pass and looks whenever it is time to.
    fn pass(&mut self, millis: u64) -> Vec<Sighted> {
        let end = self.now.boot.plus(millis);
        let mut all = Vec::new();
        while self.watch.wake() <= end {
            let at = self.watch.wake().max(self.now.boot);
            self.now.wall = self.now.wall.plus(at.since(self.now.boot));
            self.now.boot = at;
            let due = self.watch.lookings(at);
            assert!(!due.is_empty(), "woken for nothing");
            for sink in due {
                let silenceper = sink.place.format() == Format::Silenceper;
                let found = vec![self.redis[usize::from(silenceper)].clone()];
                all.extend(self.watch.looked(&sink, found, &Known, self.now));
            }
            all.extend(self.watch.disagreements(self.now));
        }
        self.now.wall = self.now.wall.plus(end.since(self.now.boot));
        self.now.boot = end;
        all
    }
}

fn probed(sighted: &[Sighted]) -> Vec<String> {
    let tokens = sighted.iter().filter_map(Sighted::to_probe);
    tokens
        .map(|(_, token, _)| token.expose().to_owned())
        .collect()
}

#[test]
fn a_value_is_probed_once_when_it_is_seen_and_again_when_it_was_replaced() {
    let mut story = Story::new();
    story.redis[0] = holds("first", LIFE);
    let seen = story.pass(0);
    assert!(matches!(
        seen[..],
        [Sighted::Value {
            first: true,
            before: None,
            ..
        }]
    ));
    let (_, _, end) = seen[0].to_probe().unwrap();
    assert_eq!(end, Some(story.now.wall.plus(LIFE)));
    assert!(story.pass(60_000).is_empty());
    story.redis[0] = holds("second", LIFE);
    let seen = story.pass(3_000);
    assert_eq!(probed(&seen), ["second"]);
    let [
        Sighted::Value {
            before: Some(before),
            first: false,
            ..
        },
    ] = seen[..]
    else {
        panic!("{seen:?}");
    };
    assert_eq!(before.id, Known.id_of(&Token::new("first").unwrap()));
}

#[test]
fn a_key_of_which_something_is_heard_is_looked_at_at_once() {
    let mut story = Story::new();
    story.pass(100);
    story.redis[0] = holds("first", LIFE);
    assert!(story.pass(100).is_empty());
    let key = format!("wx:access_token:{}", app());
    story.watch.touched(key.as_bytes(), story.now.boot);
    assert_eq!(probed(&story.pass(50)), ["first"]);
}

#[test]
fn what_is_deleted_or_spoilt_is_told_once_and_what_comes_after_it_is_news() {
    let mut story = Story::new();
    story.redis[0] = holds("first", LIFE);
    story.pass(0);
    story.redis[0] = Found::Absent;
    assert!(matches!(story.pass(3_000)[..], [Sighted::Gone { .. }]));
    assert!(story.pass(30_000).is_empty());
    story.redis[0] = holds("first", LIFE);
    assert_eq!(probed(&story.pass(3_000)), ["first"]);
    story.redis[0] = Found::Other;
    assert!(matches!(story.pass(3_000)[..], [Sighted::Unusable { .. }]));
    assert!(story.pass(30_000).is_empty());
}

#[test]
fn two_entries_of_one_app_that_differ_for_long_are_a_clash_told_once() {
    let mut story = Story::new();
    story.redis = [holds("first", LIFE), holds("first", LIFE)];
    assert_eq!(story.pass(0).len(), 2);
    story.redis[0] = holds("second", LIFE);
    assert_eq!(story.pass(9_000).len(), 1, "the other may be on its way");
    let seen = story.pass(6_000);
    assert!(matches!(seen[..], [Sighted::Disagree { .. }]), "{seen:?}");
    assert!(story.pass(60_000).is_empty());
    story.redis[1] = holds("second", LIFE);
    assert_eq!(story.pass(3_000).len(), 1);
    assert!(story.pass(60_000).is_empty());
    story.redis[1] = holds("third", LIFE);
    let seen = story.pass(15_000);
    assert!(matches!(
        seen[..],
        [Sighted::Value { .. }, Sighted::Disagree { .. }]
    ));
}

#[test]
fn what_may_not_be_read_is_told_once_and_looked_at_again() {
    let mut story = Story::new();
    let due = story.watch.lookings(story.now.boot);
    let mut unseen = |sink: &Arc<Sink>| {
        let trouble = Trouble::Other("WRONGTYPE".to_owned());
        story.watch.unseen(sink, trouble, story.now.boot)
    };
    assert!(matches!(unseen(&due[0]), Some(Sighted::Failed { .. })));
    assert!(unseen(&due[0]).is_none());
    story.redis[0] = holds("first", LIFE);
    assert_eq!(probed(&story.pass(3_000)), ["first"]);
}

#[test]
fn a_redis_that_is_away_is_asked_again_and_no_entry_counts_as_deleted() {
    let mut story = Story::new();
    story.redis[0] = holds("first", LIFE);
    story.pass(0);
    story.pass(2_999);
    story.now.boot = story.now.boot.plus(1);
    for sink in story.watch.lookings(story.now.boot) {
        let away = Trouble::Slow {
            at: "here".to_owned(),
        };
        assert!(story.watch.unseen(&sink, away, story.now.boot).is_none());
    }
    assert!(
        story.watch.lookings(story.now.boot).is_empty(),
        "not at once"
    );
    assert!(story.pass(10_000).is_empty());
}

#[test]
fn a_value_that_its_readers_take_for_ended_is_not_taken_over() {
    let mut story = Story::new();
    let ends = NonZeroU64::new(1_000).unwrap();
    story.redis[0] = holds("first", ends.get());
    let seen = story.pass(0);
    assert!(matches!(seen[..], [Sighted::Value { .. }]));
    assert!(probed(&seen).is_empty());
}

#[test]
fn entries_that_stay_configured_are_no_news_after_a_reload() {
    let mut story = Story::new();
    story.redis[0] = holds("first", LIFE);
    assert_eq!(story.pass(0).len(), 1);
    story
        .watch
        .configure(vec![sink(Format::WxjavaMp)], story.now.boot);
    assert!(story.pass(30_000).is_empty());
}

#[test]
fn what_the_keeper_did_not_take_is_offered_again_until_it_did_and_told_once() {
    let mut story = Story::new();
    story.redis[0] = holds("first", LIFE);
    let seen = story.pass(0);
    for _ in 0..3 {
        let (sink, ..) = seen[0].to_probe().unwrap();
        story.watch.not_taken(sink);
        let again = story.pass(3_000);
        assert!(matches!(again[..], [Sighted::Again { .. }]), "{again:?}");
        assert_eq!(probed(&again), ["first"]);
    }
    assert!(story.pass(60_000).is_empty());
}
