//! The loop's pace: what it starts at one time, what it does first, and what it leaves when it is to stop.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::poll_immediate;
use tokio::sync::{Semaphore, broadcast, mpsc, oneshot, watch};
use wxtoken_core::app::AppId;
use wxtoken_core::budget::BudgetKind;
use wxtoken_core::clock::{Boot, Clock, Now, Wall};
use wxtoken_core::credential::{CredentialKey, Kind, Lane, Token, ValueId};
use wxtoken_core::refresh::rules::{Lanes, Rules};
use wxtoken_core::source::{Answer, Ask, CredentialSource, Failure, Minted, Reply};
use wxtoken_core::store::Fence;

use super::*;
use crate::clock::ManualClock;
use crate::keeper::tests::NoCopies;
use crate::keeper::{AppStatus, Keeper, Notice, Shelf, Spec};
use crate::store::MemoryStore;

const WAIT: Duration = Duration::from_secs(5);

/// WeChat, that answers a question only when it is let.
struct Gate {
    asked: watch::Sender<usize>,
    open: Semaphore,
    panics: AtomicBool,
}

#[async_trait]
impl CredentialSource for Gate {
    async fn ask(&self, _: &AppId, _: Ask, _: Duration) -> Result<Answer, Failure> {
        let mut number = 0;
        self.asked.send_modify(|asked| {
            *asked += 1;
            number = *asked;
        });
        self.open.acquire().await.unwrap().forget();
        assert!(!self.panics.swap(false, Ordering::SeqCst), "as asked");
        Ok(Answer {
            reply: Reply::Minted(Minted {
                token: Token::new(&format!("token-{number}")).unwrap(),
                id: ValueId(number as u64),
                expires_in: Duration::from_secs(7200),
            }),
            upstream_time: None,
        })
    }
}

struct World {
    gate: Arc<Gate>,
    clock: Arc<ManualClock>,
    keeper: Keeper,
    control: Control,
    commands: mpsc::Sender<Command>,
    /// Alarms counted.
    alarms: Arc<AtomicUsize>,
}

fn app(number: usize) -> AppId {
    format!("wx{number:02}").parse().unwrap()
}

fn spec(number: usize) -> Spec {
    Spec {
        app: app(number),
        rules: Arc::new(Rules::new(Lanes::Only(Lane::Stable))),
        kinds: Box::new([Kind::AccessToken]),
        adopt: None,
        fresh_secret: false,
    }
}

impl World {
    /// A loop that is ready to run, with so many apps that have nothing yet.
    fn of(apps: usize, max_in_flight: usize) -> (Self, impl Future<Output = ()> + Send) {
        let clock = Arc::new(ManualClock::new(Now {
            wall: Wall(1_795_000_000_000),
            boot: Boot(1_000_000),
        }));
        let gate = Arc::new(Gate {
            asked: watch::Sender::new(0),
            open: Semaphore::new(0),
            panics: AtomicBool::new(false),
        });
        let shelf = Arc::new(Shelf::new(clock.now()));
        let (notices, _) = broadcast::channel(1024);
        let alarms = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&alarms);
        let (mut driver, control) = Driver::new(Parts {
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            source: Arc::clone(&gate) as Arc<dyn CredentialSource>,
            store: Arc::new(MemoryStore::new()),
            forget: Arc::new(|_| Box::pin(async { Ok(()) })),
            own: Some(Fence {
                epoch: 1,
                number: 1,
            }),
            handed_out: None,
            shelf: Arc::clone(&shelf),
            notices: notices.clone(),
            count_alarm: Arc::new(move |_| {
                counted.fetch_add(1, Ordering::SeqCst);
            }),
            copies: Arc::new(NoCopies),
            max_in_flight,
            seed: 1,
        });
        for number in 0..apps {
            driver.add(spec(number), None);
        }
        let (commands, asked) = mpsc::channel(64);
        let hash = Arc::new(|_: &str| ValueId(0));
        let keeper = Keeper::new(
            shelf,
            Arc::clone(&clock) as Arc<dyn Clock>,
            hash,
            commands.clone(),
            notices,
        );
        let world = Self {
            gate,
            clock,
            keeper,
            control,
            commands,
            alarms,
        };
        (world, driver.run(asked))
    }

    async fn asked(&self, times: usize) {
        let mut asked = self.gate.asked.subscribe();
        asked.wait_for(|asked| *asked >= times).await.unwrap();
    }

    async fn got(&self, number: usize) {
        let key = CredentialKey {
            app: app(number),
            kind: Kind::AccessToken,
        };
        self.keeper.get(&key, WAIT).await.unwrap();
    }
}

