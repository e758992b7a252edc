//! SIGHUP: what changed counts, what is wrong changes nothing, and no request is dropped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustix::process::Signal;
use wxtoken_simulator::{Rules, generated_app};

use crate::http::ask;
use crate::meddler::{HANGS, Meddler};
use crate::place::{APP, CALLER, KEY, Place, app, wechat};
use crate::server::{PATIENCE, Server, until, until_asked};

const NEW_KEY: &str = "0e3f00000102030405060708090a0b0c";

/// Readers that never stop, and how many answers they had.
struct Hammer {
    stop: Arc<AtomicBool>,
    answers: Arc<AtomicUsize>,
    readers: Vec<tokio::task::JoinHandle<()>>,
}

impl Hammer {
    fn start(api: &str) -> Self {
        let (stop, answers) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicUsize::new(0)),
        );
        let reader = || {
            let (api, stop, answers) = (api.to_owned(), Arc::clone(&stop), Arc::clone(&answers));
            tokio::spawn(async move {
                let key = format!("Bearer {KEY}");
                let line = format!("GET /v1/apps/{APP}/access_token");
                while !stop.load(Ordering::Relaxed) {
                    let reply = ask(&api, &line, &[("Authorization", &key)], "").await;
                    let reply = reply.expect("no request is dropped");
                    assert_eq!(reply.status, 200, "{reply:?}");
                    answers.fetch_add(1, Ordering::Relaxed);
                }
            })
        };
        let readers = vec![reader(), reader()];
        Self {
            stop,
            answers,
            readers,
        }
    }

    /// Waits until so many more answers have come.
    async fn goes_on(&self) {
        let before = self.answers.load(Ordering::Relaxed);
        until("readers go on", || {
            self.answers.load(Ordering::Relaxed) > before + 50
        })
        .await;
    }

    async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        for reader in self.readers {
            reader.await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_changes_apps_and_callers_without_a_dropped_request() {
    let wechat = wechat(Rules::default(), 1).await;
    let place = Place::new(&wechat);
    let before = format!("{}{CALLER}", app(""));
    place.configure(&before);
    let server = Server::start(&place).await;
    let token = server.token().await;
    let hammer = Hammer::start(&place.api);
    hammer.goes_on().await;

    let second = generated_app(0);
    let more = format!(
        "[[app]]\nappid = \"{}\"\nsecret = \"{}\"\n[[caller]]\nname = \"new\"\nkey = \"{NEW_KEY}\"\napps = [\"*\"]\n",
        second.appid, second.secret
    );
    place.configure(&format!("{before}{more}"));
    server.signal(Signal::HUP);
    server.says("reloaded: 2 apps and 2 callers").await;
    hammer.goes_on().await;
    let line = format!("GET /v1/apps/{}/access_token", second.appid);
    let bearer = format!("Bearer {NEW_KEY}");
    let auth = [("Authorization", bearer.as_str())];
    let new = ask(&place.api, &line, &auth, "")
        .await
        .unwrap()
        .token()
        .unwrap();
    assert!(wechat.world().is_live(&second.appid, &new));

    // A bad file: every mistake is told, nothing changes.
    place.configure(&format!(
        "{before}{more}[[caller]]\nname = \"bad\"\nkeey = \"x\"\n[nonsense]\n"
    ));
    server.signal(Signal::HUP);
    server.says("the one in force stays").await;
    let log = server.log();
    assert!(log.contains("keey") && log.contains("nonsense"), "{log}");
    assert_eq!(
        ask(&place.api, &line, &auth, "").await.unwrap().token(),
        Some(new)
    );

    // Back again: the caller and the app are gone, the others were never disturbed.
    place.configure(&before);
    server.signal(Signal::HUP);
    server.says("reloaded: 1 apps and 1 callers").await;
    assert_eq!(ask(&place.api, &line, &auth, "").await.unwrap().status, 401);
    assert_eq!(server.ask(&line, "").await.status, 404);
    hammer.goes_on().await;
    hammer.stop().await;
    assert_eq!(server.token().await, token);
    assert_eq!(
        wechat.world().calls(APP, "/cgi-bin/stable_token"),
        1,
        "a reload fetches nothing anew"
    );
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_is_heard_while_a_reload_waits_for_the_disk_and_what_it_removed_is_saved() {
    let wechat = wechat(Rules::default(), 0).await;
    let place = Place::new(&wechat);
    let virtually = format!("{}{CALLER}hands_out = \"virtual\"\n", app(""));
    place.configure(&virtually);
    let meddler = Meddler::new(&place);
    let server = Server::start_by(&place, meddler.program()).await;
    let token = server.sdk_token().await.unwrap();
    meddler.break_disk(HANGS);
    place.configure(&app(""));
    server.signal(Signal::HUP);
    until_asked("the caller is gone", PATIENCE, async || {
        let line = format!("GET /v1/apps/{APP}/access_token");
        server.ask(&line, "").await.status == 401
    })
    .await;
    server.signal(Signal::TERM);
    server.says("stopping: requests in flight").await;
    assert!(!server.log().contains("reloaded:"));
    meddler.break_disk(0);
    assert!(server.ended().await.success());

    place.configure(&virtually);
    let server = Server::start(&place).await;
    let again = server.sdk_token().await.unwrap();
    assert_ne!(again, token, "it was revoked before the stop");
    assert!(server.stop().await.success());
}
