//! A web OAuth code becomes a grant. Once: a code that may be spent is never shown again.

use std::sync::Arc;

use wxtoken_core::app::AppId;
use wxtoken_core::clock::{Wall, millis};
use wxtoken_core::store::StoreError;
use wxtoken_core::user::{Grant, OpenId, UnionId, UserRecord};

use super::{Happening, Users};
use crate::wechat::users::{Failed, NewGrant, OAuthCode};
use crate::words::InChinese;

/// What a user granted just now. Holds no token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Granted {
    /// The user, to this app.
    pub openid: OpenId,
    /// The user, to all apps of one open-platform account; where WeChat tells.
    pub unionid: Option<UnionId>,
    /// What was granted, in WeChat's words.
    pub scope: Box<str>,
    /// A made-up user of a snapshot page (快照页).
    pub is_snapshot: bool,
    /// When.
    pub granted_at: Wall,
}

/// Why a code became no grant.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// 40163.
    #[error(
        "the code has been used already: codes are good for one use; send the browser through WeChat's page again"
    )]
    CodeUsed,
    /// 40029.
    #[error(
        "WeChat does not know this code: it is another app's, or incomplete; send the browser through WeChat's page again"
    )]
    CodeInvalid,
    /// 42003.
    #[error(
        "the code is too old: it lives for five minutes; send the browser through WeChat's page again"
    )]
    CodeExpired,
    /// 40226.
    #[error("WeChat has blocked this user as a risk; nothing can be done here")]
    Blocked,
    /// The app is refused, not the user: 40125, 40013, 40164 …
    #[error(
        "WeChat refuses the app with errcode {errcode}; `wxtoken explain {errcode}` says why, and the cure"
    )]
    Refused {
        /// WeChat's.
        errcode: i64,
    },
    /// Sent, and no proper answer came: the code may be spent.
    #[error(
        "WeChat gave no proper answer, and the code may be spent; send the browser through WeChat's page again"
    )]
    Unclear,
    /// Nothing has left.
    #[error(
        "WeChat cannot be reached now; send the browser through WeChat's page again a little later"
    )]
    Unreachable,
    /// The code is spent, and what it gave could not be kept.
    #[error("what was granted could not be kept: {0}")]
    Store(#[source] StoreError),
    /// There is no such app.
    #[error("there is no such app here; see the [[app]] tables of the configuration")]
    UnknownApp,
}

impl ExchangeError {
    /// Its name, for the numbers.
    const fn name(&self) -> &'static str {
        match self {
            Self::CodeUsed | Self::CodeInvalid | Self::CodeExpired => "bad-code",
            Self::Blocked => "user-blocked",
            Self::Refused { .. } => "wechat-refused",
            Self::Unclear => "wechat-unclear",
            Self::Unreachable => "wechat-away",
            Self::Store(_) => "store-away",
            Self::UnknownApp => "unknown-app",
        }
    }
}

impl InChinese for ExchangeError {
    fn in_chinese(&self) -> String {
        match self {
            Self::CodeUsed => {
                "这个 code 已经用过：每个 code 只能用一次；让浏览器重新走一遍微信授权页".to_owned()
            }
            Self::CodeInvalid => {
                "微信不认识这个 code：它属于别的 AppID，或不完整；让浏览器重新走一遍微信授权页"
                    .to_owned()
            }
            Self::CodeExpired => {
                "这个 code 太旧了：有效期 5 分钟；让浏览器重新走一遍微信授权页".to_owned()
            }
            Self::Blocked => "微信因风险拦截了这个用户；这里无法处理".to_owned(),
            Self::Refused { errcode } => {
                format!(
                    "微信拒绝了这个应用，errcode {errcode}；原因和办法见 `wxtoken explain {errcode}`"
                )
            }
            Self::Unclear => {
                "微信没有给出正常的回答，code 可能已被用掉；让浏览器重新走一遍微信授权页".to_owned()
            }
            Self::Unreachable => "现在连不上微信；稍后让浏览器重新走一遍微信授权页".to_owned(),
            Self::Store(why) => format!("授权结果没能保存：{}", why.in_chinese()),
            Self::UnknownApp => "这里没有这个应用；见配置里的 [[app]]".to_owned(),
        }
    }
}

