//! The OpenAPI documents, generated from the handlers.

use axum::body::Body;
use http::Response;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::compat::{ticket, token};
use super::native::{apps, batch, credential, dead, fresh_json, health, stream};

/// The API listeners' document.
#[derive(OpenApi)]
#[openapi(
    info(title = "wxtoken", description = "Reads WeChat credentials that wxtoken keeps alive.", license(name = "Apache-2.0")),
    paths(
        credential::show, batch::read_many, dead::report_dead, stream::listen, apps::list, api_document,
        health::alive, health::ready,
        token::token, token::stable_token, ticket::ticket, ticket::ticket_by_post,
    ),
    components(schemas(token::WechatRefusal)),
    modifiers(&CallerKey),
)]
pub(crate) struct ApiDocument;

struct CallerKey;

impl Modify for CallerKey {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("caller_key", SecurityScheme::Http(bearer));
    }
}

/// This document.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "read",
    responses((status = 200, content_type = "application/json", body = Object)))]
pub(crate) async fn api_document() -> Response<Body> {
    let document = ApiDocument::openapi().to_json().unwrap_or_default();
    fresh_json(document.into_bytes()).map(Body::from)
}
