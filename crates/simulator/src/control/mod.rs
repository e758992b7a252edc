//! The same hand inside, over HTTP: everything below `/_sim/`. From loopback only.
//!
//! Owns: the list of control routes, their JSON. Must not know: how a call is answered, sockets.

mod apps;
mod help;
mod login;
mod people;
mod state;

use http::{HeaderValue, Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{Fault, FaultId, FaultScope, Rules, World, faults::fault_catalog, http::Ask};

const JSON: &str = "application/json; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// Why a control call is not carried out, with the cure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ControlError {
    #[error("there is no {0} {1}; GET /_sim/ lists what there is")]
    NoSuchRoute(Method, String),
    #[error("the body is not the JSON that is wanted here: {0}; GET /_sim/ shows an example")]
    BadBody(#[from] serde_json::Error),
    #[error("{0}")]
    Wrong(String),
    #[error("the simulator can be steered from this machine only")]
    NotLoopback,
}

impl ControlError {
    fn status(&self) -> StatusCode {
        match self {
            Self::NoSuchRoute(..) => StatusCode::NOT_FOUND,
            Self::BadBody(_) | Self::Wrong(_) => StatusCode::BAD_REQUEST,
            Self::NotLoopback => StatusCode::FORBIDDEN,
        }
    }
}

/// Whether a path is ours; WeChat has none that starts so.
pub(crate) fn owns(path: &str) -> bool {
    path == "/_sim" || path.starts_with("/_sim/")
}

/// The answer to a control call.
pub(crate) struct Controlled {
    pub(crate) status: StatusCode,
    pub(crate) content: &'static str,
    pub(crate) text: String,
    pub(crate) cookie: Option<HeaderValue>,
}

impl Controlled {
    fn of(content: &'static str, text: String) -> Self {
        Self {
            status: StatusCode::OK,
            content,
            text,
            cookie: None,
        }
    }

    fn refused(error: &ControlError) -> Self {
        let text = format!("{:#}\n", json!({"error": error.to_string()}));
        Self {
            status: error.status(),
            ..Self::of(JSON, text)
        }
    }
}

/// Answers a control call.
pub(crate) fn answer(world: &World, ask: &Ask<'_>) -> Controlled {
    let answered = match (ask.method.as_str(), ask.path) {
        ("GET", "/_sim" | "/_sim/") => return Controlled::of(TEXT, help::HELP.to_owned()),
        ("GET", "/_sim/login") => from_here(ask).map(|()| login::page(world, ask)),
        (_, _) => carry_out(world, ask).map(|value| Controlled::of(JSON, format!("{value:#}\n"))),
    };
    answered.unwrap_or_else(|error| Controlled::refused(&error))
}

fn from_here(ask: &Ask<'_>) -> Result<(), ControlError> {
    if ask.from.to_canonical().is_loopback() {
        Ok(())
    } else {
        Err(ControlError::NotLoopback)
    }
}

fn carry_out(world: &World, ask: &Ask<'_>) -> Result<Value, ControlError> {
    from_here(ask)?;
    let path: Vec<&str> = ask
        .path
        .trim_start_matches("/_sim")
        .split('/')
        .filter(|part| !part.is_empty())
        .collect();
    match (ask.method.as_str(), path.as_slice()) {
        ("GET", ["state"]) => Ok(state::state(world)),
        ("GET", ["counters"]) => Ok(state::counters(world)),
        ("GET", ["log"]) => Ok(state::log(world, ask)),
        ("GET", ["apps"]) => Ok(apps::list(world, ask)),
        ("POST", ["apps"]) => apps::add(world, ask.body),
        ("GET", ["apps", appid]) => apps::show(world, appid, ask),
        ("PUT", ["apps", appid]) => apps::change(world, appid, ask.body),
        ("POST", ["apps", appid, "code"]) => people::code(world, appid, ask.body),
        ("POST", ["apps", appid, "revoke"]) => people::revoke(world, appid, ask.body),
        ("POST", ["apps", appid, "encrypted"]) => people::encrypted(world, appid, ask.body),
        ("POST", ["apps", appid, deed]) => apps::meddle(world, appid, deed, ask),
        ("GET", ["people", name]) => people::show(world, name),
        ("PUT", ["people", name]) => people::change(world, name, ask.body),
        ("GET", ["faults"]) => Ok(json!({"set": world.faults(), "known": fault_catalog()})),
        ("POST", ["faults"]) => set_fault(world, ask.body),
        ("DELETE", ["faults"]) => {
            world.clear_faults();
            Ok(json!({"set": []}))
        }
        ("DELETE", ["faults", id]) => clear_fault(world, id),
        ("POST", ["release"]) => {
            world.release_held();
            Ok(json!({"released": true}))
        }
        ("POST", ["clock"]) => move_clock(world, ask.body),
        ("GET", ["rules"]) => Ok(serde_json::to_value(world.rules())?),
        ("PUT", ["rules"]) => change_rules(world, ask.body),
        _ => Err(ControlError::NoSuchRoute(
            ask.method.clone(),
            ask.path.to_owned(),
        )),
    }
}

/// `{"name": "delay", "ms": 500, "appid": "wx…", "path": "/cgi-bin/token", "query": "type=jsapi", "count": 3}`.
fn set_fault(world: &World, body: &[u8]) -> Result<Value, ControlError> {
    #[derive(Deserialize)]
    struct Bounds {
        #[serde(flatten)]
        scope: LooseScope,
        count: Option<u32>,
    }
    #[derive(Deserialize)]
    struct LooseScope {
        appid: Option<String>,
        path: Option<String>,
        query: Option<String>,
    }
    let mut order: Value = serde_json::from_slice(body)?;
    let bounds: Bounds = serde_json::from_value(order.clone())?;
    if let Some(fields) = order.as_object_mut() {
        for name in ["appid", "path", "query", "count"] {
            fields.remove(name);
        }
    }
    let fault: Fault = serde_json::from_value(order)?;
    let scope = FaultScope {
        appid: bounds.scope.appid,
        path: bounds.scope.path,
        query: bounds.scope.query,
    };
    let id = world.set_fault(scope, fault, bounds.count);
    Ok(json!({"id": id, "set": world.faults()}))
}

fn clear_fault(world: &World, id: &str) -> Result<Value, ControlError> {
    let wrong = || {
        ControlError::Wrong(format!(
            "no fault has the number {id}; GET /_sim/faults lists those that are set"
        ))
    };
    let id = FaultId(id.parse().map_err(|_| wrong())?);
    if !world.clear_fault(id) {
        return Err(wrong());
    }
    Ok(json!({"set": world.faults()}))
}

/// `{"advance_s": 7000}`; negative goes back.
fn move_clock(world: &World, body: &[u8]) -> Result<Value, ControlError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Move {
        advance_s: f64,
    }
    let by: Move = serde_json::from_slice(body)?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a float cast saturates, and a clock that far off is as good as any"
    )]
    world.clock().shift_ms((by.advance_s * 1000.0) as i64);
    Ok(json!({"unix_ms": world.now().unix_ms()}))
}

