//! Shadow mode from outside: another program fetches and keeps its token in Redis, its clients call WeChat with what lies there;
//! wxtoken watches, and takes over without one of them noticing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rustix::process::Signal;
use wxtoken_simulator::{Lane, Rules, Upstream};

use crate::http::ask;
use crate::place::{APP, CALLER, Place, SECRET, app, wechat};
use crate::replicas::Redis;
use crate::server::{PATIENCE, Server, until, until_asked};

const CLASSIC: &str = "/cgi-bin/token";
const STABLE: &str = "/cgi-bin/stable_token";
const PROBE: &str = "/cgi-bin/get_api_domain_ip";
const ENTRY: &str = "wx:access_token:wx0123456789abcdef";

/// What others have: WeChat, and a Redis in which WxJava keeps its token.
struct Others {
    wechat: Upstream,
    redis: Redis,
    place: Place,
}

impl Others {
    async fn new(redis: &[&str]) -> Self {
        let wechat = wechat(Rules::default(), 0).await;
        Self {
            place: Place::new(&wechat),
            redis: Redis::start(redis).await,
            wechat,
        }
    }

    fn mode(&self, mode: &str, lane: &str) {
        let lines = format!("mode = \"{mode}\"\nlanes = [\"{lane}\"]\n");
        let sink = format!(
            "[[app.redis]]\nurl = \"{}\"\nformat = \"wxjava-mp\"\n",
            self.redis.url()
        );
        self.place
            .configure(&format!("{}{sink}{CALLER}", app(&lines)));
    }

    /// An SDK fetches, and keeps what it got as WxJava does.
    async fn fetch(&self) -> String {
        let line =
            format!("GET /cgi-bin/token?grant_type=client_credential&appid={APP}&secret={SECRET}");
        let reply = ask(&self.wechat.address().to_string(), &line, &[], "").await;
        let token = reply.unwrap().token().unwrap();
        self.redis.ask(&["SET", ENTRY, &token, "EX", "7000"]);
        token
    }

    fn entry(&self) -> String {
        self.redis.ask(&["GET", ENTRY])
    }

    /// Fetches WeChat has counted, of both lanes.
    fn fetches(&self) -> u64 {
        let world = self.wechat.world();
        world.calls(APP, CLASSIC) + world.calls(APP, STABLE)
    }
}

/// Clients of the other program: they read the entry and call WeChat, over and over.
struct Clients {
    stop: Arc<AtomicBool>,
    called: Arc<AtomicUsize>,
    client: tokio::task::JoinHandle<()>,
}

