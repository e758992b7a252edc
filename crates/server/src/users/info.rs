//! Who follows an account, by the app's token: one, or up to a hundred.

use std::collections::HashSet;

use wxtoken_core::app::AppId;
use wxtoken_core::user::OpenId;

use super::{Need, UserError, Users};
use crate::wechat::users::{Language, UserInfo};

const INFO: &str = "/cgi-bin/user/info";
const BATCH: &str = "/cgi-bin/user/info/batchget";

impl Users {
    /// What WeChat says of one follower.
    ///
    /// # Errors
    /// [`UserError`].
    pub async fn info(
        &self,
        app: &AppId,
        openid: &OpenId,
        language: Language,
    ) -> Result<UserInfo, UserError> {
        self.must_fit(app, Need::Followers)?;
        let api = &self.parts.api;
        let ask = |token: std::sync::Arc<wxtoken_core::credential::Credential>| async move {
            api.info(app, &token.token, openid, language).await
        };
        Ok(self.with_app_token(app, INFO, ask).await??)
    }

    /// The same for many, in the order of the answer, without those that were not asked for.
    ///
    /// # Errors
    /// [`UserError`].
    pub async fn batch(
        &self,
        app: &AppId,
        openids: &[OpenId],
        language: Language,
    ) -> Result<Vec<UserInfo>, UserError> {
        self.must_fit(app, Need::Followers)?;
        let api = &self.parts.api;
        let ask = |token: std::sync::Arc<wxtoken_core::credential::Credential>| async move {
            api.batch(app, &token.token, openids, language).await
        };
        let mut found = self.with_app_token(app, BATCH, ask).await??;
        let asked: HashSet<&str> = openids.iter().map(OpenId::as_str).collect();
        found.retain(|user| user.openid().is_some_and(|openid| asked.contains(openid)));
        Ok(found)
    }
}
