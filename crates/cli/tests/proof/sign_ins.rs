//! Users sign in through replicas that share one Redis and one master key: begun at one, gone on with at another, and each
//! code spent once among all of them.

use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::future::join_all;
use wxtoken_simulator::{Fault, FaultScope, Rules};

use crate::http::{Reply, ask};
use crate::place::{APP, KEY, app, free_port};
use crate::replicas::{MASTER, Replicas};
use crate::server::{PATIENCE, until, until_asked};

const EXCHANGE: &str = "/sns/oauth2/access_token";
const BASE: &str = "https://wx.example.com";
const BACK: &str = "https://shop.example.com/back";
/// Under which replicas seal after a change.
const NEXT_MASTER: &str = "EjRWeJq83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vA=";
/// How often a race is run.
const RACES: usize = 20;

/// Two replicas, and where browsers reach each.
struct Sites {
    replicas: Replicas,
    public: [String; 2],
    next_user: AtomicU32,
}

/// A user on the way, as their browser knows it.
struct Tab {
    cookie: String,
    /// Path and query of the callback.
    callback: String,
}

impl Sites {
    async fn start() -> Self {
        let replicas = Replicas::new(2, Rules::default(), 0, "").await;
        let mut sites = Self {
            replicas,
            public: [0; 2].map(|_| format!("127.0.0.1:{}", free_port())),
            next_user: AtomicU32::new(0),
        };
        sites.configure();
        sites.replicas.start_all().await;
        sites
    }

    fn configure(&self) {
        for (place, public) in self.replicas.places.iter().zip(&self.public) {
            place.configure(&format!(
                "open_url = \"{}\"\n[public]\nlisten = \"{public}\"\nbase_url = \"{BASE}\"\nrate = \"1000/s\"\n{}\
                 [[caller]]\nname = \"shop\"\nkey = \"{KEY}\"\napps = [\"*\"]\nallow = [\"users\"]\nreturn_to = [\"{BACK}\"]\n",
                place.url,
                app("")
            ));
        }
    }

    /// All stop, and go on under another master key that still knows the one before.
    async fn change_master_key(&mut self) {
        for at in 0..2 {
            self.replicas.stop(at).await;
            let place = &mut self.replicas.places[at];
            let (old, new) = (
                format!("master_key = \"{MASTER}\""),
                format!("master_key = \"{NEXT_MASTER}\"\nprevious_master_key = \"{MASTER}\""),
            );
            place.store = place.store.replace(&old, &new);
        }
        self.configure();
        self.replicas.start_all().await;
    }

    async fn open(&self, at: usize, target: &str, cookie: &str) -> Reply {
        let line = format!("GET {target}");
        let asked = ask(&self.public[at], &line, &[("Cookie", cookie)], "").await;
        asked.unwrap_or_else(|why| panic!("{line}: {why}\n{}", self.replicas.at(at).log()))
    }

    /// From the site's link at one replica through WeChat's page, to where the browser comes back.
    async fn through_wechat(&self, at: usize) -> Tab {
        let back = BACK.replace(':', "%3A").replace('/', "%2F");
        let target = format!("/oauth/{APP}/authorize?return_to={back}&state=s");
        let sent = self.open(at, &target, "").await;
        let wechat = self.replicas.wechat.base_url();
        let page = header(&sent, "location").strip_prefix(&wechat).unwrap();
        let page = page.strip_suffix("#wechat_redirect").unwrap();
        let user = self.next_user.fetch_add(1, Ordering::Relaxed);
        let line = format!("GET {page}&user=user{user}");
        let address = wechat.strip_prefix("http://").unwrap();
        let answer = ask(address, &line, &[], "").await.unwrap();
        let cookie = header(&sent, "set-cookie").split(';').next().unwrap();
        Tab {
            cookie: cookie.to_owned(),
            callback: header(&answer, "location")
                .strip_prefix(BASE)
                .unwrap()
                .to_owned(),
        }
    }

    async fn come_back(&self, at: usize, tab: &Tab) -> Reply {
        self.open(at, &tab.callback, &tab.cookie).await
    }

    async fn redeem(&self, at: usize, code: &str) -> Reply {
        let body = format!("{{\"code\":\"{code}\"}}");
        let server = self.replicas.at(at);
        server.ask("POST /v1/oauth/redeem", &body).await
    }

    fn exchanges(&self) -> u64 {
        self.replicas.world().calls(APP, EXCHANGE)
    }
}

fn header<'r>(reply: &'r Reply, name: &str) -> &'r str {
    let lines = reply.head.lines().filter_map(|line| line.split_once(": "));
    let mut found = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
    found
        .next()
        .unwrap_or_else(|| panic!("{name}: {reply:?}"))
        .1
}

