//! `POST /v1/apps/{appid}/card-signature`: what a page gives to `wx.addCard` and `wx.chooseCard`.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use http::{Request, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use wxtoken_core::app::AppId;
use wxtoken_core::credential::{Kind, Token};

use super::super::error::{ApiError, Problem};
use super::super::input;
use super::super::native::fresh_json;
use super::super::services::Services;
use super::MaySign;
use crate::jssdk::{AddCard, ChooseCard, InvalidCard, Nonce};

/// What the page is about to do with a card.
#[derive(Deserialize, ToSchema)]
#[serde(tag = "for", deny_unknown_fields)]
pub(crate) enum CardSigning {
    /// `wx.addCard`: the user is given a card.
    #[serde(rename = "addCard")]
    Add {
        /// Which card.
        card_id: String,
        /// Its code, where the merchant has codes of its own.
        #[serde(default)]
        code: String,
        /// The only user who may have it.
        #[serde(default)]
        openid: String,
        /// From when it counts, in Unix seconds. It is not signed, only put in its place.
        #[serde(default)]
        fixed_begintimestamp: Option<u64>,
        /// What the merchant is told of how it was given. It is not signed, only put in its place.
        #[serde(default)]
        outer_str: String,
    },
    /// `wx.chooseCard`: the user chooses among cards.
    #[serde(rename = "chooseCard")]
    Choose {
        /// The shop whose cards are meant (`location_id`).
        #[serde(default)]
        shop_id: String,
        /// The card that is meant.
        #[serde(default)]
        card_id: String,
        /// The type of card that is meant, such as `GROUPON`.
        #[serde(default)]
        card_type: String,
    },
}

/// What the page gives on, by the names that it has there.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(untagged, rename_all_fields = "camelCase")]
pub(crate) enum CardReply {
    /// One item of `cardList` for `wx.addCard`.
    Add {
        /// Which card.
        card_id: String,
        /// The signed rest, as JSON in a text, as WeChat wants it.
        card_ext: String,
    },
    /// The arguments of `wx.chooseCard`.
    Choose {
        /// The shop.
        shop_id: String,
        /// The type of card.
        card_type: String,
        /// The card.
        card_id: String,
        /// When it was signed, in Unix seconds.
        timestamp: u64,
        /// A random text that was signed too.
        nonce_str: String,
        /// Always `SHA1`.
        sign_type: String,
        /// The signature.
        card_sign: String,
    },
}

/// `cardExt` before it becomes a text. WeChat's examples write numbers as texts, and so does this.
#[derive(Serialize)]
struct CardExt<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    code: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    openid: &'a str,
    timestamp: String,
    nonce_str: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    fixed_begintimestamp: Option<String>,
    #[serde(skip_serializing_if = "str::is_empty")]
    outer_str: &'a str,
    signature: &'a str,
}

/// Signs a card: with `"for":"addCard"` the answer is an item of `cardList`, with `"for":"chooseCard"` the arguments of
/// `wx.chooseCard`. The ticket stays here.
#[utoipa::path(post, path = "/v1/apps/{appid}/card-signature", tag = "sign", security(("caller_key" = [])),
    params(("appid" = String, Path, description = "An AppID")),
    request_body = CardSigning,
    responses(
        (status = 200, body = CardReply),
        (status = 400, body = Problem, content_type = "application/problem+json"),
        (status = 401, body = Problem, content_type = "application/problem+json"),
        (status = 403, body = Problem, content_type = "application/problem+json"),
        (status = 404, body = Problem, content_type = "application/problem+json"),
        (status = 429, body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json"),
    ))]
pub(crate) async fn sign_card(
    State(services): State<Arc<Services>>,
    MaySign {
        app,
        request: _open,
    }: MaySign,
    body: Request<Body>,
) -> Result<Response<Body>, ApiError> {
    let body = input::body(body.into_body(), &services.limits).await?;
    let expected = r#"{"for":"addCard","card_id":"p…","code":"…","openid":"…"} or {"for":"chooseCard","shop_id":"…","card_id":"…","card_type":"…"}"#;
    let wanted: CardSigning = input::json(&body, expected)?;
    let ticket = super::ticket(&services, app, Kind::CardTicket).await?;
    let now = services.keeper.now().wall.unix_seconds();
    let nonce = super::nonce()?;
    let reply = signed(&wanted, &app, &ticket.token, &nonce, now)?;
    let json = serde_json::to_vec(&reply).map_err(|_| ApiError::Internal)?;
    Ok(fresh_json(json).map(Body::from))
}

fn signed(
    wanted: &CardSigning,
    app: &AppId,
    ticket: &Token,
    nonce: &Nonce,
    now: u64,
) -> Result<CardReply, ApiError> {
    let malformed = |why: InvalidCard| ApiError::Malformed(why.to_string());
    match wanted {
        CardSigning::Add {
            card_id,
            code,
            openid,
            fixed_begintimestamp,
            outer_str,
        } => {
            let card = AddCard::new(card_id, code, openid).map_err(malformed)?;
            let signature = card.signature(ticket, nonce, now);
            let ext = CardExt {
                code,
                openid,
                timestamp: now.to_string(),
                nonce_str: nonce.as_str(),
                fixed_begintimestamp: fixed_begintimestamp.map(|at| at.to_string()),
                outer_str,
                signature: signature.as_str(),
            };
            Ok(CardReply::Add {
                card_id: card_id.clone(),
                card_ext: serde_json::to_string(&ext).map_err(|_| ApiError::Internal)?,
            })
        }
        CardSigning::Choose {
            shop_id,
            card_id,
            card_type,
        } => {
            let choice = ChooseCard::new(shop_id, card_id, card_type).map_err(malformed)?;
            let signature = choice.signature(ticket, app, nonce, now);
            Ok(CardReply::Choose {
                shop_id: shop_id.clone(),
                card_type: card_type.clone(),
                card_id: card_id.clone(),
                timestamp: now,
                nonce_str: nonce.as_str().to_owned(),
                sign_type: "SHA1".to_owned(),
                card_sign: signature.as_str().to_owned(),
            })
        }
    }
}
