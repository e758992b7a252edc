//! Somebody who signs in through the relay, the server they meet, and who asks it; with all that is theirs, to be looked for.
//!
//! Must not know: what is asked.

use serde_json::Value;
use wxtoken_simulator::{AppKind, AppSpec, Fault, Rules, Upstream, UserCode, World};

use crate::canary::{MASTER, bytes_of};
use crate::http::{Reply, ask};
use crate::needles::Needles;
use crate::place::{ADMIN_KEY, APP, KEY, Place, SECRET, free_port, wechat};
use crate::server::Server;

pub(crate) const MINI: &str = "wx00000000000000cc";
pub(crate) const MINI_SECRET: &str = "a1b2c3d4e5f60718293a4b5c6d7e8f90";
/// Of a caller that may have session keys, and another page.
pub(crate) const OTHER_KEY: &str = "0b5e55ed00112233445566778899aabb";
pub(crate) const PUSH_TOKEN: &str = "pUsh7Token4that0WeChat9signs3w";
/// People have names; these are no words of the program.
pub(crate) const NICKNAME: &str = "金丝雀先生\u{1F426}Kanarienvogel";
pub(crate) const PHONE: &str = "1993874650123";
pub(crate) const WHO: &str = "canary";
pub(crate) const BACK: &str = "https://shop.example.com/back";
pub(crate) const EXCHANGE: &str = "/sns/oauth2/access_token";
pub(crate) const PROFILE: &str = "/sns/userinfo";

/// The configuration, and where its public listener is.
pub(crate) fn configured(wechat: &Upstream, format: &str) -> (String, String) {
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

pub(crate) async fn world() -> Upstream {
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
pub(crate) struct Tab {
    pub(crate) cookie: String,
    pub(crate) code: String,
    pub(crate) state: String,
}

impl Tab {
    pub(crate) fn callback(&self) -> String {
        format!(
            "/oauth/{APP}/callback?code={}&state={}",
            self.code, self.state
        )
    }
}

/// One server, and who asks it.
pub(crate) struct Story<'s> {
    pub(crate) place: &'s Place,
    pub(crate) server: &'s Server,
    pub(crate) wechat: &'s Upstream,
    pub(crate) public: &'s str,
    pub(crate) needles: Needles,
    /// What may be in answers about the user.
    pub(crate) theirs: Vec<String>,
}

impl<'s> Story<'s> {
    pub(crate) fn new(
        place: &'s Place,
        server: &'s Server,
        wechat: &'s Upstream,
        public: &'s str,
    ) -> Self {
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

    pub(crate) fn world(&self) -> &'s World {
        self.wechat.world()
    }

    pub(crate) fn plant(&mut self, name: &str, text: &str) {
        self.needles.plant(name, text.as_bytes());
    }

    pub(crate) fn openid(&self, app: &str) -> String {
        self.world().openid(app, WHO).unwrap()
    }

    pub(crate) fn code(&mut self, app: &str, purpose: UserCode) -> String {
        let code = self.world().user_code(app, WHO, purpose).unwrap();
        self.plant("one-time code", &code);
        code
    }

    /// One request to the public listener.
    pub(crate) async fn open(&self, target: &str, headers: &[(&str, &str)]) -> Reply {
        let line = format!("GET {target}");
        ask(self.public, &line, headers, "").await.unwrap()
    }

    /// One request to API or gateway.
    pub(crate) async fn call(&self, key: &str, line: &str, body: &str) -> Reply {
        let key = format!("Bearer {key}");
        let headers = [("Authorization", key.as_str()), ("Wxtoken-App", APP)];
        ask(&self.place.api, line, &headers, body).await.unwrap()
    }

    /// A call that is answered well: what is the user's may be in the answer, and nothing else.
    pub(crate) async fn good(&self, key: &str, line: &str, body: &Value) -> Value {
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
    pub(crate) async fn bad(&self, line: &str, body: &str) {
        let reply = self.call(KEY, line, body).await;
        let refused = reply.status >= 400 || reply.json()["errcode"].as_i64().unwrap_or(0) != 0;
        assert!(refused, "{line}: {reply:?}");
        self.needles.none_in(line, &reply.whole());
    }

    /// A page that tells a browser what went wrong.
    pub(crate) async fn page(&self, what: &str, target: &str, cookie: &str) {
        let reply = self.open(target, &[("Cookie", cookie)]).await;
        assert!(
            !reply.head.to_ascii_lowercase().contains("\r\nlocation:"),
            "{what}: {reply:?}"
        );
        assert!(!reply.body.is_empty(), "{what}: {reply:?}");
        self.needles.none_in(what, &reply.whole());
    }
}

pub(crate) fn location(reply: &Reply) -> String {
    assert_eq!(reply.status, 302, "{reply:?}");
    header(reply, "location")
}

pub(crate) fn header(reply: &Reply, name: &str) -> String {
    let mut lines = reply.head.lines().filter_map(|line| line.split_once(": "));
    let found = lines.find(|(key, _)| key.eq_ignore_ascii_case(name));
    found
        .unwrap_or_else(|| panic!("{name}: {reply:?}"))
        .1
        .into()
}

pub(crate) fn parameter(url: &str, name: &str) -> String {
    let (_, query) = url.split_once('?').unwrap();
    let query = query.split('#').next().unwrap();
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let found = pairs.clone().find(|(key, _)| *key == name);
    found.unwrap_or_else(|| panic!("{name}: {url}")).1.into()
}

pub(crate) fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// WeChat tells every request back, and misbehaves in ways that make a program talk.
pub(crate) fn faults() -> Vec<Fault> {
    let codes = [-1, 40003, 40013, 40029, 40125, 40163, 40226, 77_777];
    let echoes = codes.map(|code| Fault::Echo { code });
    let others = [Fault::TornJson, Fault::LostAnswer];
    echoes.into_iter().chain(others).collect()
}
