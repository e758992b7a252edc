//! WeChat's own addresses: `get_api_domain_ip` (the cheap probe), `getcallbackip`, `callback/check`.

use serde_json::json;

use super::{Route, require_json};
use crate::{
    errcode::Refusal,
    http::{Answer, Asked},
};

pub(super) static ROUTES: &[Route] = &[
    Route::api("/cgi-bin/get_api_domain_ip", api_domain_ip),
    Route::api("/cgi-bin/getcallbackip", callback_ip),
    Route::api("/cgi-bin/callback/check", callback_check),
];

fn api_domain_ip(_: &Asked<'_>) -> Result<Answer, Refusal> {
    Ok(Answer::json_text(
        r#"{"ip_list":["101.89.47.18","101.91.34.103","121.51.90.217"]}"#,
    ))
}

fn callback_ip(_: &Asked<'_>) -> Result<Answer, Refusal> {
    Ok(Answer::json_text(
        r#"{"ip_list":["127.0.0.1","101.226.103.0/25"]}"#,
    ))
}

fn callback_check(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let body = require_json(asked)?;
    let action = body["action"]
        .as_str()
        .filter(|action| ["dns", "ping", "all"].contains(action));
    let action = action.ok_or_else(|| Refusal::of(40202))?;
    let operator = body["check_operator"].as_str().unwrap_or("DEFAULT");
    if !["CHINANET", "UNICOM", "CAP", "DEFAULT"].contains(&operator) {
        return Err(Refusal::of(40203));
    }
    let mut answer = json!({"errcode": 0, "errmsg": "ok"});
    if action != "ping" {
        answer["dns"] = json!([{"ip": "127.0.0.1", "real_operator": operator}]);
    }
    if action != "dns" {
        answer["ping"] = json!([{"ip": "127.0.0.1", "from_operator": operator, "package_loss": "0%", "time": "0.079ms"}]);
    }
    Ok(Answer::json(&answer))
}
