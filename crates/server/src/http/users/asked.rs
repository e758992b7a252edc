//! What a question about users says: which app, which user, which fields, in which language.

use axum::extract::{FromRequestParts, Path, RawQuery};
use http::StatusCode;
use http::request::Parts;
use serde_json::{Map, Value};
use std::sync::Arc;
use wxtoken_core::app::AppId;
use wxtoken_core::user::OpenId;

use super::super::callers::OpenRequest;
use super::super::door::Admitted;
use super::super::error::ApiError;
use super::super::input::Query;
use super::super::particular::Particular;
use super::super::services::Services;
use super::mix_up;
use crate::config::Permission;
use crate::users::Language;
use crate::words::Sentence;

/// What only the user's web token shows.
const OF_PROFILES: [&str; 7] = [
    "nickname",
    "headimgurl",
    "sex",
    "province",
    "city",
    "country",
    "privilege",
];
/// What only the app's token shows.
const OF_FOLLOWERS: [&str; 9] = [
    "subscribe",
    "subscribe_time",
    "subscribe_scene",
    "remark",
    "groupid",
    "tagid_list",
    "qr_scene",
    "qr_scene_str",
    "language",
];

/// A caller who was let in, and an app of the path that it may see.
pub(crate) struct OfApp {
    pub(super) request: OpenRequest,
    pub(super) app: AppId,
}

impl OfApp {
    /// The caller must have this permission.
    pub(super) fn needs(&self, permission: Permission) -> Result<(), ApiError> {
        if self.request.caller().may(permission) {
            Ok(())
        } else {
            Err(ApiError::NotAllowed(permission))
        }
    }
}

impl FromRequestParts<Arc<Services>> for OfApp {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        services: &Arc<Services>,
    ) -> Result<Self, ApiError> {
        let Admitted(request) = Admitted::from_request_parts(parts, services).await?;
        let path = Path::<Vec<(String, String)>>::from_request_parts(parts, services).await;
        let Path(segments) = path.map_err(|_| ApiError::UnknownApp)?;
        let app = named(&segments, "appid").ok_or(ApiError::UnknownApp)?;
        let app: AppId = app.parse().map_err(|_| ApiError::UnknownApp)?;
        if !request.caller().sees(&app) {
            return Err(ApiError::ForeignApp);
        }
        Ok(Self { request, app })
    }
}

/// The same, with what the path says of a user. It is looked at once the caller is known to be allowed to ask.
pub(crate) struct OfUser {
    of: OfApp,
    openid: String,
    query: String,
}

/// A question about one user that may be asked.
pub(super) struct Allowed {
    pub(super) of: OfApp,
    pub(super) openid: OpenId,
    pub(super) asks: Asks,
}

impl OfUser {
    /// The caller must have this permission; then openid and query are read.
    pub(super) fn allowed(
        self,
        permission: Permission,
        services: &Services,
    ) -> Result<Allowed, ApiError> {
        self.of.needs(permission)?;
        Ok(Allowed {
            openid: openid(services, &self.openid)?,
            asks: Asks::read(&self.query)?,
            of: self.of,
        })
    }
}

impl FromRequestParts<Arc<Services>> for OfUser {
    type Rejection = ApiError;

    async fn from_request_parts(
        parts: &mut Parts,
        services: &Arc<Services>,
    ) -> Result<Self, ApiError> {
        let of = OfApp::from_request_parts(parts, services).await?;
        let path = Path::<Vec<(String, String)>>::from_request_parts(parts, services).await;
        let Path(segments) = path.map_err(|_| ApiError::UnknownApp)?;
        let openid = named(&segments, "openid").unwrap_or_default().to_owned();
        let RawQuery(query) = RawQuery::from_request_parts(parts, services)
            .await
            .unwrap_or(RawQuery(None));
        let query = query.unwrap_or_default();
        Ok(Self { of, openid, query })
    }
}

fn named<'s>(segments: &'s [(String, String)], name: &str) -> Option<&'s str> {
    let found = segments.iter().find(|(key, _)| key == name);
    found.map(|(_, value)| value.as_str())
}

/// An openid, and no token.
pub(super) fn openid(services: &Services, text: &str) -> Result<OpenId, ApiError> {
    mix_up::no_token(services, "openid", text)?;
    let read = text.parse::<OpenId>();
    read.map_err(|why| Particular::malformed(Sentence::of(&why)).into())
}

/// What is asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Asks {
    pub(super) language: Language,
    /// These alone; all if none is named.
    fields: Option<Vec<String>>,
}