/// The apps of which a stable call was counted.
fn begun(states: &[AppStatus]) -> usize {
    let of_stable = |state: &&AppStatus| {
        let mut budgets = state.budgets.iter();
        budgets.any(|(kind, used, _)| *kind == BudgetKind::Stable && *used > 0)
    };
    states.iter().filter(of_stable).count()
}

#[tokio::test]
async fn many_apps_due_at_once_wait_for_a_free_slot_and_are_in_no_trouble() {
    let (world, run) = World::of(20, 2);
    tokio::spawn(run);
    world.asked(2).await;
    let states = world.keeper.status(world.keeper.apps()).await.unwrap();
    assert_eq!(begun(&states), 2, "the others are not even noted");
    world.clock.advance(Duration::from_secs(30));
    world.gate.open.add_permits(20);
    for number in 0..20 {
        world.got(number).await;
    }
    assert_eq!(*world.gate.asked.borrow(), 20);
    let states = world.keeper.status(world.keeper.apps()).await.unwrap();
    let troubled = |state: &AppStatus| state.lanes.iter().any(|lane| lane.trouble.is_some());
    assert!(!states.iter().any(troubled));
}

#[tokio::test]
async fn an_app_whose_call_panicked_is_asked_for_again() {
    let (world, run) = World::of(1, 2);
    world.gate.panics.store(true, Ordering::SeqCst);
    world.gate.open.add_permits(2);
    let mut notices = world.keeper.subscribe();
    tokio::spawn(run);
    assert!(matches!(
        notices.recv().await.unwrap(),
        Notice::Trouble { .. }
    ));
    assert_eq!(
        world.alarms.load(Ordering::SeqCst),
        1,
        "counted, whoever listens"
    );
    world.clock.advance(Duration::from_secs(60));
    world.got(0).await;
}

#[tokio::test]
async fn what_is_due_comes_before_questions_however_many_there_are() {
    let (world, run) = World::of(1, 2);
    let (answer, answered) = oneshot::channel();
    let question = Command::Status {
        apps: vec![app(0)],
        answer,
    };
    world.commands.send(question).await.unwrap();
    tokio::spawn(run);
    assert_eq!(begun(&answered.await.unwrap()), 1);
}

#[tokio::test]
async fn a_stop_lets_calls_under_way_end_and_begins_no_others() {
    let (world, run) = World::of(2, 2);
    tokio::spawn(run);
    world.gate.open.add_permits(2);
    world.got(0).await;
    world.got(1).await;
    let key = CredentialKey {
        app: app(0),
        kind: Kind::AccessToken,
    };
    let mut refresh = pin!(world.keeper.refresh(key, false, WAIT));
    assert!(poll_immediate(&mut refresh).await.is_none());
    world.asked(3).await;
    let mut stop = pin!(world.control.stop());
    assert!(poll_immediate(&mut stop).await.is_none());
    assert!(
        world.keeper.status(world.keeper.apps()).await.is_err(),
        "nothing is answered that may begin something"
    );
    world.clock.advance(Duration::from_secs(7100));
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    world.gate.open.add_permits(2);
    stop.await;
    assert_eq!(*world.gate.asked.borrow(), 3);
}

#[tokio::test]
async fn an_app_removed_and_added_again_while_its_call_is_under_way_has_one_machine() {
    let (world, run) = World::of(1, 4);
    tokio::spawn(run);
    world.asked(1).await;
    world.control.apps(Vec::new()).await;
    assert!(
        world
            .keeper
            .status(world.keeper.apps())
            .await
            .unwrap()
            .is_empty()
    );
    world.control.apps(vec![spec(0)]).await;
    world.gate.open.add_permits(4);
    world.got(0).await;
    assert_eq!(
        *world.gate.asked.borrow(),
        1,
        "a second machine would ask again"
    );
}

#[tokio::test]
async fn what_a_removed_apps_call_brings_is_there_when_the_app_is_back() {
    let (world, run) = World::of(2, 4);
    tokio::spawn(run);
    world.asked(2).await;
    let mut notices = world.keeper.subscribe();
    world.control.apps(vec![spec(1)]).await;
    world.gate.open.add_permits(4);
    world.got(1).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    while let Ok(notice) = notices.try_recv() {
        let Notice::Credential(key, _) = notice else {
            panic!("{notice:?}");
        };
        assert_eq!(key.app, app(1), "nobody hears of an app that is gone");
    }
    world.control.apps(vec![spec(0), spec(1)]).await;
    world.got(0).await;
    assert_eq!(*world.gate.asked.borrow(), 2, "the token was kept");
}
