//! Customer-service messages and the menu.

use serde_json::json;

use super::{Route, require_json, users};
use crate::{
    errcode::Refusal,
    http::{Answer, Asked},
};

pub(super) static ROUTES: &[Route] = &[
    Route::api("/cgi-bin/message/custom/send", send),
    Route::api("/cgi-bin/menu/get", menu),
];

fn send(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let body = require_json(asked)?;
    if body["msgtype"].as_str().is_none() {
        return Err(Refusal::of(40008));
    }
    if !users::is_known(asked, body["touser"].as_str().unwrap_or_default())? {
        return Err(Refusal::of(40003));
    }
    Ok(Answer::ok())
}

fn menu(_: &Asked<'_>) -> Result<Answer, Refusal> {
    let button =
        json!({"type": "click", "name": "今日歌曲", "key": "V1001_TODAY_MUSIC", "sub_button": []});
    Ok(Answer::json(&json!({"menu": {"button": [button]}})))
}
