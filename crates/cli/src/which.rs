//! Which credential a subcommand is about: the arguments `APPID [KIND]`.

use wxtoken_core::app::AppId;
use wxtoken_core::credential::Kind;

/// The arguments that name a credential.
#[derive(Debug, clap::Args)]
pub(crate) struct Which {
    /// The app's AppID
    #[arg(value_name = "APPID")]
    pub(crate) app: AppId,
    /// access_token, jsapi_ticket or card_ticket
    #[arg(value_name = "KIND", default_value = "access_token")]
    pub(crate) kind: Kind,
}

impl Which {
    /// Its place below `…/apps/`, on either door of a server.
    pub(crate) fn path(&self) -> String {
        format!("{}/{}", self.app, self.kind)
    }
}
