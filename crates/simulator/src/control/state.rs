//! What can be read: state, counters, log.

use serde_json::{Value, json};

use crate::{Lane, Show, TicketKind, World, http::Ask, log::Call};

/// Every lane, with its name.
pub(super) const LANES: [Lane; 4] = [
    Lane::Classic,
    Lane::Stable,
    Lane::Ticket(TicketKind::Jsapi),
    Lane::Ticket(TicketKind::WxCard),
];

/// How many calls `GET /_sim/log` gives when nothing is said.
const LOG_PAGE: usize = 100;

pub(super) fn state(world: &World) -> Value {
    json!({
        "unix_ms": world.now().unix_ms(),
        "clock": if world.clock().is_manual() { "manual" } else { "real" },
        "apps": world.app_count(),
        "calls": world.call_count(),
        "minted": minted(world),
        "held": world.held(),
        "faults": world.faults(),
        "rules": world.rules(),
    })
}

pub(super) fn counters(world: &World) -> Value {
    json!({
        "calls": world.call_count(),
        "calls_by_path": world.calls_by_path(),
        "minted": minted(world),
    })
}

fn minted(world: &World) -> Value {
    LANES
        .iter()
        .map(|lane| {
            (
                lane.name().to_owned(),
                Value::from(world.minted_total(*lane)),
            )
        })
        .collect()
}

/// `?since=SEQ&limit=100&appid=…&path=…&raw=1`; the newest when the limit cuts.
pub(super) fn log(world: &World, ask: &Ask<'_>) -> Value {
    let number = |name: &str| {
        ask.params
            .filled(name)
            .and_then(|value| value.parse::<u64>().ok())
    };
    let show = if ask.params.filled("raw").is_some() {
        Show::Raw
    } else {
        Show::Masked
    };
    let limit = number("limit")
        .and_then(|limit| usize::try_from(limit).ok())
        .unwrap_or(LOG_PAGE);
    let mut calls = world.log_since(number("since").unwrap_or(0));
    calls.retain(|call| {
        ask.params
            .filled("appid")
            .is_none_or(|appid| call.appid.as_deref() == Some(appid))
            && ask
                .params
                .filled("path")
                .is_none_or(|path| *call.path == *path)
    });
    let skip = calls.len().saturating_sub(limit);
    let shown: Vec<Value> = calls[skip..]
        .iter()
        .map(|call| describe(call, show))
        .collect();
    json!({"last": world.call_count(), "calls": shown})
}

fn describe(call: &Call, show: Show) -> Value {
    json!({
        "seq": call.seq,
        "unix_ms": call.at.unix_ms(),
        "method": call.method.as_str(),
        "path": &*call.path,
        "query": call.query(show),
        "appid": call.appid,
        "token": call.token,
        "status": call.status,
        "errcode": call.errcode,
        "minted": call.minted.as_ref().map(|minted| json!({"lane": minted.lane.name(), "value": minted.value})),
        "forced": call.forced,
        "faults": call.faults,
        "from": call.from,
        "body_len": call.body_len,
    })
}