impl From<Failed> for ExchangeError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::UnknownApp => Self::UnknownApp,
            Failed::Unreachable => Self::Unreachable,
            Failed::Unclear | Failed::Errcode(-1) => Self::Unclear,
            Failed::Errcode(40163) => Self::CodeUsed,
            Failed::Errcode(40029) => Self::CodeInvalid,
            Failed::Errcode(42003) => Self::CodeExpired,
            Failed::Errcode(40226) => Self::Blocked,
            Failed::Errcode(errcode) => Self::Refused { errcode },
        }
    }
}

impl Users {
    /// Exchanges a web OAuth code and keeps the grant; says what was granted. Goes on to its end though nobody waits for it
    /// any more: a browser that clicks twice must not lose what its first click was given.
    ///
    /// # Errors
    /// [`ExchangeError`] says whether the code is spent.
    pub async fn exchange(
        self: &Arc<Self>,
        app: &AppId,
        code: &OAuthCode,
    ) -> Result<Granted, ExchangeError> {
        let (this, of, code) = (Arc::clone(self), *app, code.clone());
        let exchanging = self
            .under_way
            .spawn(async move { this.exchange_now(&of, &code).await });
        let done = exchanging.await.unwrap_or(Err(ExchangeError::Unclear));
        let outcome = done.as_ref().map_or_else(ExchangeError::name, |_| "ok");
        let call = "exchange";
        self.tell(app, Happening::Asked { call, outcome });
        done
    }

    async fn exchange_now(&self, app: &AppId, code: &OAuthCode) -> Result<Granted, ExchangeError> {
        let sent = self.wall();
        let new = self.parts.api.exchange(app, code).await?;
        let grant = grant(new, sent);
        let granted = Granted {
            openid: grant.openid.clone(),
            unionid: grant.unionid.clone(),
            scope: grant.scope.clone(),
            is_snapshot: grant.is_snapshot,
            granted_at: grant.granted_at,
        };
        let openid = &granted.openid;
        let seen = self.read(app, openid).await.map_err(ExchangeError::Store)?;
        let now = self.wall();
        let kept = self.change(app, openid, seen, |old| merged(old, &grant, now));
        kept.await.map_err(ExchangeError::Store)?;
        Ok(granted)
    }
}

fn grant(new: NewGrant, sent: Wall) -> Grant {
    Grant {
        openid: new.openid,
        unionid: new.unionid,
        scope: new.scope,
        web_token: new.web_token,
        web_expires: sent.plus(millis(new.expires_in)),
        refresh_token: new.refresh_token,
        refresh_expires: sent.plus(Grant::REFRESH_LIFETIME),
        granted_at: sent,
        is_snapshot: new.is_snapshot,
        refused: None,
    }
}

/// The record with the new grant in it; none where the one that is there stays. The session stays in any case.
fn merged(old: Option<&UserRecord>, new: &Grant, now: Wall) -> Option<UserRecord> {
    let old_grant = old.and_then(|old| old.grant.as_ref());
    if old_grant.is_some_and(|old| stays(old, new, now)) {
        return None;
    }
    let mut grant = new.clone();
    if grant.unionid.is_none() {
        // With the base scope WeChat does not say it; it is the same user of the same app all the same.
        grant.unionid = old_grant
            .filter(|old| !old.is_snapshot)
            .and_then(|old| old.unionid.clone());
    }
    Some(UserRecord {
        grant: Some(grant),
        session: old.and_then(|old| old.session.clone()),
    })
}

/// Whether a grant outlives another consent: a made-up user never takes a real one's place, and the base scope, which every
/// page view may bring, not that of a wider grant which still lives. WeChat may or may not have ended that one by then; if it
/// did, its next use shows it, and the user is asked again. A grant that is over outlives none, nor does one get the better by
/// a time that has not come: a clock may have been put back.
fn stays(old: &Grant, new: &Grant, now: Wall) -> bool {
    let is_narrower = old.shows_profile() && !new.shows_profile();
    let still_good = old.ask_again(now).is_none();
    match (old.is_snapshot, new.is_snapshot) {
        (false, true) => true,
        (true, false) => false,
        (true, true) | (false, false) => {
            let is_older = old.granted_at > new.granted_at && old.granted_at <= now;
            still_good && (is_older || is_narrower)
        }
    }
}

#[cfg(test)]
mod tests {
    use wxtoken_core::user::{
        AskAgain, AskAgainReason, RefreshToken, Session, SessionKey, WebToken,
    };

    use super::*;

    const NOW: Wall = Wall(1_795_000_000_000);

