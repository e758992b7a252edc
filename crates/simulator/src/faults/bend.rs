//! What the faults of one call do to it, without any I/O.

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use super::{Fault, Hit, gzip::gzip};
use crate::{
    clock::SimTime,
    errcode::Refusal,
    http::{Answer, Ask},
    rules::{Rules, not_on_it},
};

/// How an answer goes onto the wire.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Wire {
    /// As HTTP wants it.
    #[default]
    Whole,
    /// Not at all: the connection is cut.
    Nothing,
    /// The first half of the body, then the connection is cut.
    Half,
    /// For ever.
    Endless,
    /// A byte every so many milliseconds.
    Drip(u64),
}

/// The faults that bend one call.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bent(pub(crate) Vec<Hit>);

impl Bent {
    /// Their names, for the log.
    pub(crate) fn names(&self) -> Vec<&'static str> {
        self.faults().map(Fault::name).collect()
    }

    /// Whether nothing bends the call.
    pub(crate) fn is_straight(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn faults(&self) -> impl Iterator<Item = &Fault> {
        self.0.iter().map(|hit| &hit.fault)
    }

    /// The time as WeChat's bent clock has it.
    pub(crate) fn shift(&self, now: SimTime) -> SimTime {
        let offset = |fault: &Fault| match fault {
            Fault::ClockOffset { seconds } => seconds.saturating_mul(1000),
            _ => 0,
        };
        now.shifted(self.faults().map(offset).sum())
    }

    /// The answer given instead of carrying the call out.
    pub(crate) fn instead(&self, ask: &Ask<'_>, rules: &Rules) -> Option<Result<Answer, Refusal>> {
        self.faults().find_map(|fault| {
            let code = match fault {
                Fault::Busy => -1,
                Fault::Errcode { code } => *code,
                Fault::Quota => 45009,
                Fault::Rate => 45011,
                Fault::ConfirmIp => 89503,
                Fault::SecretFrozen => 40243,
                Fault::SecretChanged => 40125,
                Fault::AllTokensBad | Fault::PathAlways40001 => 40001,
                Fault::NotWhitelisted => {
                    return Some(Err(not_on_it(ask.from, rules.readings.whitelist_code)));
                }
                Fault::Echo { code } => {
                    return Some(Err(Refusal {
                        code: *code,
                        text: told_back(ask).into(),
                    }));
                }
                Fault::Html200 => return Some(Ok(page(StatusCode::OK, "网络认证"))),
                Fault::BadGateway { status } => {
                    let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_GATEWAY);
                    return Some(Ok(page(status, &format!("{status}"))));
                }
                Fault::Drop | Fault::DropBeforeMint => {
                    return Some(Ok(Answer {
                        errcode: None,
                        ..Answer::ok()
                    }));
                }
                _ => return None,
            };
            Some(Err(Refusal::of(code)))
        })
    }

    /// Bends an answer that was decided.
    pub(crate) fn bend(&self, mut answer: Answer) -> Answer {
        for fault in self.faults() {
            if fault.bends_values() && answer.errcode == Some(0) {
                answer.body = bend_values(fault, &answer.body);
            }
            match fault {
                Fault::TornJson => answer.body.truncate(answer.body.len() / 2),
                Fault::Gzip => {
                    answer.body = gzip(&answer.body).into();
                    answer = answer
                        .with_header(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                }
                Fault::WrongContentType => {
                    answer.content = Some(HeaderValue::from_static("image/jpeg"))
                }
                _ => {}
            }
        }
        answer
    }

    /// How the answer goes onto the wire.
    pub(crate) fn wire(&self) -> Wire {
        let wire = |fault: &Fault| match fault {
            Fault::Drop | Fault::DropBeforeMint | Fault::LostAnswer => Some(Wire::Nothing),
            Fault::CutBody => Some(Wire::Half),
            Fault::HugeAnswer => Some(Wire::Endless),
            Fault::SlowBody { ms } => Some(Wire::Drip(*ms)),
            _ => None,
        };
        self.faults().find_map(wire).unwrap_or_default()
    }
}

fn page(status: StatusCode, title: &str) -> Answer {
    let body = format!(
        "<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"
    );
    Answer {
        status,
        errcode: None,
        ..Answer::of("text/html; charset=utf-8", body)
    }
}

fn told_back(ask: &Ask<'_>) -> String {
    let (headers, body) = (ask.header_lines(), String::from_utf8_lossy(ask.body));
    format!(
        "bad request: {} {}?{}\n{headers}\n{body}",
        ask.method, ask.path, ask.query
    )
}

fn bend_values(fault: &Fault, body: &Bytes) -> Bytes {
    let Ok(Value::Object(mut answer)) = serde_json::from_slice(body) else {
        return body.clone();
    };
    let value_key = if answer.contains_key("ticket") {
        "ticket"
    } else {
        "access_token"
    };
    let mut put = |key: &str, value: Value| {
        answer.insert(key.to_owned(), value);
    };
    match fault {
        Fault::EmptyToken => put(value_key, json!("")),
        Fault::LongToken => put(value_key, json!("x".repeat(600))),
        Fault::ControlToken => put(value_key, json!("98_ab\r\nSet-Cookie: a=b\u{0}\u{7f}")),
        Fault::ExpiresZero => put("expires_in", json!(0)),
        Fault::ExpiresNegative => put("expires_in", json!(-5)),
        Fault::ExpiresTenYears => put("expires_in", json!(315_360_000)),
        Fault::ExpiresString => put("expires_in", json!("7200")),
        Fault::DuplicateKeys => return twice(&answer),
        _ => {}
    }
    Value::Object(answer).to_string().into()
}

fn twice(answer: &serde_json::Map<String, Value>) -> Bytes {
    let wrong = |value: &Value| {
        if value.is_string() {
            json!("decoy")
        } else {
            json!(1)
        }
    };
    let pair = |(key, value): (&String, &Value)| {
        format!(
            "{0}:{1},{0}:{value}",
            Value::from(key.as_str()),
            wrong(value)
        )
    };
    format!(
        "{{{}}}",
        answer.iter().map(pair).collect::<Vec<_>>().join(",")
    )
    .into()
}