impl Asks {
    fn read(query: &str) -> Result<Self, ApiError> {
        let query = Query::new(query);
        let language = query.get("lang");
        let fields = query.get("fields").map(|fields| {
            let names = fields.split(',').map(str::trim);
            names
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect()
        });
        Self::of(language.as_deref(), fields)
    }

    /// The same where it does not stand in a query.
    pub(super) fn of(
        language: Option<&str>,
        fields: Option<Vec<String>>,
    ) -> Result<Self, ApiError> {
        Ok(Self {
            language: self::language(language)?,
            fields,
        })
    }

    /// Refuses fields that only the user's web token shows.
    pub(super) fn of_followers(&self) -> Result<(), ApiError> {
        let Some(field) = self.first_of(&OF_PROFILES) else {
            return Ok(());
        };
        Err(other_route(Sentence::new(
            format!(
                "`{field}` 只有用户在网页上同意之后才看得到（用户的网页授权 access_token）：请用 GET /v1/apps/{{appid}}/users/{{openid}}/profile；/cgi-bin/user/info 自 2021-12-27 起不再给出"
            ),
            format!(
                "`{field}` is seen only where the user consented on a page (the user's web access_token): ask GET /v1/apps/{{appid}}/users/{{openid}}/profile; /cgi-bin/user/info no longer has it since 2021-12-27"
            ),
        )))
    }

    /// Refuses fields that only the app's token shows.
    pub(super) fn of_profiles(&self) -> Result<(), ApiError> {
        let Some(field) = self.first_of(&OF_FOLLOWERS) else {
            return Ok(());
        };
        Err(other_route(Sentence::new(
            format!(
                "`{field}` 是关注者的信息，用应用的 access_token 读：请用 GET /v1/apps/{{appid}}/users/{{openid}}；/sns/userinfo 没有它"
            ),
            format!(
                "`{field}` is about followers, and read with the app's access_token: ask GET /v1/apps/{{appid}}/users/{{openid}}; /sns/userinfo does not have it"
            ),
        )))
    }

    fn first_of(&self, names: &[&'static str]) -> Option<&'static str> {
        let asked = self.fields.as_ref()?;
        names
            .iter()
            .find(|name| asked.iter().any(|field| field == *name))
            .copied()
    }

    /// The fields that were asked for, and the openid.
    pub(super) fn picked(&self, mut user: Map<String, Value>) -> Map<String, Value> {
        if let Some(fields) = self.fields.as_ref().filter(|fields| !fields.is_empty()) {
            user.retain(|name, _| name == "openid" || fields.iter().any(|field| field == name));
        }
        user
    }
}

/// WeChat's name of a language; Chinese unless one is named.
fn language(text: Option<&str>) -> Result<Language, ApiError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(Language::default());
    };
    text.parse().map_err(|()| {
        let detail = Sentence::new(
            "`lang` 是 zh_CN、zh_TW 或 en",
            "`lang` is zh_CN, zh_TW or en",
        );
        Particular::malformed(detail).into()
    })
}

fn other_route(detail: Sentence) -> ApiError {
    let title = "The other kind of user information";
    Particular::new(StatusCode::BAD_REQUEST, "other-route", title, detail).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn name(result: Result<(), ApiError>) -> String {
        result.map_or_else(|error| error.problem().problem, |()| "fine".to_owned())
    }

    #[test]
    fn what_only_the_other_route_has_is_sent_there() {
        let asks = Asks::read("fields=openid,nickname").unwrap();
        assert_eq!(name(asks.of_followers()), "urn:wxtoken:problem:other-route");
        assert_eq!(name(asks.of_profiles()), "fine");
        let asks = Asks::read("fields=%20subscribe,unionid&lang=en").unwrap();
        assert_eq!(name(asks.of_profiles()), "urn:wxtoken:problem:other-route");
        assert_eq!(name(asks.of_followers()), "fine");
        assert_eq!(asks.language, Language::English);
        assert!(Asks::read("lang=fr").is_err());
    }

    #[test]
    fn only_the_fields_that_were_asked_for_are_given_and_the_openid() {
        let user = json!({"openid": "o", "unionid": "u", "nickname": "n"});
        let Value::Object(user) = user else { panic!() };
        let picked = Asks::read("fields=unionid").unwrap().picked(user.clone());
        assert_eq!(
            Value::Object(picked),
            json!({"openid": "o", "unionid": "u"})
        );
        assert_eq!(Asks::read("fields=").unwrap().picked(user.clone()), user);
    }
}
