//! The OpenAPI documents, generated from the handlers.

use axum::body::Body;
use http::Response;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::admin;
use super::compat::{ticket, token};
use super::jssdk::{card, page};
use super::native::{apps, batch, credential, dead, fresh_json, health, stream};
use super::oauth;
use super::users::{decrypt, forget, info, login, phone, profile};

/// The API listeners' document.
#[derive(OpenApi)]
#[openapi(
    info(title = "wxtoken", description = "Reads WeChat credentials that wxtoken keeps alive.", license(name = "Apache-2.0")),
    paths(
        credential::show, batch::read_many, dead::report_dead, stream::listen, page::sign_page, card::sign_card,
        oauth::redeem, info::show, info::batch, profile::show, forget::forget, login::login, decrypt::decrypt, login::check, phone::number,
        apps::list, api_document,
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
        bearer(document, "caller_key");
    }
}

/// This document.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "read",
    responses((status = 200, content_type = "application/json", body = Object)))]
pub(crate) async fn api_document() -> Response<Body> {
    document(&ApiDocument::openapi())
}

/// The admin listeners' document.
#[derive(OpenApi)]
#[openapi(
    info(title = "wxtoken admin", description = "Watches and steers a wxtoken server.", license(name = "Apache-2.0")),
    paths(
        admin::health::alive, admin::health::ready, admin::health::metrics, admin::status::show,
        admin::apps::list, admin::refresh::refresh, admin::callers::revoke, admin_document,
    ),
    components(schemas(admin::health::ReadyAppsReply)),
    modifiers(&AdminKey),
)]
pub(crate) struct AdminDocument;

struct AdminKey;

impl Modify for AdminKey {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        bearer(document, "admin_key");
    }
}

/// This document.
#[utoipa::path(get, path = "/admin/openapi.json", tag = "admin", security(("admin_key" = [])),
    responses((status = 200, content_type = "application/json", body = Object)))]
pub(crate) async fn admin_document() -> Response<Body> {
    document(&AdminDocument::openapi())
}

fn bearer(document: &mut utoipa::openapi::OpenApi, name: &str) {
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    let components = document.components.get_or_insert_default();
    components.add_security_scheme(name, SecurityScheme::Http(bearer));
}

fn document(document: &utoipa::openapi::OpenApi) -> Response<Body> {
    fresh_json(document.to_json().unwrap_or_default().into_bytes()).map(Body::from)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::http::admin::routes::AdminRoute;
    use crate::http::routes::Route;

    /// Method and path of every operation of a document.
    fn operations(document: &utoipa::openapi::OpenApi) -> BTreeSet<(String, String)> {
        let json = serde_json::to_value(document).unwrap();
        let paths = json["paths"].as_object().unwrap();
        let each = |(path, methods): (&String, &serde_json::Value)| {
            let methods = methods.as_object().unwrap().keys();
            methods
                .map(|method| (method.to_uppercase(), path.clone()))
                .collect::<Vec<_>>()
        };
        paths.iter().flat_map(each).collect()
    }

    #[test]
    fn the_documents_describe_exactly_the_listed_routes() {
        let listed = Route::ALL.map(|route| (route.method().to_string(), route.path().to_owned()));
        assert_eq!(operations(&ApiDocument::openapi()), BTreeSet::from(listed));
        let listed =
            AdminRoute::ALL.map(|route| (route.method().to_string(), route.path().to_owned()));
        assert_eq!(
            operations(&AdminDocument::openapi()),
            BTreeSet::from(listed)
        );
    }

    #[test]
    fn the_documents_change_only_on_purpose() {
        for (name, mut document) in [
            ("api", ApiDocument::openapi()),
            ("admin", AdminDocument::openapi()),
        ] {
            document.info.version = "VERSION".to_owned();
            insta::assert_json_snapshot!(name, document);
        }
    }
}
