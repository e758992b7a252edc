//! Somebody signs in through the relay, from the site's link to the code that its server redeems; well, and in every wrong way.

use serde_json::json;
use wxtoken_simulator::{FaultScope, Lane, TicketKind};

use crate::canary::bytes_of;
use crate::http::ask;
use crate::place::{APP, KEY, SECRET};
use crate::server::{PATIENCE, until_asked};
use crate::signed_in::{
    BACK, EXCHANGE, MINI, OTHER_KEY, PUSH_TOKEN, Story, Tab, WHO, escaped, faults, header,
    location, parameter,
};

impl Story<'_> {
    pub(crate) async fn tab(&mut self) -> Tab {
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
    pub(crate) async fn sign_in(&mut self) -> String {
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

    pub(crate) async fn redeemed(&mut self) {
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

    pub(crate) async fn relay_refuses(&mut self) {
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

    pub(crate) async fn push_and_pages(&mut self) {
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
