//! Media up and down, byte for byte; pages of `media` and `material`.

use bytes::Bytes;
use http::HeaderValue;
use serde_json::json;

use super::{Door, Route, require_json, require_post};
use crate::{
    errcode::{Family, Refusal},
    http::{Answer, Ask, Asked, attachment},
    world::Media,
};

/// The largest upload that is kept; WeChat's own limits are below.
const UPLOAD: usize = 20 * 1024 * 1024;
const TYPES: [&str; 4] = ["image", "voice", "video", "thumb"];

pub(super) static ROUTES: &[Route] = &[
    Route {
        keeps_body: UPLOAD,
        ..Route::api("/cgi-bin/media/upload", upload)
    },
    Route {
        keeps_body: UPLOAD,
        ..Route::api("/cgi-bin/material/add_material", add_material)
    },
    Route::api("/cgi-bin/media/get", get),
    Route::api("/cgi-bin/media/get/jssdk", get),
    Route::new(
        "/cgi-bin/material/get_material",
        Door::Token,
        Family::Cgi,
        get_material,
    ),
];

fn upload(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let (kind, id) = store(asked)?;
    Ok(Answer::json(
        &json!({"type": kind, "media_id": id, "created_at": asked.now.unix_s()}),
    ))
}

fn add_material(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let (_, id) = store(asked)?;
    Ok(Answer::json(
        &json!({"media_id": id, "url": format!("https://mmbiz.qpic.cn/simulated/{id}")}),
    ))
}

fn store<'a>(asked: &'a Asked<'_>) -> Result<(&'a str, String), Refusal> {
    require_post(asked)?;
    let kind = asked
        .ask
        .params
        .filled("type")
        .filter(|kind| TYPES.contains(kind))
        .ok_or_else(|| Refusal::of(40004))?;
    if asked.ask.body_len > u64::try_from(asked.ask.body.len()).unwrap_or(u64::MAX) {
        return Err(Refusal::of(45002));
    }
    let (name, content, bytes) = file_part(asked.ask).ok_or_else(|| Refusal::of(41005))?;
    let (app, _) = asked.token_app()?;
    let id = asked.shared.people().fresh(48);
    let media = Media {
        app: app.lock().index,
        video: kind == "video",
        name,
        content,
        bytes,
    };
    asked.shared.media().put(id.clone(), media);
    Ok((kind, id))
}

fn get(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let id = asked
        .ask
        .params
        .filled("media_id")
        .ok_or_else(|| Refusal::of(40007))?;
    hand_out(asked, id)
}

fn get_material(asked: &Asked<'_>) -> Result<Answer, Refusal> {
    let id = require_json(asked)?["media_id"]
        .as_str()
        .unwrap_or_default();
    hand_out(asked, id)
}

/// The bytes as they came; a video is a link.
fn hand_out(asked: &Asked<'_>, id: &str) -> Result<Answer, Refusal> {
    let index = asked.token_app()?.0.lock().index;
    let store = asked.shared.media();
    let media = store
        .get(id)
        .filter(|media| media.app == index)
        .ok_or_else(|| Refusal::of(40007))?;
    if media.video {
        return Ok(Answer::json(
            &json!({"video_url": format!("http://203.205.0.1/simulated/{id}.mp4")}),
        ));
    }
    let (name, value) = attachment(&media.name);
    let content = HeaderValue::try_from(&*media.content)
        .unwrap_or_else(|_| HeaderValue::from_static("image/jpeg"));
    let answer = Answer {
        content: Some(content),
        ..Answer::json_text(media.bytes.clone())
    };
    Ok(answer.with_header(name, value))
}

/// The first part of a multipart body that is a file: its name, its content type, its bytes.
fn file_part(ask: &Ask<'_>) -> Option<(String, String, Bytes)> {
    let content = ask.headers.get(http::header::CONTENT_TYPE)?.to_str().ok()?;
    let boundary = content
        .split("boundary=")
        .nth(1)?
        .split(';')
        .next()?
        .trim()
        .trim_matches('"');
    let opening = format!("--{boundary}\r\n");
    let closing = format!("\r\n--{boundary}");
    let mut from = find(ask.body, opening.as_bytes(), 0)? + opening.len();
    loop {
        let head_end = find(ask.body, b"\r\n\r\n", from)?;
        let head = String::from_utf8_lossy(&ask.body[from..head_end]).into_owned();
        let end = find(ask.body, closing.as_bytes(), head_end + 2)?;
        if let Some(name) = quoted(&head, "filename=\"") {
            let line = head
                .lines()
                .find(|line| line.to_ascii_lowercase().starts_with("content-type:"));
            let content = line
                .and_then(|line| line.split_once(':'))
                .map_or("image/jpeg", |(_, value)| value.trim());
            return Some((
                name,
                content.to_owned(),
                ask.body.slice((head_end + 4).min(end)..end),
            ));
        }
        from = end + closing.len() + 2;
    }
}

fn quoted(head: &str, before: &str) -> Option<String> {
    Some(head.split_once(before)?.1.split('"').next()?.to_owned())
}

fn find(body: &[u8], what: &[u8], from: usize) -> Option<usize> {
    let rest = body.get(from..)?;
    rest.windows(what.len())
        .position(|window| window == what)
        .map(|at| at + from)
}
