//! Somebody signs in through the relay and is asked about over the API, well and wrongly: nothing that is theirs, and nothing
//! that stands for them, is anywhere but in the answers that are for whoever asked.

use std::process::Command;

use serde_json::{Value, json};
use wxtoken_simulator::{
    AppKind, AppSpec, Encrypted, Fault, FaultScope, Lane, Rules, Show, TicketKind, Upstream,
    UserCode, World,
};

use crate::canary::{MASTER, bytes_of, files, pages};
use crate::http::{Reply, ask};
use crate::needles::Needles;
use crate::place::{ADMIN_KEY, APP, KEY, Place, SECRET, free_port, wechat};
use crate::replicas::{Redis, Replicas};
use crate::server::{PATIENCE, Server, until_asked};

const MINI: &str = "wx00000000000000cc";
const MINI_SECRET: &str = "a1b2c3d4e5f60718293a4b5c6d7e8f90";
/// Of a caller that may have session keys, and another page.
const OTHER_KEY: &str = "0b5e55ed00112233445566778899aabb";
const PUSH_TOKEN: &str = "pUsh7Token4that0WeChat9signs3w";
/// People have names; these are no words of the program.
const NICKNAME: &str = "金丝雀先生\u{1F426}Kanarienvogel";
const PHONE: &str = "1993874650123";
const WHO: &str = "canary";
const BACK: &str = "https://shop.example.com/back";
const EXCHANGE: &str = "/sns/oauth2/access_token";
const PROFILE: &str = "/sns/userinfo";

/// The configuration, and where its public listener is.
fn configured(wechat: &Upstream, format: &str) -> (String, String) {
    let public = format!("127.0.0.1:{}", free_port());
    let lines = format!(
        "open_url = \"{}\"\n[public]\nlisten = \"{public}\"\nbase_url = \"http://{public}\"\nrate = \"1000/s\"\n\
         [log]\nlevel = \"trace\"\nformat = \"{format}\"\n\
         [[app]]\nappid = \"{APP}\"\nsecret = \"{SECRET}\"\npush_token = \"{PUSH_TOKEN}\"\n\
         kinds = [\"access_token\", \"jsapi_ticket\"]\n\
         [[app]]\nappid = \"{MINI}\"\nsecret = \"{MINI_SECRET}\"\ntype = \"mini\"\n\
         [[caller]]\nname = \"shop\"\nkey = \"{KEY}\"\napps = [\"*\"]\n\
         allow = [\"read\", \"report\", \"call\", \"users\", \"login\", \"sign\"]\n\
         return_to = [\"{BACK}\"]\nsign_origins = [\"https://shop.example.com\"]\n\
         [[caller]]\nname = \"other\"\nkey = \"{OTHER_KEY}\"\napps = [\"*\"]\n\
         allow = [\"read\", \"users\", \"login\", \"session_key\"]\nreturn_to = [\"https://other.example.com/\"]\n",
        wechat.base_url()
    );
    (lines, public)
}

async fn world() -> Upstream {
    let wechat = wechat(Rules::default(), 0).await;
    let mini = AppSpec::new(MINI, MINI_SECRET, AppKind::Mini);
    wechat.world().add_app(mini).unwrap();
    wechat.world().change_profile(WHO, |canary| {
        canary.nickname = NICKNAME.to_owned();
        canary.phone = PHONE.to_owned();
        canary.follows = true;
    });
    wechat
}

/// A browser on its way back from WeChat.
struct Tab {
    cookie: String,
    code: String,
    state: String,
}

impl Tab {
    fn callback(&self) -> String {
        format!(
            "/oauth/{APP}/callback?code={}&state={}",
            self.code, self.state
        )
    }
}

/// One server, and who asks it.
struct Story<'s> {
    place: &'s Place,
    server: &'s Server,
    wechat: &'s Upstream,
    public: &'s str,
    needles: Needles,
    /// What may be in answers about the user.
    theirs: Vec<String>,
}

