//! A little page that says who looks at the consent pages in this browser.

use http::HeaderValue;

use super::{Controlled, TEXT};
use crate::{
    World,
    endpoints::{LOGGED_IN, logged_in},
    http::{Ask, encode},
};

/// `?user=bob` makes it bob; without that it says who it is.
pub(super) fn page(world: &World, ask: &Ask<'_>) -> Controlled {
    let Some(user) = ask.params.filled("user") else {
        let who = logged_in(ask.headers).unwrap_or_else(|| "alice".to_owned());
        let nickname = world.profile(&who).nickname;
        let text = format!(
            "{who} ({nickname})\n/_sim/login?user=bob logs in as bob; 换成 bob 登录：/_sim/login?user=bob\n"
        );
        return Controlled::of(TEXT, text);
    };
    let cookie = format!(
        "{LOGGED_IN}={}; Path=/; HttpOnly; SameSite=Lax",
        encode(user)
    );
    Controlled {
        cookie: HeaderValue::try_from(cookie).ok(),
        ..Controlled::of(TEXT, format!("{user}\n"))
    }
}