/// Any part of the rules: `{"token_lifetime_s": 12, "readings": {"third_mint": "keeps-all"}}`.
fn change_rules(world: &World, body: &[u8]) -> Result<Value, ControlError> {
    let mut rules = serde_json::to_value(world.rules())?;
    merge(&mut rules, serde_json::from_slice(body)?);
    let rules: Rules = serde_json::from_value(rules)?;
    world.set_rules(rules);
    Ok(serde_json::to_value(world.rules())?)
}

fn merge(into: &mut Value, change: Value) {
    match (into, change) {
        (Value::Object(into), Value::Object(change)) => {
            for (name, value) in change {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (into, change) => *into = change,
    }
}

impl From<crate::UnknownApp> for ControlError {
    fn from(error: crate::UnknownApp) -> Self {
        Self::Wrong(error.to_string())
    }
}

impl From<crate::BadWhitelist> for ControlError {
    fn from(error: crate::BadWhitelist) -> Self {
        Self::Wrong(error.to_string())
    }
}

impl From<crate::WhitelistError> for ControlError {
    fn from(error: crate::WhitelistError) -> Self {
        Self::Wrong(error.to_string())
    }
}

impl From<crate::EncryptError> for ControlError {
    fn from(error: crate::EncryptError) -> Self {
        Self::Wrong(error.to_string())
    }
}
