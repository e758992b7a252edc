//! Every API nobody wrote a file for: the token is checked, and what arrived is told back.

use serde_json::json;

use super::{Door, Route};
use crate::{
    errcode::{Family, Refusal},
    http::{Answer, Asked},
};

/// The hash covers the whole body, so next to nothing of it is kept.
pub(super) static ROUTE: Route = Route {
    path: "",
    door: Door::Token,
    family: Family::Cgi,
    keeps_body: 2048,
    handler: echo,
};

fn echo(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let ask = asked.ask;
    Ok(Answer::json(&json!({
        "errcode": 0,
        "errmsg": "ok",
        "method": ask.method.as_str(),
        "path": ask.path,
        "len": ask.body_len,
        "sha256": ask.body_sha256,
    })))
}
