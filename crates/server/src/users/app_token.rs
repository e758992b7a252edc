//! Calls about users that are made with the app's token: with the current one, and once more with another if WeChat calls it bad.
//!
//! Must not know: what is asked.

use std::sync::Arc;

use wxtoken_core::app::AppId;
use wxtoken_core::credential::{Credential, CredentialKey, Kind};

use super::{UserError, Users};
use crate::gateway::replacement::{newer, replacement};
use crate::wechat::errcode::is_bad_token;
use crate::wechat::users::Failed;

impl Users {
    /// Asks with the app's token. A bad one is reported as the gateway reports one (rule 8, first hand); the same call is then
    /// made again, once, with a token that differs. WeChat refuses a bad token before it does anything, so any call may be.
    pub(super) async fn with_app_token<T, A>(
        &self,
        app: &AppId,
        path: &str,
        ask: impl Fn(Arc<Credential>) -> A + Send + Sync,
    ) -> Result<Result<T, Failed>, UserError>
    where
        A: Future<Output = Result<T, Failed>> + Send,
    {
        let key = CredentialKey {
            app: *app,
            kind: Kind::AccessToken,
        };
        let keeper = &self.parts.keeper;
        let used = keeper.get(&key, self.parts.token_wait).await;
        let used = used.map_err(UserError::NoToken)?;
        let first = ask(Arc::clone(&used)).await;
        if !is_bad(&first) {
            return Ok(first);
        }
        let quiet = &self.quiet;
        let next = match newer(keeper, *app, &used) {
            Some(newer) => Some(newer),
            None => replacement(keeper, quiet, *app, path, &used).await,
        };
        let Some(next) = next else {
            return Ok(first);
        };
        let again = ask(Arc::clone(&next)).await;
        if is_bad(&again) && next.id == used.id {
            quiet.silence(app, path, keeper.now().boot);
        }
        Ok(again)
    }
}

const fn is_bad<T>(answer: &Result<T, Failed>) -> bool {
    matches!(answer, Err(Failed::Errcode(code)) if is_bad_token(*code))
}
