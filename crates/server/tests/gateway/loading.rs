//! Doors that are open while the stored records are read: what is asked then waits, and a start that is given up then ends.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread;

use async_trait::async_trait;
use tokio::net::UnixStream;
use tokio::runtime::Runtime;
use tokio::sync::{Notify, oneshot};
use wxtoken_core::clock::{Boot, Clock, Now};
use wxtoken_core::credential::{CredentialKey, Kind};
use wxtoken_server::clock::SystemClock;
use wxtoken_server::config::{Config, Listen};
use wxtoken_server::keeper::Absent;
use wxtoken_server::services::Running;
use wxtoken_simulator::{AppKind, AppSpec};

use crate::harness::{APP, KEY, PATIENCE, SECRET, World, callers};
use crate::wire::Wire;

/// A clock that does not tell the store's thread the time, which it asks for before it reads the records, until it is let on.
#[derive(Default)]
struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
    stands: Notify,
}

impl Gate {
    fn open(&self) {
        *self.is_open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    fn close(&self) {
        *self.is_open.lock().unwrap() = false;
    }
}

/// Lets the store's thread on when the test is over, however it ends.
struct Opens(Arc<Gate>);

impl Drop for Opens {
    fn drop(&mut self) {
        self.0.open();
    }
}

#[async_trait]
impl Clock for Gate {
    fn now(&self) -> Now {
        if thread::current().name() == Some("store") {
            let is_open = self.is_open.lock().unwrap();
            if !*is_open {
                self.stands.notify_one();
            }
            let _open = self.opened.wait_while(is_open, |is_open| !*is_open);
        }
        SystemClock.now()
    }

    async fn sleep_until(&self, due: Boot) {
        SystemClock.sleep_until(due).await;
    }
}

/// A place whose name is known before the server is there.
fn listen_in(folder: &Path, config: &mut Config) -> PathBuf {
    let path = folder.join("early.sock");
    config.server.listen = vec![Listen::Unix {
        path: path.clone(),
        mode: 0o600,
        group: None,
    }];
    path
}

async fn connect(path: &Path) -> Wire<UnixStream> {
    Wire::new(UnixStream::connect(path).await.unwrap())
}

fn request(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n\r\n")
}

/// Asked on a connection of its own: once it is answered, what was sent before has arrived.
async fn is_up(path: &Path) {
    let mut wire = connect(path).await;
    for _ in 0..3 {
        wire.send(request("/healthz")).await.unwrap();
        let (head, _) = wire.answer("GET").await;
        assert_eq!(head.status(), 200);
    }
}

fn nothing_came(wire: &Wire<UnixStream>) -> bool {
    let read = wire.io.try_read(&mut [0; 1]);
    read.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock)
}

/// Waits for a socket that a server on another thread is about to make.
async fn made(path: &Path) {
    let made = async {
        while UnixStream::connect(path).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, made).await.unwrap();
}

#[tokio::test]
async fn a_real_token_whose_record_is_not_read_yet_names_its_app_once_it_is() {
    let every_app = callers()
        .replace(&format!("apps = [\"{APP}\"]"), "apps = [\"*\"]")
        .replace("\"report\"]", "\"report\", \"ticket\"]");
    let kinds = "kinds = [\"access_token\", \"jsapi_ticket\"]";
    let world = World::with(kinds, &every_app).await;
    let token = world.token().await;
    let (mut config, wechat, folder) = world.stopped().await;
    let path = listen_in(folder.path(), &mut config);
    let minted = wechat.world().calls(APP, "/cgi-bin/stable_token");
    let gate = Arc::new(Gate::default());
    let _opens = Opens(Arc::clone(&gate));
    let starts = tokio::spawn(Running::start_with(config, Arc::clone(&gate) as _));
    made(&path).await;
    let (mut calls, mut asks) = (connect(&path).await, connect(&path).await);
    let target = format!("/cgi-bin/menu/get?access_token={token}");
    calls.send(request(&target)).await.unwrap();
    let target = format!("/cgi-bin/ticket/getticket?type=jsapi&access_token={token}");
    asks.send(request(&target)).await.unwrap();
    is_up(&path).await;
    assert!(nothing_came(&calls) && nothing_came(&asks) && !starts.is_finished());
    gate.open();
    let server = starts.await.unwrap().unwrap();
    let (head, body) = calls.answer("GET").await;
    assert_eq!((head.status(), head.get("wxtoken-replayed")), (200, None));
    assert!(!String::from_utf8_lossy(&body.bytes).contains("40001"));
    let (_, body) = asks.answer("GET").await;
    let told = String::from_utf8_lossy(&body.bytes).into_owned();
    assert!(told.contains("\"errcode\":0,"), "{told}");
    server.stop().await;
    assert_eq!(
        wechat.world().calls(APP, "/cgi-bin/stable_token"),
        minted,
        "what is in the store is not fetched"
    );
}

