//! `GET /cgi-bin/token` and `POST /cgi-bin/stable_token`; pages `api_getaccesstoken`, `api_getstableaccesstoken`.

use super::{Door, Names, Route, require_json};
use crate::{
    errcode::{Family, Refusal},
    http::{Answer, Asked},
    rules::{Grant, Issued},
};

pub(super) static ROUTES: &[Route] = &[
    Route::new(
        "/cgi-bin/token",
        Door::Secret(Names::Query),
        Family::Cgi,
        classic,
    ),
    Route::new(
        "/cgi-bin/stable_token",
        Door::Secret(Names::Body),
        Family::Cgi,
        stable,
    ),
];

const CLIENT_CREDENTIAL: &str = "client_credential";

fn classic(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let params = &asked.ask.params;
    let app = asked.named_app(Names::Query)?;
    let grant = Grant {
        given: params.get("grant_type"),
        right: CLIENT_CREDENTIAL,
    };
    let mut state = app.lock();
    let ask = asked.secret_ask(params.get("secret"), Some(grant));
    let issued = state.fetch_classic(&ask, asked.rules, asked.now)?;
    let (text, minted) = asked.token_text(&state, false, &issued);
    Ok(token_answer(&text, &issued).minting(minted))
}

fn stable(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let body = require_json(asked)?;
    let app = asked.named_app(Names::Body)?;
    let grant = Grant {
        given: body["grant_type"].as_str(),
        right: CLIENT_CREDENTIAL,
    };
    let mut state = app.lock();
    let ask = asked.secret_ask(body["secret"].as_str(), Some(grant));
    let issued = state.fetch_stable(&ask, asked.ask.forces(), asked.rules, asked.now)?;
    let (text, minted) = asked.token_text(&state, true, &issued);
    Ok(token_answer(&text, &issued).minting(minted))
}

/// No `errcode` on success.
fn token_answer(text: &str, issued: &Issued) -> Answer {
    Answer::json_text(format!(
        r#"{{"access_token":"{text}","expires_in":{}}}"#,
        issued.expires_in
    ))
}
