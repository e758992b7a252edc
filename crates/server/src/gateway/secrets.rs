//! Calls that take the AppSecret: the caller's key goes out, the AppSecret in, in query and body. Never logged.

use std::ops::Range;

use bytes::Bytes;
use wxtoken_core::app::AppId;

use super::family::Family;
use super::query;

/// The names an AppSecret goes by.
const SECRET: &[&str] = &["secret", "appsecret"];
const APPID: &[&str] = &["appid"];

/// What stands in the parameters of a call that takes the AppSecret.
#[derive(Default)]
pub(crate) struct Given {
    pub(crate) secret: Option<String>,
    pub(crate) app: Option<AppId>,
    places: Vec<Range<usize>>,
}

impl Given {
    /// Reads query and body (a form or JSON, as clearQuotaByAppSecret takes them). A renewal names its app and no secret; other
    /// families give nothing.
    pub(crate) fn read(family: Family, query: Option<&str>, body: &[u8]) -> Self {
        if !family.names_its_app() {
            return Self::default();
        }
        let query = query.unwrap_or_default();
        let first = |names| {
            query::find(query, names).find_map(|p| p.value.map(std::borrow::Cow::into_owned))
        };
        if !family.takes_secret() {
            return Self {
                app: first(APPID).and_then(|app| app.parse().ok()),
                ..Self::default()
            };
        }
        let form: Fields = fields(body);
        Self {
            secret: first(SECRET).filter(|s| !s.is_empty()).or(form.secret),
            app: first(APPID).or(form.appid).and_then(|app| app.parse().ok()),
            places: query::find(query, SECRET).map(|p| p.place).collect(),
        }
    }

    /// The query with the AppSecret in its place.
    pub(crate) fn query_with(&self, query: Option<&str>, secret: &str) -> Option<String> {
        let query = query?;
        Some(query::replace(
            query,
            self.places.iter().map(|place| (place.clone(), secret)),
        ))
    }

    /// The body with the AppSecret in every field that is for one, however what stood there was written.
    pub(crate) fn body_with(&self, body: &Bytes, secret: &str) -> Bytes {
        if let Ok(serde_json::Value::Object(mut object)) = serde_json::from_slice(body) {
            let mut found = false;
            for name in SECRET {
                if let Some(value) = object.get_mut(*name) {
                    *value = secret.into();
                    found = true;
                }
            }
            return match serde_json::to_vec(&object) {
                Ok(written) if found => written.into(),
                Ok(_) | Err(_) => body.clone(),
            };
        }
        let Ok(form) = std::str::from_utf8(body) else {
            return body.clone();
        };
        let places: Vec<_> = query::find(form, SECRET)
            .map(|p| (p.place, secret))
            .collect();
        if places.is_empty() {
            return body.clone();
        }
        query::replace(form, places).into()
    }
}

#[derive(Default)]
struct Fields {
    secret: Option<String>,
    appid: Option<String>,
}

fn fields(body: &[u8]) -> Fields {
    if let Ok(serde_json::Value::Object(object)) = serde_json::from_slice(body) {
        let text = |name: &str| object.get(name)?.as_str().map(str::to_owned);
        return Fields {
            secret: SECRET.iter().find_map(|name| text(name)),
            appid: text("appid"),
        };
    }
    let Ok(form) = std::str::from_utf8(body) else {
        return Fields::default();
    };
    let first =
        |names| query::find(form, names).find_map(|p| p.value.map(std::borrow::Cow::into_owned));
    Fields {
        secret: first(SECRET),
        appid: first(APPID),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_callers_key_goes_out_and_the_appsecret_in() {
        let query = Some("appid=wx1&secret=KEY&code=C");
        let given = Given::read(Family::Exchange, query, b"");
        assert_eq!(given.secret.as_deref(), Some("KEY"));
        assert_eq!(given.app, Some("wx1".parse().unwrap()));
        assert_eq!(
            given.query_with(query, "REAL").as_deref(),
            Some("appid=wx1&secret=REAL&code=C")
        );
        for body in [
            &br#"{"appid":"wx1","appsecret":"KEY"}"#[..],
            b"appid=wx1&appsecret=KEY",
        ] {
            let given = Given::read(Family::ClearQuotaBySecret, None, body);
            assert_eq!(
                (given.secret.as_deref(), given.app.is_some()),
                (Some("KEY"), true)
            );
            let sent = given.body_with(&Bytes::copy_from_slice(body), "REAL");
            assert_eq!(
                String::from_utf8_lossy(&sent),
                String::from_utf8_lossy(body).replace("KEY", "REAL")
            );
        }
    }

    #[test]
    fn a_key_goes_out_however_it_is_written_and_nothing_else_does() {
        let given = Given::read(Family::ClearQuotaBySecret, Some("appid=x"), b"");
        let sent = |body: &str| {
            let sent = given.body_with(&Bytes::copy_from_slice(body.as_bytes()), "REAL");
            String::from_utf8(sent.to_vec()).unwrap()
        };
        assert_eq!(
            sent(r#"{"appsecret":"K\u0045Y","appid":"KEY"}"#),
            r#"{"appid":"KEY","appsecret":"REAL"}"#
        );
        assert_eq!(
            sent("appsecret=K%45Y&appid=KEY&secret=other"),
            "appsecret=REAL&appid=KEY&secret=REAL"
        );
        for untouched in [r#"{"appid":"x"}"#, "appid=x", "", "\u{1}"] {
            assert_eq!(sent(untouched), untouched);
        }
    }

    #[test]
    fn other_calls_give_nothing_away() {
        let given = Given::read(
            Family::App,
            Some("secret=KEY&appid=wx1"),
            b"{\"appid\":\"wx1\"}",
        );
        assert!(given.secret.is_none() && given.app.is_none());
        let given = Given::read(Family::Renewal, Some("appid=wx1&secret=KEY"), b"");
        assert_eq!((given.secret, given.places.len()), (None, 0));
        assert_eq!(given.app, Some("wx1".parse().unwrap()));
        let given = Given::read(Family::Exchange, Some("appid=&secret="), b"");
        assert!(given.secret.is_none() && given.app.is_none());
    }
}
