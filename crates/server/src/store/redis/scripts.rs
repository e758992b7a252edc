//! The scripts, each atomic on the keys of one app; and what they answer.
//!
//! Must not know: what their answers are used for.

use std::sync::LazyLock;

use redis::{Cmd, Script, Value};
use wxtoken_core::app::AppId;

use super::row::Row;
use crate::redis::{Link, Trouble, bytes};

macro_rules! scripts {
    ($($name:ident $file:literal),* $(,)?) => {
        $(pub(super) static $name: LazyLock<Lua> = LazyLock::new(|| {
            Lua::new(concat!(
                include_str!("scripts/numbers.lua"),
                include_str!("scripts/life.lua"),
                include_str!(concat!("scripts/", $file))
            ))
        });)*
    };
}

scripts! {
    LEASE "lease.lua",
    KEEP "keep.lua",
    RELEASE "release.lua",
    WRITE "write.lua",
    OFFER "offer.lua",
    NOTE "note.lua",
    ASIDE "aside.lua",
    RESEAL "reseal.lua",
    FORGET "forget.lua",
    REVOKE "revoke.lua",
    PROVE "prove.lua",
}

/// A script, and the name Redis knows it by.
pub(in crate::store) struct Lua {
    code: &'static str,
    hash: String,
}

/// One call of a script.
pub(in crate::store) struct Call {
    /// By its name: a few bytes.
    pub(super) short: Cmd,
    script: &'static Lua,
    keys: Vec<String>,
    arguments: Vec<Vec<u8>>,
}

impl Lua {
    pub(in crate::store) fn new(code: &'static str) -> Self {
        let hash = Script::new(code).get_hash().to_owned();
        Self { code, hash }
    }

    pub(in crate::store) fn on(&'static self, keys: Vec<String>, arguments: Vec<Vec<u8>>) -> Call {
        let mut call = Call {
            short: Cmd::new(),
            script: self,
            keys,
            arguments,
        };
        call.short = call.command("EVALSHA", &self.hash);
        call
    }
}

impl Call {
    /// Whether this answer shows that Redis takes what is written: other scripts may have had nothing to write, and one that
    /// was refused has written nothing.
    fn has_written(&self, answer: &Value) -> bool {
        let is_one_of =
            |scripts: [&Lua; 2]| scripts.iter().any(|script| script.hash == self.script.hash);
        let is_done = || {
            let word = answer.as_sequence().and_then(<[Value]>::first);
            word.is_some_and(|word| matches!(word, Value::BulkString(word) if word == b"done"))
        };
        is_one_of([&NOTE, &PROVE]) || is_one_of([&WRITE, &OFFER]) && is_done()
    }

    /// As [`Self::short`], for a Redis that does not know the script yet.
    fn whole(&self) -> Cmd {
        self.command("EVAL", self.script.code)
    }

    pub(in crate::store) async fn run(&self, link: &Link) -> Result<Value, Trouble> {
        let done = link.run(&self.short, || self.whole()).await;
        if done.as_ref().is_ok_and(|answer| self.has_written(answer)) {
            link.written();
        }
        done
    }

    fn command(&self, name: &str, script: &str) -> Cmd {
        let mut command = redis::cmd(name);
        command.arg(script).arg(self.keys.len());
        for key in &self.keys {
            command.arg(key);
        }
        for argument in &self.arguments {
            command.arg(argument.as_slice());
        }
        command
    }
}

/// What a script says about a row: a word, a number, the row.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) word: Word,
    /// Milliseconds to wait; of what was done, the version it made; of a lease, 1 if no holder has written in its epoch yet.
    pub(super) number: u64,
    pub(super) row: Row,
}

/// The words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Won,
    Taken,
    Offers,
    Look,
    Done,
    Stale,
    /// As stale, and nobody has begun an epoch in this life of Redis yet.
    Void,
    Again,
    Closed,
}

impl Said {
    /// None if it is no such answer.
    pub(super) fn read(app: AppId, answer: Value) -> Option<Self> {
        let Value::Array(parts) = answer else {
            return None;
        };
        let [word, number, row] = <[Value; 3]>::try_from(parts).ok()?;
        let word = match bytes(word)?.as_slice() {
            b"won" => Word::Won,
            b"taken" => Word::Taken,
            b"offers" => Word::Offers,
            b"look" => Word::Look,
            b"done" => Word::Done,
            b"stale" => Word::Stale,
            b"void" => Word::Void,
            b"again" => Word::Again,
            b"closed" => Word::Closed,
            _ => return None,
        };
        let Value::Int(number) = number else {
            return None;
        };
        Some(Self {
            word,
            number: number.max(0).unsigned_abs(),
            row: Row::read(app, row)?,
        })
    }
}
