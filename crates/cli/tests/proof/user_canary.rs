//! What belongs to users, planted as it passes through the gateway: tokens, session keys, codes, names, numbers, open ids.

use wxtoken_simulator::{UserCode, World};

use crate::http::{Reply, ask};
use crate::needles::Needles;
use crate::place::{APP, Place};

/// People have names; these are no words of the program.
const NICKNAME: &str = "金丝雀先生\u{1F426}Kanarienvogel";
const PHONE: &str = "1993874650123";

/// A caller that sends calls for users.
pub(crate) struct Sender<'p> {
    pub(crate) place: &'p Place,
    pub(crate) key: &'p str,
}

impl Sender<'_> {
    async fn call(&self, line: &str, body: &str) -> Reply {
        let key = format!("Bearer {}", self.key);
        let headers = [("Authorization", key.as_str()), ("Wxtoken-App", APP)];
        ask(&self.place.api, line, &headers, body).await.unwrap()
    }

    /// A call that WeChat answers well.
    async fn good(&self, line: &str, body: &str) -> serde_json::Value {
        let answer = self.call(line, body).await.json();
        let errcode = answer["errcode"].as_i64().unwrap_or(0);
        assert_eq!(errcode, 0, "{line}: {answer}");
        answer
    }

    fn exchange(&self, path: &str, code: &str) -> String {
        let key = self.key;
        format!("GET {path}&appid={APP}&secret={key}&grant_type=authorization_code{code}")
    }
}

/// What one user's visit leaves in the hands of its caller.
struct Visit {
    web: String,
    refresh: String,
    openid: String,
    session_key: String,
    codes: [String; 3],
}

/// Plants everything of a user and walks it through the gateway, well and wrongly. Refusals are searched here, what the
/// program leaves behind by whoever calls this.
pub(crate) async fn users(sender: &Sender<'_>, world: &World, needles: &mut Needles) {
    world.change_profile("canary", |canary| {
        canary.nickname = NICKNAME.to_owned();
        canary.phone = PHONE.to_owned();
    });
    needles.plant("nickname", NICKNAME.as_bytes());
    needles.plant("phone number", PHONE.as_bytes());
    let visit = walk(sender, world, needles).await;
    mistakes(sender, &visit, needles).await;
}

async fn walk(sender: &Sender<'_>, world: &World, needles: &mut Needles) -> Visit {
    let codes = [UserCode::Web, UserCode::Login, UserCode::Phone]
        .map(|purpose| world.user_code(APP, "canary", purpose).unwrap());
    for code in &codes {
        needles.plant("one-time code", code.as_bytes());
    }
    let [web_code, login_code, phone_code] = &codes;
    let text = |of: &serde_json::Value, name: &str| of[name].as_str().unwrap().to_owned();
    let code = format!("&code={web_code}");
    let granted = sender
        .good(&sender.exchange("/sns/oauth2/access_token?", &code), "")
        .await;
    let (web, refresh) = (
        text(&granted, "access_token"),
        text(&granted, "refresh_token"),
    );
    let openid = text(&granted, "openid");
    let code = format!("&js_code={login_code}");
    let session = sender
        .good(&sender.exchange("/sns/jscode2session?", &code), "")
        .await;
    let session_key = text(&session, "session_key");
    for (name, secret) in [
        // The first characters of every token are alike and no secret.
        ("web token", &web[3..]),
        ("refresh token", &refresh[3..]),
        ("open id", &openid),
        ("session key", &session_key),
    ] {
        needles.plant(name, secret.as_bytes());
    }
    let of_user = format!("access_token={web}&openid={openid}&lang=zh_CN");
    let profile = sender
        .good(&format!("GET /sns/userinfo?{of_user}"), "")
        .await;
    assert_eq!(profile["nickname"], NICKNAME);
    let renewal = format!(
        "GET /sns/oauth2/refresh_token?appid={APP}&grant_type=refresh_token&refresh_token={refresh}"
    );
    sender.good(&renewal, "").await;
    let info = format!("GET /cgi-bin/user/info?openid={openid}");
    sender.good(&info, "").await;
    let body = format!("{{\"code\":\"{phone_code}\"}}");
    let phone = sender
        .good("POST /wxa/business/getuserphonenumber", &body)
        .await;
    assert_eq!(phone["phone_info"]["purePhoneNumber"], PHONE);
    Visit {
        web,
        refresh,
        openid,
        session_key,
        codes,
    }
}

/// Each secret where it does not belong: in another's place, in a path, twice.
async fn mistakes(sender: &Sender<'_>, visit: &Visit, needles: &Needles) {
    let Visit {
        web,
        refresh,
        openid,
        session_key,
        codes: [web_code, login_code, phone_code],
    } = visit;
    let session_key = session_key.replace('+', "%2B");
    let used = |path: &str, code: String| sender.exchange(path, &code);
    let renewal = format!("GET /sns/oauth2/refresh_token?appid={APP}&grant_type=refresh_token");
    for line in [
        used("/sns/oauth2/access_token?", format!("&code={web_code}")),
        used("/sns/oauth2/access_token?", format!("&code={login_code}")),
        used("/sns/jscode2session?", format!("&js_code={login_code}")),
        format!("GET /cgi-bin/user/info?access_token={web}&openid={openid}"),
        format!("GET /wxa/checksession?access_token={refresh}&openid={openid}"),
        format!("GET /cgi-bin/ticket/getticket?type=jsapi&access_token={web}"),
        format!("GET /sns/userinfo?access_token={refresh}&openid={openid}"),
        format!("GET /sns/userinfo?access_token={session_key}&openid={openid}"),
        format!("{renewal}&refresh_token={web}"),
        format!("{renewal}&refresh_token={session_key}"),
        format!("GET /sns/auth?access_token={web}&openid={openid}x"),
        format!("GET /v1/apps/{APP}/users/{openid}/{web}"),
        format!("GET /v1/{web_code}?code={login_code}"),
        format!("GET /sns/{web}/{refresh}"),
        format!("GET /sns/../{web_code}"),
        format!("POST /wxa/business/getuserphonenumber?code={phone_code}"),
        format!("POST /v1/apps/{APP}/access_token/dead?{web}"),
    ] {
        let body = if line.starts_with("POST") {
            format!("{{\"token\":\"{web}\",\"code\":\"{phone_code}\"")
        } else {
            String::new()
        };
        let told = sender.call(&line, &body).await;
        let refused = told.status != 200 || told.json()["errcode"].as_i64().unwrap_or(0) != 0;
        assert!(refused, "{line}: {told:?}");
        needles.none_in(&line, &told.whole());
    }
}
