//! Apps over HTTP: add, show, change, and what others do to them.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{ControlError, state::LANES};
use crate::{
    Account, AppSpec, IpStanding, Lane, UserSettings, World, fingerprint, generated_app, http::Ask,
};

/// How many apps `GET /_sim/apps` lists when nothing is said.
const LIST: usize = 100;

pub(super) fn list(world: &World, ask: &Ask<'_>) -> Value {
    let limit = ask
        .params
        .filled("limit")
        .and_then(|limit| limit.parse().ok())
        .unwrap_or(LIST);
    json!({"count": world.app_count(), "appids": world.appids(limit)})
}

/// `{"appid", "secret", "kind", "whitelist"}`, or `{"generate": 1000}` for the first 1000 generated ones.
pub(super) fn add(world: &World, body: &[u8]) -> Result<Value, ControlError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Generate {
        generate: usize,
    }
    let order: Value = serde_json::from_slice(body)?;
    if order.get("generate").is_some() {
        let Generate { generate } = serde_json::from_value(order)?;
        for index in 0..generate {
            world.add_app(generated_app(index))?;
        }
    } else {
        world.add_app(serde_json::from_value::<AppSpec>(order)?)?;
    }
    Ok(json!({"count": world.app_count()}))
}

/// One app: its lanes and counts; `?raw=1` shows the values and the AppSecret too.
pub(super) fn show(world: &World, appid: &str, ask: &Ask<'_>) -> Result<Value, ControlError> {
    let secret = world
        .secret(appid)
        .ok_or_else(|| crate::UnknownApp(appid.to_owned()))?;
    let raw = ask.params.filled("raw").is_some();
    let lane = |lane: &Lane| {
        let value = world.current_token(appid, *lane);
        let shown = value.map(|value| if raw { value } else { fingerprint(&value) });
        let lane = json!({
            "value": shown,
            "ends_unix_ms": world.ends_at(appid, *lane).map(|at| at.unix_ms()),
            "minted": world.minted(appid, *lane),
            "minted_elsewhere": world.minted_elsewhere(appid, *lane),
        });
        lane
    };
    let lanes: serde_json::Map<String, Value> = LANES
        .iter()
        .map(|one| (one.name().to_owned(), lane(one)))
        .collect();
    Ok(json!({
        "appid": appid,
        "secret": if raw { secret } else { fingerprint(&secret) },
        "lanes": lanes,
        "users": world.user_settings(appid)?,
        "forced": world.forced(appid),
        "forces_today": world.forces_today(appid),
        "fetches_today": {
            "classic": world.used_today(appid, "/cgi-bin/token"),
            "stable": world.used_today(appid, "/cgi-bin/stable_token"),
        },
    }))
}

/// `{"secret", "secret_frozen", "account", "ip", "whitelist", "users"}`, each as wanted; `"whitelist": null` lets all pass,
/// and of `users` what is left out becomes what it is at first.
pub(super) fn change(world: &World, appid: &str, body: &[u8]) -> Result<Value, ControlError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Change {
        secret: Option<String>,
        secret_frozen: Option<bool>,
        account: Option<Account>,
        ip: Option<IpStanding>,
        users: Option<UserSettings>,
        /// Absent and `null` are different things here.
        #[serde(default, deserialize_with = "present")]
        whitelist: Option<Option<Vec<String>>>,
    }
    fn present<'de, D: serde::Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Option<Vec<String>>>, D::Error> {
        Option::deserialize(from).map(Some)
    }
    let change: Change = serde_json::from_slice(body)?;
    if let Some(whitelist) = change.whitelist {
        let entries: Option<Vec<&str>> = whitelist
            .as_ref()
            .map(|entries| entries.iter().map(String::as_str).collect());
        world.set_whitelist(appid, entries.as_deref())?;
    }
    if let Some(secret) = change.secret {
        world.set_secret(appid, &secret)?;
    }
    if let Some(frozen) = change.secret_frozen {
        world.freeze_secret(appid, frozen)?;
    }
    if let Some(account) = change.account {
        world.set_account(appid, account)?;
    }
    if let Some(standing) = change.ip {
        world.set_ip_standing(appid, standing)?;
    }
    if let Some(users) = change.users {
        world.change_user_settings(appid, |settings| *settings = users)?;
    }
    world
        .secret(appid)
        .map(|_| json!({"appid": appid, "changed": true}))
        .ok_or_else(|| crate::UnknownApp(appid.to_owned()).into())
}

/// `kill`, `void`, `expire`, `foreign`: with `{"lane": "classic" | "stable" | "both" | "jsapi_ticket" | "card_ticket"}`.
pub(super) fn meddle(
    world: &World,
    appid: &str,
    deed: &str,
    ask: &Ask<'_>,
) -> Result<Value, ControlError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Where {
        lane: String,
    }
    let name = serde_json::from_slice::<Where>(ask.body)?.lane;
    let lanes: Vec<Lane> = match name.as_str() {
        "both" => vec![Lane::Classic, Lane::Stable],
        name => LANES
            .into_iter()
            .filter(|lane| lane.name() == name)
            .collect(),
    };
    if lanes.is_empty() {
        let known = "classic, stable, both, jsapi_ticket, card_ticket";
        return Err(ControlError::Wrong(format!(
            "there is no lane {name:?}; write one of {known}"
        )));
    }
    for lane in lanes {
        match (deed, lane) {
            ("kill", lane) => drop(world.kill(appid, lane)?),
            ("void", lane) => world.void(appid, lane)?,
            ("expire", lane) => world.expire_now(appid, lane)?,
            ("foreign", Lane::Classic) => drop(world.foreign_fetch(appid)?),
            ("foreign", Lane::Stable) => drop(world.foreign_force(appid)?),
            ("foreign", Lane::Ticket(_)) => {
                return Err(ControlError::Wrong(
                    "a ticket has no foreign fetch; use void".to_owned(),
                ));
            }
            (_, _) => {
                return Err(ControlError::NoSuchRoute(
                    ask.method.clone(),
                    ask.path.to_owned(),
                ));
            }
        }
    }
    Ok(json!({"appid": appid, "done": deed}))
}
