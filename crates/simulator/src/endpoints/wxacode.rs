//! Mini-program codes: an image on success, JSON on error.

use super::{Route, require_json};
use crate::{
    errcode::Refusal,
    http::{Answer, Asked},
};

pub(super) static ROUTES: &[Route] = &[
    Route::api("/wxa/getwxacode", by_path),
    Route::api("/wxa/getwxacodeunlimit", by_scene),
    Route::api("/cgi-bin/wxaapp/createwxaqrcode", by_path),
];

/// Not a code anybody could scan, but a real image of each kind.
static JPEG: &[u8] = include_bytes!("assets/wxacode.jpg");
static PNG: &[u8] = include_bytes!("assets/wxacode.png");

fn by_path(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    image(asked, "path")
}

fn by_scene(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    image(asked, "scene")
}

fn image(asked: &Asked<'_>, needs: &str) -> Result<Answer, Refusal> {
    let body = require_json(asked)?;
    if body[needs].as_str().is_none_or(str::is_empty) {
        return Err(Refusal::of(40097));
    }
    // A transparent background needs another format.
    if body["is_hyaline"] == true {
        return Ok(Answer::of("image/png", PNG));
    }
    Ok(Answer::of("image/jpeg", JPEG))
}
