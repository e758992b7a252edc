//! The keeper against a scripted WeChat, a store in memory and a clock moved by hand.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{broadcast, mpsc};
use wxtoken_core::app::AppId;
use wxtoken_core::budget::BudgetKind;
use wxtoken_core::clock::{Boot, Clock, Now, Wall};
use wxtoken_core::credential::{CredentialKey, Generation, Kind, Lane, Token, ValueId};
use wxtoken_core::refresh::HeldBack;
use wxtoken_core::refresh::rules::{Lanes, Rules};
use wxtoken_core::refresh::verdict::{Evidence, Verdict};
use wxtoken_core::source::{
    Answer, Ask, CredentialSource, Failure, Minted, Passing, Reply, Trouble,
};
use wxtoken_core::store::{HandedOut, Record, StoredToken};

use super::{Absent, Command, Control, Copies, Driver, Keeper, Parts, RefreshOutcome, Shelf, Spec};
use crate::clock::ManualClock;
use crate::store::MemoryStore;

const WAIT: Duration = Duration::from_secs(5);

/// Nobody keeps a copy.
pub(super) struct NoCopies;

impl Copies for NoCopies {
    fn changed(&self, _: &AppId, _: Kind) {}
    fn put_back(&self, _: &AppId, _: Kind) {}
}

/// WeChat, as far as one app's stable lane goes.
#[derive(Default)]
struct Script {
    current: Mutex<u64>,
    dead: Mutex<bool>,
    trouble: Mutex<Option<Trouble>>,
    fetches: AtomicU64,
    probes: AtomicU64,
    at_once: AtomicU64,
    most_at_once: AtomicU64,
}

fn hash(value: &str) -> ValueId {
    ValueId(value.bytes().fold(7_u64, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(byte.into())
    }))
}

impl Script {
    fn minted(&self) -> Reply {
        let token = Token::new(&format!("token-{}", self.current.lock().unwrap())).unwrap();
        let id = hash(token.expose());
        Reply::Minted(Minted {
            token,
            id,
            expires_in: Duration::from_secs(7200),
        })
    }

    /// Another program forces the token: ours is dead, and normal mode gives the new one.
    fn kill(&self) {
        *self.current.lock().unwrap() += 1;
        *self.dead.lock().unwrap() = true;
    }
}

#[async_trait]
impl CredentialSource for Script {
    async fn ask(&self, _: &AppId, ask: Ask, _: Duration) -> Result<Answer, Failure> {
        let now = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(now, Ordering::SeqCst);
        tokio::task::yield_now().await;
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        if let Some(trouble) = *self.trouble.lock().unwrap() {
            return Err(Failure {
                trouble,
                sent: false,
                upstream_time: None,
            });
        }
        let reply = match ask {
            Ask::Probe(..) => {
                self.probes.fetch_add(1, Ordering::SeqCst);
                if *self.dead.lock().unwrap() {
                    Reply::Dead(40001)
                } else {
                    Reply::Alive
                }
            }
            Ask::Forced => {
                *self.current.lock().unwrap() += 1;
                self.fetches.fetch_add(1, Ordering::SeqCst);
                self.minted()
            }
            Ask::Classic | Ask::Stable | Ask::Ticket(..) => {
                self.fetches.fetch_add(1, Ordering::SeqCst);
                *self.dead.lock().unwrap() = false;
                self.minted()
            }
        };
        Ok(Answer {
            reply,
            upstream_time: None,
        })
    }
}

struct World {
    keeper: Keeper,
    control: Control,
    script: Arc<Script>,
    clock: Arc<ManualClock>,
}

fn key() -> CredentialKey {
    CredentialKey {
        app: "wx01".parse().unwrap(),
        kind: Kind::AccessToken,
    }
}

fn spec() -> Spec {
    Spec {
        app: key().app,
        rules: Arc::new(Rules::new(Lanes::Only(Lane::Stable))),
        kinds: Box::new([Kind::AccessToken]),
        adopt: None,
        fresh_secret: false,
    }
}