impl<'s> Story<'s> {
    fn new(place: &'s Place, server: &'s Server, wechat: &'s Upstream, public: &'s str) -> Self {
        let mut story = Self {
            place,
            server,
            wechat,
            public,
            needles: Needles::default(),
            theirs: Vec::new(),
        };
        for (name, secret) in [
            ("AppSecret", SECRET),
            ("other AppSecret", MINI_SECRET),
            ("caller key", KEY),
            ("other caller's key", OTHER_KEY),
            ("admin key", ADMIN_KEY),
        ] {
            story.needles.plant_key(name, secret, &bytes_of(secret));
        }
        story.plant("push token", PUSH_TOKEN);
        story.plant("master key", MASTER);
        let [openid, mini] = [APP, MINI].map(|app| story.world().openid(app, WHO).unwrap());
        for (name, text) in [
            ("nickname", NICKNAME),
            ("phone number", PHONE),
            ("openid", &openid),
            ("openid of the mini program", &mini),
        ] {
            story.plant(name, text);
            story.theirs.push(text.to_owned());
        }
        story
    }

    fn world(&self) -> &'s World {
        self.wechat.world()
    }

    fn plant(&mut self, name: &str, text: &str) {
        self.needles.plant(name, text.as_bytes());
    }

    fn openid(&self, app: &str) -> String {
        self.world().openid(app, WHO).unwrap()
    }

    fn code(&mut self, app: &str, purpose: UserCode) -> String {
        let code = self.world().user_code(app, WHO, purpose).unwrap();
        self.plant("one-time code", &code);
        code
    }

    /// One request to the public listener.
    async fn open(&self, target: &str, headers: &[(&str, &str)]) -> Reply {
        let line = format!("GET {target}");
        ask(self.public, &line, headers, "").await.unwrap()
    }

    /// One request to API or gateway.
    async fn call(&self, key: &str, line: &str, body: &str) -> Reply {
        let key = format!("Bearer {key}");
        let headers = [("Authorization", key.as_str()), ("Wxtoken-App", APP)];
        ask(&self.place.api, line, &headers, body).await.unwrap()
    }

    /// A call that is answered well: what is the user's may be in the answer, and nothing else.
    async fn good(&self, key: &str, line: &str, body: &Value) -> Value {
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let reply = self.call(key, line, &body).await;
        assert!([200, 204].contains(&reply.status), "{line}: {reply:?}");
        let mut rest = String::from_utf8(reply.whole()).unwrap();
        for own in &self.theirs {
            rest = rest.replace(own.as_str(), "");
        }
        self.needles.none_in(line, rest.as_bytes());
        if reply.status == 204 {
            return Value::Null;
        }
        reply.json()
    }

    /// A call that is refused: nothing at all may be in the answer.
    async fn bad(&self, line: &str, body: &str) {
        let reply = self.call(KEY, line, body).await;
        let refused = reply.status >= 400 || reply.json()["errcode"].as_i64().unwrap_or(0) != 0;
        assert!(refused, "{line}: {reply:?}");
        self.needles.none_in(line, &reply.whole());
    }

    /// A page that tells a browser what went wrong.
    async fn page(&self, what: &str, target: &str, cookie: &str) {
        let reply = self.open(target, &[("Cookie", cookie)]).await;
        assert!(
            !reply.head.to_ascii_lowercase().contains("\r\nlocation:"),
            "{what}: {reply:?}"
        );
        assert!(!reply.body.is_empty(), "{what}: {reply:?}");
        self.needles.none_in(what, &reply.whole());
    }
}

fn location(reply: &Reply) -> String {
    assert_eq!(reply.status, 302, "{reply:?}");
    header(reply, "location")
}

fn header(reply: &Reply, name: &str) -> String {
    let mut lines = reply.head.lines().filter_map(|line| line.split_once(": "));
    let found = lines.find(|(key, _)| key.eq_ignore_ascii_case(name));
    found
        .unwrap_or_else(|| panic!("{name}: {reply:?}"))
        .1
        .into()
}

fn parameter(url: &str, name: &str) -> String {
    let (_, query) = url.split_once('?').unwrap();
    let query = query.split('#').next().unwrap();
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let found = pairs.clone().find(|(key, _)| *key == name);
    found.unwrap_or_else(|| panic!("{name}: {url}")).1.into()
}

fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// The relay: from the site's link to the code that its server redeems.
impl Story<'_> {
    async fn tab(&mut self) -> Tab {
        let asked = format!(
            "/oauth/{APP}/authorize?return_to={}&scope=snsapi_userinfo&state=cart7",
            escaped(BACK)
        );
        let sent = self.open(&asked, &[]).await;
        let cookie = header(&sent, "set-cookie");
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let page = location(&sent);
        let (_, query) = page.split_once('?').unwrap();
        let query = query.split('#').next().unwrap();
        let line = format!("GET /connect/reply?answer=allow&user={WHO}&{query}");
        let wechat = self.wechat.address().to_string();
        let back = location(&ask(&wechat, &line, &[], "").await.unwrap());
        let (code, state) = (parameter(&back, "code"), parameter(&back, "state"));
        self.needles.plant("web code", code.as_bytes());
        self.needles
            .plant_key("WeChat's state", &state, &bytes_of(&state));
        let (_, content) = cookie.split_once('=').unwrap();
        self.needles.plant("cookie", content.as_bytes());
        Tab {
            cookie,
            code,
            state,
        }
    }

    /// A whole sign-in; gives the code that the site's server is to redeem.
    async fn sign_in(&mut self) -> String {
        let tab = self.tab().await;
        let back = self.open(&tab.callback(), &[("Cookie", &tab.cookie)]).await;
        self.needles.none_in("the way back", &back.whole());
        let code = parameter(&location(&back), "code");
        self.needles
            .plant_key("code to redeem", &code, &bytes_of(&code));
        // Again: the browser's back button.
        self.page("used up", &tab.callback(), &tab.cookie).await;
        code
    }

    async fn redeemed(&mut self) {
        let code = self.sign_in().await;
        let body = json!({ "code": code }).to_string();
        let line = "POST /v1/oauth/redeem";
        let other = self.call(OTHER_KEY, line, &body).await;
        assert_eq!(other.status, 404, "{other:?}");
        self.needles.none_in("another's code", &other.whole());
        self.bad(line, &body[..body.len() - 2]).await;
        self.bad(line, &format!("{{\"{code}\":\"{code}\"}}")).await;
        let reply = self.call(KEY, line, &body).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let user = reply.json();
        assert_eq!(user["openid"], self.openid(APP), "{user}");
        let unionid = user["unionid"].as_str().unwrap().to_owned();
        self.plant("unionid", &unionid);
        self.theirs.push(unionid);
        self.bad(line, &body).await;
    }

    async fn relay_refuses(&mut self) {
        let tab = self.tab().await;
        let (cookie, state) = (tab.cookie.as_str(), tab.state.as_str());
        let forged = format!("{}{}", &state[1..], &state[..1]);
        let begin = format!("/oauth/{APP}/callback");
        let code = tab.code.clone();
        for (what, target, cookie) in [
            (
                "a forged state",
                format!("{begin}?code={code}&state={forged}"),
                cookie,
            ),
            ("no cookie", tab.callback(), ""),
            (
                "a state twice",
                format!("{}&state={state}", tab.callback()),
                cookie,
            ),
            ("another app", tab.callback().replace(APP, MINI), cookie),
            ("no code", format!("{begin}?state={state}"), cookie),
            ("nothing", format!("/{code}/{state}"), cookie),
            (
                "a page that is not listed",
                format!("/oauth/{APP}/authorize?return_to={code}&state={state}"),
                cookie,
            ),
            (
                "no scope",
                format!(
                    "/oauth/{APP}/authorize?return_to={}&scope={code}",
                    escaped(BACK)
                ),
                cookie,
            ),
        ] {
            self.page(what, &target, cookie).await;
        }
        for fault in faults() {
            let scope = FaultScope::path(EXCHANGE);
            let what = format!("{fault:?}");
            self.world().set_fault(scope, fault, None);
            let tab = self.tab().await;
            self.page(&what, &tab.callback(), &tab.cookie).await;
            self.world().clear_faults();
        }
        // A code that was spent elsewhere.
        let tab = self.tab().await;
        let spent = format!(
            "GET {EXCHANGE}?appid={APP}&secret={SECRET}&code={}&grant_type=authorization_code",
            tab.code
        );
        let wechat = self.wechat.address().to_string();
        ask(&wechat, &spent, &[], "").await.unwrap();
        self.page("a code that was spent", &tab.callback(), &tab.cookie)
            .await;
    }

    async fn push_and_pages(&mut self) {
        for query in [
            format!("signature={PUSH_TOKEN}&timestamp=1&nonce=2&echostr=3"),
            format!("echostr={PUSH_TOKEN}"),
        ] {
            let target = format!("/push/{APP}?{query}");
            self.page("a wrong push", &target, "").await;
        }
        until_asked("the ticket is there", PATIENCE, async || {
            self.server.admin("GET /readyz?apps").await.json()["complete"] == 2
        })
        .await;
        for lane in [Lane::Stable, Lane::Ticket(TicketKind::Jsapi)] {
            let value = self.world().current_token(APP, lane).unwrap();
            // The first characters of every token are alike and no secret.
            self.plant(lane.name(), &value[3..]);
        }
        let line = format!("POST /v1/apps/{APP}/jssdk-signature");
        let url = json!({ "url": "https://shop.example.com/cart#top" });
        let signed = self.good(KEY, &line, &url).await;
        assert!(signed["signature"].is_string(), "{signed}");
        for (origin, status) in [
            ("https://shop.example.com", 200),
            ("https://evil.example", 403),
        ] {
            let target = format!("/jssdk/{APP}?url=https%3A%2F%2Fshop.example.com%2F");
            let reply = self.open(&target, &[("Origin", origin)]).await;
            assert_eq!(reply.status, status, "{reply:?}");
            self.needles.none_in("a page's signature", &reply.whole());
        }
    }
}