impl Clients {
    fn start(others: &Others) -> Self {
        let (stop, called) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicUsize::new(0)),
        );
        let (stops, calls) = (Arc::clone(&stop), Arc::clone(&called));
        let (port, wechat) = (others.redis.port, others.wechat.address().to_string());
        let client = tokio::spawn(async move {
            while !stops.load(Ordering::Relaxed) {
                let token =
                    tokio::task::spawn_blocking(move || Redis::ask_at(port, &["GET", ENTRY]));
                let token = token.await.unwrap();
                assert!(!token.is_empty(), "the entry is never absent");
                let line = format!("GET {PROBE}?access_token={token}");
                let reply = ask(&wechat, &line, &[], "").await.unwrap().json();
                assert!(reply["errcode"].as_i64().unwrap_or(0) == 0, "{reply}");
                calls.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self {
            stop,
            called,
            client,
        }
    }

    async fn go_on(&self) {
        let before = self.called.load(Ordering::Relaxed);
        until("clients go on", || {
            self.called.load(Ordering::Relaxed) > before + 20 || self.client.is_finished()
        })
        .await;
    }

    async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.client.await.expect("no client saw 40001");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn going_from_shadow_to_live_takes_the_token_in_use_over_and_no_client_sees_40001() {
    for lane in ["classic", "stable"] {
        let others = Others::new(&[]).await;
        others.fetch().await;
        let clients = Clients::start(&others);
        others.mode("shadow", lane);
        let server = Server::start(&others.place).await;
        server
            .says("holds a token of something that writes WxJava's format")
            .await;
        let renewed = others.fetch().await;
        server
            .says("something that writes WxJava's format fetched")
            .await;
        let refused = server
            .ask(&format!("GET /v1/apps/{APP}/access_token"), "")
            .await;
        assert_eq!(
            (refused.status, &refused.json()["reason"]),
            (503, &"shadow".into())
        );
        assert_eq!(server.sdk_token().await, None);
        clients.go_on().await;
        assert_eq!(others.fetches(), 2, "the SDK's own");
        assert_eq!(others.entry(), renewed, "nothing is written");

        others.mode("live", lane);
        server.signal(Signal::HUP);
        let line = format!("GET /v1/apps/{APP}/access_token");
        until_asked("it is handed out", PATIENCE, async || {
            server.ask(&line, "").await.token().as_ref() == Some(&renewed)
        })
        .await;
        clients.go_on().await;
        assert_eq!(others.fetches(), 2, "it lives, so nothing is fetched");
        clients.stop().await;
        others.redis.ask(&["DEL", ENTRY]);
        until("the entry is ours now, and put back", || {
            others.entry() == renewed
        })
        .await;
        assert_eq!(others.fetches(), 2);
        assert!(server.stop().await.success());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shadow_tells_who_fetches_when_and_that_one_kills_what_the_other_holds() {
    for events in [&["--notify-keyspace-events", "Kg$hxe"][..], &[]] {
        let others = Others::new(events).await;
        let first = others.fetch().await;
        others.mode("shadow", "classic");
        let server = Server::start(&others.place).await;
        server
            .says("holds a token of something that writes WxJava's format")
            .await;
        let world = others.wechat.world();
        until("it was probed", || world.calls(APP, PROBE) >= 1).await;
        // Another program fetches, keeps it to itself, and what lies in Redis dies.
        world.void(APP, Lane::Classic).unwrap();
        let second = others.fetch().await;
        assert_ne!(first, second);
        server
            .says("something that writes WxJava's format fetched")
            .await;
        world.void(APP, Lane::Classic).unwrap();
        others.redis.ask(&["SET", ENTRY, &first, "EX", "7000"]);
        server.says("was dead when it was first seen").await;
        others.redis.ask(&["DEL", ENTRY]);
        server.says("holds nothing any more").await;
        let log = server.log();
        for token in [&first, &second] {
            assert!(!log.contains(token.as_str()), "a value in the log");
        }
        assert_eq!(world.calls(APP, CLASSIC), 2);
        assert_eq!(others.entry(), "", "a shadow puts nothing back");
        assert!(server.stop().await.success());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_call_of_an_app_in_shadow_is_refused_with_the_reason_and_not_made() {
    let others = Others::new(&[]).await;
    others.fetch().await;
    others.mode("shadow", "stable");
    let caller = CALLER
        .replace("\"report\"]", "\"report\", \"call\"]")
        .replace("[\"*\"]", &format!("[\"{APP}\"]"));
    let text = std::fs::read_to_string(others.place.config()).unwrap();
    std::fs::write(others.place.config(), text.replace(CALLER, &caller)).unwrap();
    let server = Server::start(&others.place).await;
    let answer = server
        .ask("POST /cgi-bin/message/custom/send", "{}")
        .await
        .json();
    assert_eq!(
        answer["errcode"], 48001,
        "a code that SDKs do not repeat: {answer}"
    );
    assert!(
        answer["errmsg"].as_str().unwrap().contains("shadow"),
        "{answer}"
    );
    let sent = "/cgi-bin/message/custom/send";
    assert_eq!(others.wechat.world().calls(APP, sent), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_added_in_shadow_by_a_reload_is_taken_over_when_it_goes_live() {
    let others = Others::new(&[]).await;
    let first = others.fetch().await;
    others.place.configure(CALLER);
    let server = Server::start(&others.place).await;
    others.mode("shadow", "classic");
    server.signal(Signal::HUP);
    let world = others.wechat.world();
    until("it is probed", || world.calls(APP, PROBE) >= 1).await;
    others.mode("live", "classic");
    server.signal(Signal::HUP);
    let line = format!("GET /v1/apps/{APP}/access_token");
    until_asked("it is handed out", PATIENCE, async || {
        server.ask(&line, "").await.token().as_ref() == Some(&first)
    })
    .await;
    assert_eq!(others.fetches(), 1, "it lives, so nothing is fetched");
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_fetched_in_the_very_moment_of_the_switch_is_not_overwritten_by_the_one_before() {
    for lane in ["classic", "stable"] {
        let others = Others::new(&[]).await;
        let first = others.fetch().await;
        others.mode("shadow", lane);
        let server = Server::start(&others.place).await;
        let world = others.wechat.world();
        until("it is probed", || world.calls(APP, PROBE) >= 1).await;
        others.mode("live", lane);
        let renewed = others.fetch().await;
        server.signal(Signal::HUP);
        let line = format!("GET /v1/apps/{APP}/access_token");
        until_asked("another is handed out", PATIENCE, async || {
            assert_ne!(others.entry(), first, "it dies within minutes");
            let handed = server.ask(&line, "").await.token();
            handed.is_some_and(|handed| handed != first && others.entry() == handed)
        })
        .await;
        let lies = others.entry();
        assert!(lies == renewed || world.is_live(APP, &lies));
        assert!(server.stop().await.success());
    }
}
