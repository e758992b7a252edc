//! Notes that may be taken once. How long one lives is counted by Redis, from when it was left; when it ends, it says itself.
//!
//! So the clock of Redis need not agree with ours, which sign-ins of a few minutes go by. Must not know: what a note says.

use std::sync::LazyLock;

use redis::Value;
use wxtoken_core::clock::Wall;
use wxtoken_core::user::OnceKey;

use super::super::super::redis::Lua;
use super::{LATEST, RedisUsers};
use crate::redis::{Trouble, bytes};

static LEAVE: LazyLock<Lua> = LazyLock::new(|| Lua::new(include_str!("scripts/leave.lua")));
static TAKE: LazyLock<Lua> = LazyLock::new(|| Lua::new(include_str!("scripts/take.lua")));

/// Clocks of replicas may differ by so many milliseconds.
const TOLERANCE: u64 = 30_000;
/// For so many milliseconds a note whose taker did not hear the answer stays for that taker alone.
const ASKED_AGAIN: &str = "10000";
/// Bytes of the end before what a note says.
const END: usize = 8;

impl RedisUsers {
    /// Leaves a note, unless one is there.
    pub(super) async fn leave(
        &self,
        key: &OnceKey,
        content: &[u8],
        until: Wall,
    ) -> Result<bool, Trouble> {
        let plain = [&until.0.to_be_bytes()[..], content].concat();
        let sealed = self
            .seal
            .seal_note(key, &plain)
            .map_err(|_| Trouble::NoRandom)?;
        let left = until.since(self.clock.now().wall).clamp(1, LATEST);
        let arguments = vec![sealed, left.to_string().into_bytes()];
        let leave = LEAVE.on(vec![self.keys.note(key)], arguments);
        let is_left = leave.run(&self.link).await? == Value::Int(1);
        if is_left {
            self.link.written();
        }
        Ok(is_left)
    }

    /// Takes a note away. One that Redis kept beyond its time, as after its clock was set back, is none.
    /// The same taker may ask again.
    pub(super) async fn take(
        &self,
        key: &OnceKey,
        taker: [u8; 16],
    ) -> Result<Option<Vec<u8>>, Trouble> {
        let names = vec![self.keys.note(key), self.keys.taken(key)];
        let arguments = vec![taker.to_vec(), ASKED_AGAIN.as_bytes().to_vec()];
        let taken = bytes(TAKE.on(names, arguments).run(&self.link).await?);
        let Some(plain) = taken.and_then(|sealed| self.seal.open_note(key, &sealed)) else {
            return Ok(None);
        };
        let Some((end, content)) = plain.split_first_chunk::<END>() else {
            return Ok(None);
        };
        let until = Wall(u64::from_be_bytes(*end));
        let is_over = self.clock.now().wall >= until.plus(TOLERANCE);
        Ok((!is_over).then(|| content.to_vec()))
    }
}