/// WeChat tells every request back, and misbehaves in ways that make a program talk.
fn faults() -> Vec<Fault> {
    let codes = [-1, 40003, 40013, 40029, 40125, 40163, 40226, 77_777];
    let echoes = codes.map(|code| Fault::Echo { code });
    let others = [Fault::TornJson, Fault::LostAnswer];
    echoes.into_iter().chain(others).collect()
}

/// The API about users.
impl Story<'_> {
    async fn all_is_asked(&mut self) {
        let (user, mini) = (self.openid(APP), self.openid(MINI));
        let (of_user, of_mini) = (
            format!("/v1/apps/{APP}/users"),
            format!("/v1/apps/{MINI}/users/{mini}"),
        );
        self.good(KEY, &format!("GET {of_user}/{user}"), &Value::Null)
            .await;
        let body = json!({ "openids": [user] });
        self.good(KEY, &format!("POST {of_user}/batch"), &body)
            .await;
        let profile = format!("GET {of_user}/{user}/profile");
        let shown = self.good(KEY, &profile, &Value::Null).await;
        assert_eq!(shown["user"]["nickname"], NICKNAME);
        // The web token is called bad once, and so renewed.
        let bad = Fault::Errcode { code: 40001 };
        self.world()
            .set_fault(FaultScope::path(PROFILE), bad, Some(1));
        self.good(KEY, &profile, &Value::Null).await;
        let login = format!("POST /v1/apps/{MINI}/login");
        let body = json!({ "code": self.code(MINI, UserCode::Login) });
        let shown = self.good(KEY, &login, &body).await;
        assert!(shown.get("session_key").is_none(), "{shown}");
        let used = body.to_string();
        self.bad(&login, &used).await;
        let body = json!({ "code": self.code(MINI, UserCode::Login) });
        let shown = self.good(OTHER_KEY, &login, &body).await;
        let session_key = shown["session_key"].as_str().unwrap().to_owned();
        self.plant("session key", &session_key);
        let check = format!("POST {of_mini}/checksession");
        assert_eq!(self.good(KEY, &check, &json!({})).await["valid"], true);
        for what in [Encrypted::Profile, Encrypted::Phone] {
            let sent = self.world().encrypted(MINI, WHO, what, None).unwrap();
            let body = json!({ "encrypted_data": sent.encrypted_data, "iv": sent.iv });
            self.good(KEY, &format!("POST {of_mini}/decrypt"), &body)
                .await;
        }
        let phone = format!("POST /v1/apps/{MINI}/phone-number");
        let body = json!({ "code": self.code(MINI, UserCode::Phone) });
        let shown = self.good(KEY, &phone, &body).await;
        assert_eq!(shown["phone_info"]["purePhoneNumber"], PHONE);
        self.bad(&phone, &body.to_string()).await;
        self.plant_what_wechat_saw();
    }

    /// Tokens that never leave the program but for WeChat.
    fn plant_what_wechat_saw(&mut self) {
        let mut found = [0, 0];
        for call in self.world().log() {
            let query = format!("?{}", call.query(Show::Raw));
            let name = match &*call.path {
                PROFILE => "access_token",
                "/sns/oauth2/refresh_token" => "refresh_token",
                _ => continue,
            };
            // Where somebody else asked, and wrongly.
            if query.contains(&format!("{name}=")) {
                let value = parameter(&query, name);
                self.plant(name, &value[3..]);
                found[usize::from(name == "refresh_token")] += 1;
            }
        }
        assert!(found.iter().all(|found| *found > 0), "{found:?}");
    }

    async fn wechat_refuses(&mut self) {
        let (user, mini) = (self.openid(APP), self.openid(MINI));
        for fault in faults() {
            let (login, phone) = (
                self.code(MINI, UserCode::Login),
                self.code(MINI, UserCode::Phone),
            );
            for path in [
                "/cgi-bin/user/info",
                "/cgi-bin/user/info/batchget",
                PROFILE,
                "/sns/oauth2/refresh_token",
                "/sns/jscode2session",
                "/wxa/checksession",
                "/wxa/business/getuserphonenumber",
            ] {
                let scope = FaultScope::path(path);
                self.world().set_fault(scope, fault.clone(), None);
            }
            for (line, body) in [
                (format!("GET /v1/apps/{APP}/users/{user}"), Value::Null),
                (
                    format!("POST /v1/apps/{APP}/users/batch"),
                    json!({ "openids": [user] }),
                ),
                (
                    format!("GET /v1/apps/{APP}/users/{user}/profile"),
                    Value::Null,
                ),
                (
                    format!("POST /v1/apps/{MINI}/login"),
                    json!({ "code": login }),
                ),
                (
                    format!("POST /v1/apps/{MINI}/users/{mini}/checksession"),
                    json!({}),
                ),
                (
                    format!("POST /v1/apps/{MINI}/phone-number"),
                    json!({ "code": phone, "openid": mini }),
                ),
            ] {
                let body = if body.is_null() {
                    String::new()
                } else {
                    body.to_string()
                };
                self.bad(&line, &body).await;
            }
            self.world().clear_faults();
        }
    }

    /// Each secret where it does not belong, and half a request.
    async fn wrongly_asked(&mut self) {
        let (user, mini) = (self.openid(APP), self.openid(MINI));
        let last = |name: &str, path: &str| {
            let calls = self.world().log();
            let mut of_path = calls.iter().filter(|call| &*call.path == path);
            parameter(
                &format!("?{}", of_path.next_back().unwrap().query(Show::Raw)),
                name,
            )
        };
        let (web, refresh) = (
            last("access_token", PROFILE),
            last("refresh_token", "/sns/oauth2/refresh_token"),
        );
        let session_key = self.world().session_key(MINI, WHO).unwrap().unwrap();
        let redeem = self.sign_in().await;
        let login = self.code(MINI, UserCode::Login);
        let users = format!("/v1/apps/{APP}/users");
        let foreign = self
            .world()
            .encrypted(MINI, WHO, Encrypted::Phone, Some(APP))
            .unwrap();
        let foreign = json!({ "encrypted_data": foreign.encrypted_data, "iv": foreign.iv });
        let mut lines = vec![
            (format!("GET {users}/{user}?fields=nickname"), String::new()),
            (format!("GET {users}/{user}?lang={web}"), String::new()),
            (
                format!("GET {users}/{user}/profile?fields=subscribe"),
                String::new(),
            ),
            (format!("GET {users}/{mini}"), String::new()),
            (format!("GET {users}/{mini}/profile"), String::new()),
            (format!("GET {users}/{user}/{web}"), String::new()),
            (format!("GET {users}/{}", escaped(NICKNAME)), String::new()),
            (format!("GET /v1/apps/{MINI}/users/{mini}"), String::new()),
            (
                format!("POST /v1/apps/{MINI}/users/{mini}/decrypt"),
                foreign.to_string(),
            ),
            (
                format!("POST /v1/apps/{MINI}/users/{mini}/decrypt"),
                json!({ "encrypted_data": session_key, "iv": session_key }).to_string(),
            ),
            (
                format!("POST {users}/{user}/decrypt"),
                json!({ "encrypted_data": session_key, "iv": session_key }).to_string(),
            ),
            (
                format!("GET /cgi-bin/user/info?access_token={web}&openid={user}"),
                String::new(),
            ),
            (
                format!("GET /sns/userinfo?access_token={refresh}&openid={user}"),
                String::new(),
            ),
        ];
        for secret in [&web, &refresh, &session_key, &redeem, &login] {
            let code = json!({ "code": secret }).to_string();
            if secret != &redeem {
                lines.push(("POST /v1/oauth/redeem".to_owned(), code.clone()));
            }
            if secret != &login {
                lines.push((format!("POST /v1/apps/{MINI}/login"), code.clone()));
                lines.push((format!("POST /v1/apps/{MINI}/phone-number"), code));
            }
            lines.push((format!("GET {users}/{}", escaped(secret)), String::new()));
            let half = format!("{{\"code\":\"{secret}\",\"openids\":[\"{secret}\",");
            for path in [
                "/v1/oauth/redeem".to_owned(),
                format!("{users}/batch"),
                format!("/v1/apps/{MINI}/login"),
                format!("/v1/apps/{MINI}/phone-number"),
                format!("/v1/apps/{MINI}/users/{mini}/decrypt"),
                format!("/v1/apps/{APP}/access_token/dead"),
            ] {
                lines.push((format!("POST {path}"), half.clone()));
            }
        }
        for (line, body) in &lines {
            self.bad(line, body).await;
        }
        for token in [&web, &refresh] {
            let line = format!("POST /v1/apps/{APP}/access_token/dead");
            let body = json!({ "token": token });
            let told = self.good(KEY, &line, &body).await;
            assert_eq!(told["verdict"], "wrong_kind", "{told}");
        }
    }

    /// Grants end, users are forgotten, and others are kept.
    async fn over(&mut self) {
        let user = self.openid(APP);
        let line = format!("/v1/apps/{APP}/users/{user}");
        self.world().revoke(APP, WHO).unwrap();
        self.bad(&format!("GET {line}/profile"), "").await;
        self.good(KEY, &format!("DELETE {line}"), &Value::Null)
            .await;
        self.bad(&format!("GET {line}/profile"), "").await;
        self.sign_in().await;
        let profile = format!("GET {line}/profile");
        self.good(KEY, &profile, &Value::Null).await;
        self.plant_what_wechat_saw();
    }

    /// Whatever asks for a user's record or leaves one, while WeChat or the store is away.
    async fn away(&mut self, what: &str, tab: Tab, redeem: &str) {
        let (user, mini) = (self.openid(APP), self.openid(MINI));
        let [login, phone] =
            [UserCode::Login, UserCode::Phone].map(|purpose| self.code(MINI, purpose));
        self.page(what, &tab.callback(), &tab.cookie).await;
        let mut lines = vec![
            (
                format!("POST /v1/apps/{MINI}/login"),
                json!({ "code": login }).to_string(),
            ),
            (
                format!("POST /v1/apps/{MINI}/users/{mini}/checksession"),
                "{}".to_owned(),
            ),
        ];
        if what == "WeChat is away" {
            lines.push((
                format!("POST /v1/apps/{MINI}/phone-number"),
                json!({ "code": phone }).to_string(),
            ));
            lines.push((format!("GET /v1/apps/{APP}/users/{user}"), String::new()));
        } else {
            lines.push((
                "POST /v1/oauth/redeem".to_owned(),
                json!({ "code": redeem }).to_string(),
            ));
            lines.push((format!("DELETE /v1/apps/{APP}/users/{user}"), String::new()));
        }
        lines.push((
            format!("GET /v1/apps/{APP}/users/{user}/profile"),
            String::new(),
        ));
        for (line, body) in &lines {
            self.bad(line, body).await;
        }
    }

    async fn wechat_is_away(&mut self) {
        let (tab, redeem) = (self.tab().await, self.sign_in().await);
        self.world().go_down().await.unwrap();
        self.away("WeChat is away", tab, &redeem).await;
        self.world().come_up().await.unwrap();
    }

    /// What WeChat was told, where all of it belongs: the same search finds it there.
    fn finds(&self) {
        let calls = self.world().log();
        let told = calls.iter().map(|call| {
            let body = String::from_utf8_lossy(call.body()).into_owned();
            format!("{} {}\n{body}\n", call.path, call.query(Show::Raw))
        });
        let told: String = told.collect();
        let found = self.needles.in_text(told.as_bytes()).join(" ");
        for name in [
            "access_token",
            "refresh_token",
            "web code",
            "one-time code",
            "openid (",
            "openid of the mini program",
            "AppSecret",
        ] {
            assert!(found.contains(name), "{name} is not among {found}");
        }
    }

    /// All of it, and then what anybody may look at.
    async fn told(&mut self) {
        self.push_and_pages().await;
        self.redeemed().await;
        self.all_is_asked().await;
        self.relay_refuses().await;
        self.wechat_refuses().await;
        self.redeemed().await;
        self.wrongly_asked().await;
        self.wechat_is_away().await;
        self.over().await;
        self.finds();
        pages(self.server, true, &self.needles).await;
    }
}

