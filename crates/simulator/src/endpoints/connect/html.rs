//! The pages themselves: readable on a phone, with buttons that a thumb can hit.

use crate::http::Answer;

const STYLE: &str = "body{margin:0;background:#ededed;font:18px/1.5 system-ui,sans-serif;color:#191919}\
main{max-width:420px;margin:0 auto;padding:32px 20px;text-align:center}h1{font-size:22px}\
a.button{display:block;margin:16px 0;padding:14px;border-radius:8px;background:#07c160;color:#fff;text-decoration:none}\
a.plain{background:#fff;color:#191919}small{color:#737373;overflow-wrap:anywhere}";

/// What a person is asked.
pub(super) struct Question<'a> {
    pub(super) title: &'a str,
    pub(super) appid: &'a str,
    pub(super) wants: &'a str,
    pub(super) nickname: &'a str,
    pub(super) allow: &'a str,
    pub(super) deny: &'a str,
}

pub(super) fn question(question: &Question<'_>) -> Answer {
    let [appid, nickname] = [question.appid, question.nickname].map(escape);
    let [allow, deny] = [question.allow, question.deny].map(escape);
    let wants = question.wants;
    page(
        question.title,
        &format!(
            "<p>{appid}<br>申请获得 · wants</p><p><b>{wants}</b></p>\
             <a class=\"button\" id=\"allow\" href=\"{allow}\">允许 Allow</a>\
             <a class=\"button plain\" id=\"deny\" href=\"{deny}\">拒绝 Deny</a>\
             <small>身份 as <span id=\"who\">{nickname}</span></small>"
        ),
    )
}

/// Where a person stays who refused.
pub(super) fn refused() -> Answer {
    page(
        "已拒绝 Refused",
        "<p id=\"refused\">你拒绝了授权，可以关闭此页。You refused; this page can be closed.</p>",
    )
}

pub(super) fn error(number: u32) -> Answer {
    let body = format!("<p id=\"error\">错误码 error {number}</p>");
    Answer {
        errcode: Some(number.into()),
        ..page("出错了 Something is wrong", &body)
    }
}

fn page(title: &str, body: &str) -> Answer {
    let html = format!(
        "<!DOCTYPE html>\n<html lang=\"zh\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><title>{title}</title>\
         <style>{STYLE}</style></head><body><main><h1>{title}</h1>{body}</main></body></html>\n"
    );
    Answer::of("text/html; charset=utf-8", html)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