/// The code that the site is told.
fn code_of(back: &Reply) -> String {
    let to = header(back, "location");
    let code = to.strip_prefix(&format!("{BACK}?code=")).unwrap();
    code.strip_suffix("&state=s").unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_begins_at_one_replica_ends_at_another_and_is_redeemed_at_either() {
    let sites = Sites::start().await;
    for (begun, ended, redeemed) in [(0, 1, 0), (0, 1, 1), (1, 0, 0), (1, 0, 1)] {
        let tab = sites.through_wechat(begun).await;
        let code = code_of(&sites.come_back(ended, &tab).await);
        let user = sites.redeem(redeemed, &code).await;
        assert_eq!(user.status, 200, "{user:?}");
        let json = user.json();
        assert!(
            json["openid"]
                .as_str()
                .is_some_and(|id| id.starts_with('o'))
        );
        for at in 0..2 {
            assert_eq!(sites.redeem(at, &code).await.status, 404);
            assert_eq!(sites.come_back(at, &tab).await.status, 409);
        }
    }
    assert_eq!(sites.exchanges(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_state_at_both_replicas_at_once_is_exchanged_once() {
    let sites = Sites::start().await;
    for race in 0..RACES {
        let tab = sites.through_wechat(race % 2).await;
        let both = join_all((0..8).map(|one| sites.come_back(one % 2, &tab))).await;
        let mut statuses: Vec<u16> = both.iter().map(|answer| answer.status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [302, 409, 409, 409, 409, 409, 409, 409]);
        let (_, code) = tab.callback.split_once("code=").unwrap();
        let code = code.split('&').next().unwrap();
        assert_eq!(sites.replicas.world().code_uses(code).shown, 1);
    }
    assert_eq!(sites.exchanges(), RACES as u64);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_code_at_both_replicas_at_once_is_redeemed_once() {
    let sites = Sites::start().await;
    for race in 0..RACES {
        let tab = sites.through_wechat(race % 2).await;
        let code = code_of(&sites.come_back(race % 2, &tab).await);
        let tries = join_all((0..20).map(|one| sites.redeem(one % 2, &code))).await;
        let (good, bad): (Vec<_>, _) = tries.into_iter().partition(|one| one.status == 200);
        assert_eq!((good.len(), bad.len()), (1, 19));
        for one in bad {
            assert_eq!(one.json()["type"], "urn:wxtoken:problem:unknown-code");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_under_way_when_the_master_key_was_changed_goes_on() {
    let mut sites = Sites::start().await;
    let begun = sites.through_wechat(0).await;
    let ended = sites.through_wechat(0).await;
    let code = code_of(&sites.come_back(1, &ended).await);
    sites.change_master_key().await;
    assert_eq!(sites.redeem(0, &code).await.status, 200);
    assert_eq!(sites.redeem(1, &code).await.status, 404);
    assert_eq!(sites.come_back(0, &ended).await.status, 409);
    let code = code_of(&sites.come_back(1, &begun).await);
    assert_eq!(sites.redeem(0, &code).await.status, 200);
    assert_eq!(sites.exchanges(), 2);
}

/// Nobody is sent anywhere, and reads that it is no fault of theirs.
#[track_caller]
fn is_page_of_a_store_that_is_away(answer: &Reply) {
    assert_eq!(answer.status, 503, "{answer:?}");
    let page = String::from_utf8_lossy(&answer.body);
    assert!(page.contains("服务器暂时无法保存登录结果"), "{page}");
    assert!(
        page.contains("The server cannot keep the sign-in"),
        "{page}"
    );
    assert!(page.contains("/authorize?return_to="), "{page}");
    assert!(!answer.head.to_lowercase().contains("location:"));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_redis_is_away_no_code_is_spent_and_the_same_sign_in_goes_on_afterwards() {
    let mut sites = Sites::start().await;
    let tab = sites.through_wechat(0).await;
    sites.replicas.redis.kill();
    is_page_of_a_store_that_is_away(&sites.come_back(1, &tab).await);
    assert_eq!(sites.exchanges(), 0);
    let server = sites.replicas.at(1);
    server.says("a user who came back could not be noted").await;
    assert_eq!(sites.redeem(1, &"0".repeat(64)).await.status, 503);
    sites.replicas.redis.restart().await;
    let mut back = None;
    until_asked("the sign-in goes on", PATIENCE, async || {
        let answer = sites.come_back(1, &tab).await;
        let went = answer.status == 302;
        back = went.then_some(answer);
        went
    })
    .await;
    let code = code_of(&back.unwrap());
    assert_eq!(sites.redeem(1, &code).await.status, 200);
    assert_eq!(sites.exchanges(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_wechat_granted_and_redis_could_not_keep_is_told_to_user_and_operator() {
    let mut sites = Sites::start().await;
    let tab = sites.through_wechat(0).await;
    let held = Fault::Hold { before: false };
    let scope = FaultScope::path(EXCHANGE);
    sites.replicas.world().set_fault(scope, held, Some(1));
    let public = sites.public[0].clone();
    let (line, cookie) = (format!("GET {}", tab.callback), tab.cookie.clone());
    let coming_back =
        tokio::spawn(async move { ask(&public, &line, &[("Cookie", &cookie)], "").await });
    until("WeChat has granted", || sites.replicas.world().held() == 1).await;
    sites.replicas.redis.kill();
    sites.replicas.world().release_held();
    is_page_of_a_store_that_is_away(&coming_back.await.unwrap().unwrap());
    let log = "what was granted could not be kept";
    sites.replicas.at(0).says(log).await;
    assert_eq!(sites.exchanges(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_says_in_plain_words_why_wechat_refuses_the_app() {
    let sites = Sites::start().await;
    for (code, words) in [
        (40125, "The AppSecret is wrong or has been reset."),
        (
            40164,
            "run `wxtoken check`: it prints the exact address to add",
        ),
    ] {
        let tab = sites.through_wechat(0).await;
        let (scope, fault) = (FaultScope::path(EXCHANGE), Fault::Errcode { code });
        sites.replicas.world().set_fault(scope, fault, Some(1));
        let page = sites.come_back(0, &tab).await;
        assert_eq!(page.status, 502, "{page:?}");
        let server = sites.replicas.at(0);
        server.says(words).await;
        server.says(&format!("`wxtoken explain {code}`")).await;
        let (_, shown) = tab.callback.split_once("code=").unwrap();
        let shown = shown.split('&').next().unwrap();
        assert!(!server.log().contains(shown));
    }
}