/// The log was long enough to tell something, and told of users without telling who.
fn searched(log: &str, needles: &Needles) {
    assert!(log.contains("a user came back from WeChat"), "{log}");
    needles.none_in("the log", log.as_bytes());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_who_signed_in_is_in_a_file_a_log_or_what_others_are_told() {
    let wechat = world().await;
    let mut place = Place::new(&wechat);
    place.store = format!("master_key = \"{MASTER}\"");
    let (lines, public) = configured(&wechat, "text");
    place.configure(&lines);
    let server = Server::start(&place).await;
    let mut story = Story::new(&place, &server, &wechat, &public);
    story.told().await;
    let needles = story.needles;
    // Killed: what the journal holds is searched as well.
    server.kill();
    searched(&place.logs(), &needles);
    let mut names = Vec::new();
    files(place.folder.path(), &needles, &mut names);
    for name in ["users.db", "users.db-wal"] {
        assert!(names.iter().any(|file| file == name), "{name}: {names:?}");
    }
    std::fs::write(place.folder.path().join("phrase"), "a long phrase for this").unwrap();
    let exported = Server::program()
        .args(["export", "--config"])
        .arg(place.config())
        .arg("--to")
        .arg(place.folder.path().join("export"))
        .env_clear()
        .env(
            "WXTOKEN_PASSPHRASE_FILE",
            place.folder.path().join("phrase"),
        )
        .output()
        .unwrap();
    assert!(exported.status.success(), "{exported:?}");
    let said = [exported.stdout, exported.stderr].concat();
    needles.none_in("what export says", &said);
    let mut names = Vec::new();
    files(place.folder.path(), &needles, &mut names);
    assert!(names.iter().any(|file| file == "export"), "{names:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_who_signed_in_is_in_redis_in_the_clear() {
    let redis = Redis::start(&["--rdbcompression", "no"]).await;
    let wechat = world().await;
    let (lines, public) = configured(&wechat, "json");
    let mut replicas = Replicas::over(redis, wechat, 1, &lines);
    replicas.start_all().await;
    let mut story = Story::new(
        &replicas.places[0],
        replicas.at(0),
        &replicas.wechat,
        &public,
    );
    story.told().await;
    let (tab, redeem) = (story.tab().await, story.sign_in().await);
    let port = replicas.redis.port.to_string();
    let asked = |words: &[&str]| {
        let mut command = Command::new("redis-cli");
        command.args(["-p", &port]).args(words).output().unwrap()
    };
    let keys = asked(&["KEYS", "*"]).stdout;
    assert!(keys.windows(APP.len()).any(|some| some == APP.as_bytes()));
    story.needles.none_in("the names of Redis' keys", &keys);
    // Everything Redis holds, as it would be on its disk.
    let saved = asked(&["SAVE"]);
    assert!(saved.status.success(), "{saved:?}");
    let dump = std::fs::read(replicas.redis.folder.path().join("dump.rdb")).unwrap();
    assert!(dump.len() > keys.len(), "it holds something");
    story.needles.none_in("what Redis holds", &dump);
    asked(&["SHUTDOWN", "NOSAVE"]);
    story.away("the store is away", tab, &redeem).await;
    pages(story.server, true, &story.needles).await;
    let needles = story.needles;
    replicas.stop(0).await;
    searched(&replicas.places[0].logs(), &needles);
}
