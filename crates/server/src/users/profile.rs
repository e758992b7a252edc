//! Who consented on a page, by their web token, which is renewed when it has to be.

use std::sync::Arc;

use wxtoken_core::app::AppId;
use wxtoken_core::user::{AskAgain, Before, Grant, Held, OpenId};

use super::{Need, UserError, Users};
use crate::wechat::errcode::is_bad_token;
use crate::wechat::users::{Failed, Language, UserInfo};

/// What a user let an app see.
#[derive(Debug, Clone)]
pub struct Profile {
    /// In WeChat's words.
    pub user: UserInfo,
    /// How their grant stands.
    pub grant: Standing,
}

/// How a grant stands. Holds no token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// What was granted.
    pub scope: Box<str>,
    /// When, in Unix seconds.
    pub granted_at: u64,
    /// Until when it can be renewed, in Unix seconds.
    pub refresh_expires_at: u64,
    /// A made-up user of a snapshot page.
    pub is_snapshot: bool,
    /// The user should be asked again soon.
    pub ask_again: Option<AskAgain>,
}

impl Users {
    /// What a user let the app see. The web token is renewed first if it is about to end, and once if WeChat calls it bad.
    ///
    /// # Errors
    /// [`UserError`].
    pub async fn profile(
        self: &Arc<Self>,
        app: &AppId,
        openid: &OpenId,
        language: Language,
    ) -> Result<Profile, UserError> {
        self.must_fit(app, Need::Profile)?;
        let mut held = self.read(app, openid).await?.ok_or(UserError::NoGrant)?;
        let mut renewed = false;
        loop {
            let grant = shown(&held)?.clone();
            match grant.before_use(self.wall()) {
                Before::AskAgain(over) => return Err(UserError::AskUserAgain(over)),
                Before::Renew if !renewed => match self.renewed(app, openid, held.version).await {
                    Ok(now) => {
                        (held, renewed) = (now, true);
                        continue;
                    }
                    // It lives a little longer.
                    Err(trouble) if trouble.leaves_grant() && grant.lives(self.wall()) => {}
                    Err(trouble) => return Err(trouble),
                },
                Before::Renew | Before::Use => {}
            }
            let asked = self
                .parts
                .api
                .profile(app, &grant.web_token, openid, language);
            match asked.await {
                Ok(user) => {
                    let grant = self.standing(&grant);
                    return Ok(Profile { user, grant });
                }
                Err(Failed::Errcode(code)) if is_bad_token(code) && !renewed => {
                    held = self.renewed(app, openid, held.version).await?;
                    renewed = true;
                }
                Err(failed) => {
                    let Some(reason) = failed.ask_again() else {
                        return Err(failed.into());
                    };
                    held = self.refused(app, held, &grant, reason).await?;
                }
            }
        }
    }

    fn standing(&self, grant: &Grant) -> Standing {
        Standing {
            scope: grant.scope.clone(),
            granted_at: grant.granted_at.unix_seconds(),
            refresh_expires_at: grant.refresh_expires.unix_seconds(),
            is_snapshot: grant.is_snapshot,
            ask_again: grant.ask_again(self.wall()),
        }
    }
}

/// The grant of a record, if it shows a profile.
fn shown(held: &Held) -> Result<&Grant, UserError> {
    match &held.record.grant {
        None => Err(UserError::NoGrant),
        Some(grant) if grant.shows_profile() => Ok(grant),
        Some(_) => Err(UserError::ScopeTooSmall),
    }
}
