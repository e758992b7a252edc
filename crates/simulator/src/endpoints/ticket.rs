//! `/cgi-bin/ticket/getticket`; page `api_getticket`.

use super::Route;
use crate::{
    apps::AppKind,
    errcode::Refusal,
    http::{Answer, Asked},
    log::Minted,
    rules::{Lane, TicketKind},
    token::fingerprint,
};

pub(super) static ROUTES: &[Route] = &[Route::api("/cgi-bin/ticket/getticket", getticket)];

fn getticket(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let kind = match asked.ask.params.get("type") {
        // Some SDKs send the number.
        Some("jsapi" | "1") => TicketKind::Jsapi,
        Some("wx_card") => TicketKind::WxCard,
        Some(_) | None => return Err(Refusal::of(40097)),
    };
    let (app, token) = asked.token_app()?;
    let mut state = app.lock();
    // 公众号, 服务号, mobile and website apps may; mini programs have no JS-SDK.
    if state.kind == AppKind::Mini {
        return Err(Refusal::of(48001));
    }
    let (serial, expires_in, fresh) = state.ticket(kind, token.serial, asked.rules, asked.now);
    let text = asked.shared.minter.ticket(state.index, kind, serial);
    let minted = fresh.then(|| Minted {
        lane: Lane::Ticket(kind),
        value: fingerprint(&text),
        ends: None,
    });
    let body =
        format!(r#"{{"errcode":0,"errmsg":"ok","ticket":"{text}","expires_in":{expires_in}}}"#);
    Ok(Answer::json_text(body).minting(minted))
}
