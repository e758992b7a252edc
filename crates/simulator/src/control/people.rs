//! People over HTTP: what they do, what they are, what they take back.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{ControlError, merge};
use crate::{
    Encrypted, Profile, UserCode, World,
    http::{decode, encode},
};

/// `{"user": "alice", "for": "web" | "web-base" | "web-snapshot" | "login" | "phone"}`: a one-time code, and the user's
/// open id.
pub(super) fn code(world: &World, appid: &str, body: &[u8]) -> Result<Value, ControlError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Act {
        user: String,
        r#for: UserCode,
    }
    let act: Act = serde_json::from_slice(body)?;
    let code = world.user_code(appid, &act.user, act.r#for)?;
    Ok(json!({"code": code, "openid": world.openid(appid, &act.user)?}))
}

/// `{"user": "alice"}`: what she granted the app is over, 42007.
pub(super) fn revoke(world: &World, appid: &str, body: &[u8]) -> Result<Value, ControlError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Whose {
        user: String,
    }
    let Whose { user } = serde_json::from_slice(body)?;
    Ok(json!({"user": user, "revoked": world.revoke(appid, &user)?}))
}

/// `{"user": "alice", "what": "profile" | "phone", "watermark": "another AppID"}`: as her phone would hand it on.
pub(super) fn encrypted(world: &World, appid: &str, body: &[u8]) -> Result<Value, ControlError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Wanted {
        user: String,
        what: Encrypted,
        watermark: Option<String>,
    }
    let wanted: Wanted = serde_json::from_slice(body)?;
    let data = world.encrypted(
        appid,
        &wanted.user,
        wanted.what,
        wanted.watermark.as_deref(),
    )?;
    Ok(serde_json::to_value(data)?)
}

pub(super) fn show(world: &World, name: &str) -> Result<Value, ControlError> {
    Ok(serde_json::to_value(world.profile(&decode(name)))?)
}

/// Any part of a profile: `{"nickname": "…", "has_unionid": false, "blocked": true}`.
pub(super) fn change(world: &World, name: &str, body: &[u8]) -> Result<Value, ControlError> {
    let name = decode(name);
    let mut changed = serde_json::to_value(world.profile(&name))?;
    merge(&mut changed, serde_json::from_slice(body)?);
    let profile: Profile = serde_json::from_value(changed)?;
    world.change_profile(&name, |old| *old = profile);
    show(world, &encode(&name))
}