impl World {
    fn start() -> Self {
        let (world, mut driver, asked) = Self::laid();
        driver.add(spec(), None);
        tokio::spawn(driver.run(asked));
        world
    }

    /// Before any app was added and the loop begins.
    fn laid() -> (Self, Driver, mpsc::Receiver<Command>) {
        let clock = Arc::new(ManualClock::new(Now {
            wall: Wall(1_795_000_000_000),
            boot: Boot(1_000_000),
        }));
        let script = Arc::new(Script::default());
        let shelf = Arc::new(Shelf::new(clock.now()));
        let (notices, _) = broadcast::channel(64);
        let (driver, control) = Driver::new(Parts {
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            source: Arc::clone(&script) as Arc<dyn CredentialSource>,
            store: Arc::new(MemoryStore::new()),
            forget: Arc::new(|_| Box::pin(async { Ok(()) })),
            own: Some(wxtoken_core::store::Fence {
                epoch: 1,
                number: 1,
            }),
            handed_out: None,
            shelf: Arc::clone(&shelf),
            notices: notices.clone(),
            count_alarm: Arc::new(|_| {}),
            copies: Arc::new(NoCopies),
            max_in_flight: 4,
            seed: 1,
        });
        let (commands, asked) = mpsc::channel(64);
        let keeper = Keeper::new(
            shelf,
            Arc::clone(&clock) as Arc<dyn Clock>,
            Arc::new(hash),
            commands,
            notices,
        );
        let world = Self {
            keeper,
            control,
            script,
            clock,
        };
        (world, driver, asked)
    }

    async fn started() -> (Self, String) {
        let world = Self::start();
        let token = world
            .keeper
            .get(&key(), WAIT)
            .await
            .unwrap()
            .token
            .expose()
            .to_owned();
        // A value younger than ten seconds is looked at twice.
        world.clock.advance(Duration::from_secs(60));
        (world, token)
    }

    async fn report(&self, token: &str) -> super::Report {
        self.keeper
            .report_dead(key(), token, Evidence::Report, WAIT)
            .await
            .unwrap()
            .unwrap()
    }

    fn calls(&self) -> (u64, u64) {
        (
            self.script.probes.load(Ordering::SeqCst),
            self.script.fetches.load(Ordering::SeqCst),
        )
    }
}