    fn of(scope: &str, granted_at: Wall) -> Grant {
        Grant {
            openid: "oUser".parse().unwrap(),
            unionid: None,
            scope: scope.into(),
            web_token: WebToken::new(format!("98_{scope}_{}", granted_at.0)).unwrap(),
            web_expires: granted_at.plus(7_200_000),
            refresh_token: RefreshToken::new("98_refresh").unwrap(),
            refresh_expires: granted_at.plus(Grant::REFRESH_LIFETIME),
            granted_at,
            is_snapshot: false,
            refused: None,
        }
    }

    fn record(grant: Grant) -> UserRecord {
        UserRecord {
            grant: Some(grant),
            session: None,
        }
    }

    fn kept(old: &Grant, new: &Grant) -> Grant {
        merged(Some(&record(old.clone())), new, NOW)
            .map_or_else(|| old.clone(), |record| record.grant.unwrap())
    }

    #[test]
    fn a_new_consent_replaces_the_older_one_and_an_older_one_that_comes_late_does_not() {
        let (older, newer) = (
            of("snsapi_userinfo", NOW.minus(5)),
            of("snsapi_userinfo", NOW),
        );
        assert_eq!(kept(&older, &newer), newer);
        assert_eq!(kept(&newer, &older), newer);
        assert_eq!(merged(None, &older, NOW).unwrap().grant, Some(older));
    }

    #[test]
    fn the_base_scope_does_not_replace_a_wider_grant_that_lives_but_one_that_is_over() {
        let (wide, base) = (of("snsapi_userinfo", NOW.minus(5)), of("snsapi_base", NOW));
        assert_eq!(kept(&wide, &base), wide);
        assert_eq!(
            kept(&base, &of("snsapi_userinfo", NOW)).scope.as_ref(),
            "snsapi_userinfo"
        );
        let refused = Some(AskAgain {
            reason: AskAgainReason::Revoked,
            since: NOW,
        });
        let over = Grant { refused, ..wide };
        assert_eq!(kept(&over, &base), base);
        let old = of("snsapi_userinfo", NOW.minus(Grant::REFRESH_LIFETIME));
        assert_eq!(kept(&old, &base), base);
    }

    #[test]
    fn a_grant_that_is_over_or_of_a_time_that_has_not_come_does_not_win_by_its_time() {
        let ahead = of("snsapi_userinfo", NOW.plus(5));
        let new = of("snsapi_userinfo", NOW.minus(5));
        assert_eq!(kept(&ahead, &new), new);
        let refused = Some(AskAgain {
            reason: AskAgainReason::Invalid,
            since: NOW,
        });
        let over = Grant {
            refused,
            ..of("snsapi_userinfo", NOW)
        };
        assert_eq!(kept(&over, &new), new);
    }

    #[test]
    fn a_snapshot_user_never_replaces_a_real_one() {
        let real = of("snsapi_base", NOW.minus(5));
        let made_up = Grant {
            is_snapshot: true,
            ..of("snsapi_userinfo", NOW)
        };
        assert_eq!(kept(&real, &made_up), real);
        assert_eq!(kept(&made_up, &real), real);
        assert_eq!(merged(None, &made_up, NOW).unwrap().grant, Some(made_up));
    }

    #[test]
    fn a_session_stays_and_so_does_a_known_unionid() {
        let mut old = of("snsapi_base", NOW.minus(5));
        old.unionid = Some("uUnion".parse().unwrap());
        let session = Session {
            unionid: None,
            session_key: SessionKey::new("AAAA").unwrap(),
            since: NOW,
        };
        let before = UserRecord {
            grant: Some(old),
            session: Some(session.clone()),
        };
        let after = merged(Some(&before), &of("snsapi_base", NOW), NOW).unwrap();
        assert_eq!(after.session, Some(session));
        assert_eq!(
            after.grant.unwrap().unionid,
            Some("uUnion".parse().unwrap())
        );
    }

    #[test]
    fn every_answer_of_wechats_says_what_became_of_the_code() {
        for (failed, wanted) in [
            (Failed::Errcode(40163), "CodeUsed"),
            (Failed::Errcode(40029), "CodeInvalid"),
            (Failed::Errcode(42003), "CodeExpired"),
            (Failed::Errcode(40226), "Blocked"),
            (Failed::Errcode(40125), "Refused { errcode: 40125 }"),
            (Failed::Errcode(-1), "Unclear"),
            (Failed::Unclear, "Unclear"),
            (Failed::Unreachable, "Unreachable"),
            (Failed::UnknownApp, "UnknownApp"),
        ] {
            assert_eq!(format!("{:?}", ExchangeError::from(failed)), wanted);
        }
    }
}