#[test]
fn a_start_that_is_given_up_while_records_are_read_ends_and_lets_go_of_the_store() {
    let runtime = Runtime::new().unwrap();
    let (config, wechat, folder) = runtime.block_on(async { World::new().await.stopped().await });
    let mut early = config.clone();
    let path = listen_in(folder.path(), &mut early);
    let gate = Arc::new(Gate::default());
    let _opens = Opens(Arc::clone(&gate));
    let (give_up, given_up) = oneshot::channel::<()>();
    let (lets_go, let_go) = mpsc::channel();
    let (ended, ends) = mpsc::channel();
    let clock = Arc::clone(&gate);
    // Nothing more is asked of the start once this is over.
    let given_up = async move {
        given_up.await.unwrap();
        lets_go.send(()).unwrap();
    };
    // As `serve` does at a signal: the start is dropped, and the runtime after it.
    let serves = thread::spawn(move || {
        let runtime = Runtime::new().unwrap();
        let started = runtime.block_on(async {
            tokio::select! {
                biased;
                () = given_up => false,
                _ = Running::start_with(early, clock as _) => true,
            }
        });
        drop(runtime);
        ended.send(started).unwrap();
    });
    let waits = runtime.block_on(async {
        made(&path).await;
        let mut waits = connect(&path).await;
        let target = format!("/v1/apps/{APP}/access_token");
        waits.send(request(&target)).await.unwrap();
        is_up(&path).await;
        waits
    });
    give_up.send(()).unwrap();
    let_go.recv_timeout(PATIENCE).unwrap();
    gate.open();
    assert_eq!(ends.recv_timeout(PATIENCE), Ok(false), "it does not hang");
    serves.join().unwrap();
    runtime.block_on(async {
        let mut waits = waits;
        tokio::time::timeout(PATIENCE, waits.closed())
            .await
            .unwrap();
        let server = Running::start(config).await.unwrap();
        server.stop().await;
    });
    drop(wechat);
}

#[tokio::test]
async fn a_store_that_hangs_keeps_no_part_of_a_reload_from_being_in_force() {
    const OTHER: &str = "wxfedcba9876543210";
    let other = format!("[[app]]\nappid = \"{OTHER}\"\nsecret = \"{SECRET}\"\n");
    let world = World::with(&other, &callers()).await;
    let spec = AppSpec::new(OTHER, SECRET, AppKind::Official);
    world.wechat.world().add_app(spec).unwrap();
    let of = |app: &str| CredentialKey {
        app: app.parse().unwrap(),
        kind: Kind::AccessToken,
    };
    let (mut config, _wechat, _folder) = world.stopped().await;
    let gate = Arc::new(Gate::default());
    gate.open();
    let server = Running::start_with(config.clone(), Arc::clone(&gate) as _);
    let server = server.await.unwrap();
    let keeper = server.keeper().clone();
    for app in [APP, OTHER] {
        keeper.get(&of(app), PATIENCE).await.unwrap();
    }
    gate.close();
    let opens = Opens(Arc::clone(&gate));
    config.apps.retain(|app| app.appid.as_str() == APP);
    // The store's thread asks when that was, and hears nothing.
    let removal = async {
        server.reload(config.clone()).await;
        std::future::pending().await
    };
    tokio::select! {
        () = removal => {}
        hangs = tokio::time::timeout(PATIENCE, gate.stands.notified()) => hangs.unwrap(),
    }
    let before = config.callers.len();
    config.callers.truncate(1);
    config.apps.clear();
    assert!(before > 1);
    let is_in_force = async {
        while !matches!(keeper.peek(&of(APP)), Err(Absent::UnknownApp)) {
            tokio::task::yield_now().await;
        }
    };
    let mut reloading = Box::pin(server.reload(config));
    tokio::select! {
        biased;
        _ = &mut reloading => panic!("what is not saved yet is not said to be"),
        in_force = tokio::time::timeout(PATIENCE, is_in_force) => in_force.unwrap(),
    }
    drop(opens);
    assert!(reloading.await.troubles.is_empty());
    server.stop().await;
}