#[tokio::test]
async fn a_reader_waits_for_the_first_token() {
    let world = World::start();
    let token = world.keeper.get(&key(), WAIT).await.unwrap();
    assert_eq!(token.token.expose(), "token-0");
    assert_eq!(world.calls(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn where_wechat_has_refused_readers_are_told_at_once_and_where_it_was_silent_they_wait() {
    for (trouble, waits) in [
        (Trouble::Refused(40125), false),
        (Trouble::Passing(Passing::Unreachable), true),
    ] {
        let (world, mut driver, asked) = World::laid();
        *world.script.trouble.lock().unwrap() = Some(trouble);
        driver.add(spec(), None);
        tokio::spawn(driver.run(asked));
        for reader in ["the first, who waits for the refusal", "a later one"] {
            let from = tokio::time::Instant::now();
            let answer = world.keeper.get(&key(), WAIT).await;
            assert!(matches!(answer, Err(Absent::NoLive(_))), "{answer:?}");
            assert_eq!(from.elapsed() >= WAIT, waits, "{trouble:?}, {reader}");
        }
    }
}

/// A record of one live stable token.
fn stored(token: &str, now: Now) -> Record {
    let token = StoredToken {
        token: Token::new(token).unwrap(),
        id: hash(token),
        sent: now.wall,
        expires: Wall(now.wall.0 + 7_200_000),
        lifetime: 7_200_000,
        dead: false,
        noted: None,
    };
    let mut record = Record {
        saved_at: now.wall,
        ..Record::default()
    };
    record.handed_out[0] = HandedOut {
        generation: Generation(1),
        id: Some(token.id),
        lane: Some(Lane::Stable),
    };
    record.lanes[Lane::Stable.index()] = Some(token);
    record
}

#[tokio::test]
async fn a_reader_who_comes_before_the_record_was_read_waits_for_it_and_nothing_is_fetched() {
    let (world, mut driver, asked) = World::laid();
    let unknown = world.keeper.peek(&key());
    assert!(matches!(unknown, Err(Absent::UnknownApp)));
    driver.announce(&spec());
    assert!(!driver.has(&key().app));
    let wanted = key();
    let mut early = Box::pin(world.keeper.get(&wanted, WAIT));
    assert!(futures_util::poll!(&mut early).is_pending());
    driver.add(spec(), Some(&stored("from-the-store", world.clock.now())));
    assert!(driver.has(&key().app));
    assert_eq!(early.await.unwrap().token.expose(), "from-the-store");
    tokio::spawn(driver.run(asked));
    world.keeper.status(vec![key().app]).await.unwrap();
    assert_eq!(world.calls(), (0, 0));
}

#[tokio::test]
async fn three_hundred_reports_of_one_dead_token_cost_one_probe_and_one_fetch() {
    let (world, old) = World::started().await;
    world.script.kill();
    let reports = (0..300).map(|_| world.report(&old));
    let answers = futures_util::future::join_all(reports).await;
    assert_eq!(world.calls(), (1, 2));
    for answer in answers {
        assert!(matches!(
            answer.verdict,
            Verdict::Refreshed | Verdict::Replaced
        ));
        assert_eq!(answer.current.unwrap().token.expose(), "token-1");
    }
}

#[tokio::test]
async fn a_late_report_of_the_old_token_fetches_nothing() {
    let (world, old) = World::started().await;
    world.script.kill();
    world.report(&old).await;
    let calls = world.calls();
    assert_eq!(world.report(&old).await.verdict, Verdict::Replaced);
    assert_eq!(world.calls(), calls);
}

#[tokio::test]
async fn a_false_report_is_probed_and_answered_alive() {
    let (world, token) = World::started().await;
    let report = world.report(&token).await;
    assert_eq!(report.verdict, Verdict::Alive);
    assert_eq!(report.current.unwrap().token.expose(), token);
    assert_eq!(world.calls(), (1, 1));
}

#[tokio::test]
async fn a_token_that_is_none_of_ours_is_unknown() {
    let (world, _) = World::started().await;
    assert_eq!(
        world.report("someone-elses").await.verdict,
        Verdict::Unknown
    );
    assert_eq!(world.calls(), (0, 1));
}

#[tokio::test]
async fn the_live_token_is_served_while_upstream_is_down() {
    let (world, token) = World::started().await;
    *world.script.trouble.lock().unwrap() = Some(Trouble::Passing(Passing::Unreachable));
    world.clock.advance(Duration::from_secs(7200 - 60 - 10));
    assert_eq!(world.keeper.peek(&key()).unwrap().token.expose(), token);
    world.clock.advance(Duration::from_secs(11));
    assert!(matches!(world.keeper.peek(&key()), Err(Absent::NoLive(_))));
}

#[tokio::test]
async fn an_operators_refresh_tells_what_came_of_it() {
    let (world, _) = World::started().await;
    let normal = world
        .keeper
        .refresh(key(), false, WAIT)
        .await
        .unwrap()
        .unwrap();
    assert!(matches!(normal, RefreshOutcome::Unchanged(_)), "{normal:?}");
    let forced = world
        .keeper
        .refresh(key(), true, WAIT)
        .await
        .unwrap()
        .unwrap();
    assert!(matches!(forced, RefreshOutcome::Refreshed(_)), "{forced:?}");
    assert_eq!(world.keeper.peek(&key()).unwrap().token.expose(), "token-1");
}

#[tokio::test]
async fn a_refresh_that_no_budget_allows_names_the_budget_of_its_lane() {
    let (world, _) = World::started().await;
    let mut rules = Rules::new(Lanes::Only(Lane::Classic));
    rules.take_over = true;
    rules.limits.per_day[BudgetKind::Classic as usize] = 1;
    let classic = Spec {
        app: "wx02".parse().unwrap(),
        rules: Arc::new(rules),
        ..spec()
    };
    let key = CredentialKey {
        app: classic.app,
        kind: Kind::AccessToken,
    };
    world.control.apps(vec![spec(), classic]).await;
    world.keeper.get(&key, WAIT).await.unwrap();
    let outcome = world
        .keeper
        .refresh(key, false, WAIT)
        .await
        .unwrap()
        .unwrap();
    assert!(
        matches!(outcome, RefreshOutcome::OverBudget(BudgetKind::Classic)),
        "{outcome:?}"
    );
}

/// What an operator hears at once of a refresh of the second app.
async fn hears_at_once(world: &World, kind: Kind, force: bool) -> RefreshOutcome {
    let key = CredentialKey {
        app: "wx02".parse().unwrap(),
        kind,
    };
    // The clock stands still: an answer that waits for the end of its wait never comes.
    let asked = world.keeper.refresh(key, force, WAIT);
    let answer = tokio::time::timeout(WAIT, asked).await;
    answer.expect("an answer at once").unwrap().unwrap()
}

#[tokio::test]
async fn a_refresh_that_cannot_begin_says_why_at_once_and_leaves_nothing_for_later() {
    let (world, _) = World::started().await;
    let mut rules = Rules::new(Lanes::Only(Lane::Classic));
    rules.kinds = [true, true, false];
    let held_back = Spec {
        app: "wx02".parse().unwrap(),
        rules: Arc::new(rules.clone()),
        kinds: Box::new([Kind::AccessToken, Kind::JsapiTicket]),
        ..spec()
    };
    world.control.apps(vec![spec(), held_back.clone()]).await;
    let before = world.calls();
    for (kind, force, wanted) in [
        (Kind::AccessToken, false, HeldBack::NeedsTakeOver),
        (Kind::AccessToken, true, HeldBack::NotForceable),
        (Kind::JsapiTicket, false, HeldBack::NoToken),
        (Kind::JsapiTicket, true, HeldBack::NotForceable),
    ] {
        let outcome = hears_at_once(&world, kind, force).await;
        let RefreshOutcome::HeldBack(why) = outcome else {
            panic!("{kind}: {outcome:?}");
        };
        assert_eq!(why, wanted);
        assert!(!why.to_string().is_empty());
    }
    world.clock.advance(Duration::from_secs(600));
    hears_at_once(&world, Kind::AccessToken, false).await;
    assert_eq!(world.calls(), before);
}

#[tokio::test]
async fn a_refresh_of_a_ticket_that_no_budget_allows_says_so_at_once() {
    let (world, _) = World::started().await;
    let mut rules = Rules::new(Lanes::Only(Lane::Stable));
    rules.kinds = [true, true, false];
    rules.limits.per_day[BudgetKind::Ticket as usize] = 2;
    let app = "wx02".parse().unwrap();
    let with_ticket = Spec {
        app,
        rules: Arc::new(rules),
        kinds: Box::new([Kind::AccessToken, Kind::JsapiTicket]),
        ..spec()
    };
    world.control.apps(vec![spec(), with_ticket]).await;
    let ticket = CredentialKey {
        app,
        kind: Kind::JsapiTicket,
    };
    world.keeper.get(&ticket, WAIT).await.unwrap();
    let outcome = hears_at_once(&world, Kind::JsapiTicket, false).await;
    assert!(
        matches!(outcome, RefreshOutcome::OverBudget(BudgetKind::Ticket)),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn an_app_that_is_removed_is_unknown_at_once() {
    let (world, _) = World::started().await;
    world.control.apps(Vec::new()).await;
    assert!(matches!(world.keeper.peek(&key()), Err(Absent::UnknownApp)));
    world.control.apps(vec![spec()]).await;
    assert!(world.keeper.get(&key(), WAIT).await.is_ok());
}

#[tokio::test]
async fn every_value_of_ours_names_its_app_also_while_it_hands_over_until_the_app_is_gone() {
    let (world, old) = World::started().await;
    let owner = |value: &str| world.keeper.owner_of(hash(value));
    assert_eq!(owner(&old), Some(key()));
    assert_eq!(owner("someone-elses"), None);
    world.script.kill();
    world.report(&old).await;
    assert_eq!(owner("token-1"), Some(key()));
    assert_eq!(owner(&old), Some(key()), "it is handing over");
    world.control.apps(Vec::new()).await;
    assert_eq!(owner(&old), None);
    assert_eq!(owner("token-1"), None);
}

#[tokio::test]
async fn a_second_reload_counts_for_an_app_whose_record_is_still_looked_for() {
    let (world, _) = World::started().await;
    let new = Spec {
        app: "wx02".parse().unwrap(),
        ..spec()
    };
    let mut rules = Rules::new(Lanes::Only(Lane::Stable));
    rules.kinds[Kind::JsapiTicket.index()] = true;
    let changed = Spec {
        rules: Arc::new(rules),
        kinds: Box::new([Kind::AccessToken, Kind::JsapiTicket]),
        ..new.clone()
    };
    let first = world.control.apps(vec![spec(), new.clone()]);
    let second = world.control.apps(vec![spec(), changed]);
    futures_util::join!(first, second);
    let key = CredentialKey {
        app: new.app,
        kind: Kind::JsapiTicket,
    };
    assert!(world.keeper.get(&key, WAIT).await.is_ok());
}

#[tokio::test]
async fn a_stop_ends_the_loop() {
    let (world, _) = World::started().await;
    world.control.stop().await;
    world.keeper.gone().await;
    assert!(world.keeper.status(vec![key().app]).await.is_err());
}

#[tokio::test]
async fn the_status_shows_lanes_and_budgets_and_no_value() {
    let (world, token) = World::started().await;
    let status = world.keeper.status(vec![key().app]).await.unwrap();
    assert_eq!(status.len(), 1);
    assert!(status[0].lanes[0].live);
    assert_eq!(status[0].budgets[1].1, 1, "one stable fetch today");
    assert!(!format!("{status:?}").contains(&token));
}

#[tokio::test]
async fn a_second_forced_refresh_within_thirty_seconds_is_answered_at_once() {
    let (world, _) = World::started().await;
    world
        .keeper
        .refresh(key(), true, WAIT)
        .await
        .unwrap()
        .unwrap();
    let told = world
        .keeper
        .refresh(key(), true, WAIT)
        .await
        .unwrap()
        .unwrap();
    let RefreshOutcome::HeldBack(why @ HeldBack::ForceGap { .. }) = told else {
        panic!("{told:?}");
    };
    assert!(why.to_string().contains("30 s apart"));
    assert_eq!(world.calls().1, 2);
}

#[tokio::test]
async fn a_hundred_apps_that_are_due_together_are_fetched_a_few_at_a_time() {
    let world = World::start();
    let many = (0..100).map(|number| Spec {
        app: format!("wx{number:02}").parse().unwrap(),
        ..spec()
    });
    world.control.apps(many.collect()).await;
    for number in 0..100 {
        let key = CredentialKey {
            app: format!("wx{number:02}").parse().unwrap(),
            kind: Kind::AccessToken,
        };
        world.keeper.get(&key, WAIT).await.unwrap();
    }
    let most = world.script.most_at_once.load(Ordering::SeqCst);
    assert!(
        (1..=4).contains(&most),
        "{most} calls at once; four are allowed"
    );
}
