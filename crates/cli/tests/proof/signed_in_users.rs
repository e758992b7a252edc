//! Who signed in is asked about over the API: well, wrongly, while WeChat refuses, and while WeChat or the store is away.

use serde_json::{Value, json};
use wxtoken_simulator::{Encrypted, Fault, FaultScope, Show, UserCode};

use crate::place::{APP, KEY};
use crate::signed_in::{
    MINI, NICKNAME, OTHER_KEY, PHONE, PROFILE, Story, Tab, WHO, escaped, faults, parameter,
};

impl Story<'_> {
    pub(crate) async fn all_is_asked(&mut self) {
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

    pub(crate) async fn wechat_refuses(&mut self) {
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
    pub(crate) async fn wrongly_asked(&mut self) {
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
    pub(crate) async fn over(&mut self) {
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
    pub(crate) async fn away(&mut self, what: &str, tab: Tab, redeem: &str) {
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

    pub(crate) async fn wechat_is_away(&mut self) {
        let (tab, redeem) = (self.tab().await, self.sign_in().await);
        self.world().go_down().await.unwrap();
        self.away("WeChat is away", tab, &redeem).await;
        self.world().come_up().await.unwrap();
    }
}
