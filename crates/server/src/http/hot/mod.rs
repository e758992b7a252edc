//! The hot path: plain reads, one or a batch, answered straight from the shelf with one read and one write each.
//!
//! Owns: a connection until its first request that is not of the hot form; then hyper has it, with the bytes read.
//! Plain TCP starts in the `pool`; TLS, unix sockets and what leaves the pool are served here.
//! Must not know: any rule of its own. What is not at hand is answered by the very functions behind the routes.

mod answer;
mod behind;
mod memo;
#[cfg(any(test, feature = "fuzzing"))]
pub mod oracle;
pub mod parse;
mod patient;
mod plain;
pub(super) mod pool;
mod quiet;
mod wire;

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, sleep};

use super::peer::Peer;
use super::services::Services;
use super::stop::Stop;
use crate::gateway::relay::Started;
use answer::Answers;
pub(crate) use behind::{Behind, Reread};
use memo::Memo;
use parse::Parsed;
use quiet::Quiet;
use wire::{Wire, write};

/// What a connection starts with; most heads are smaller.
const FIRST_BUFFER: usize = 2048;
/// Pipelined answers are sent when they have come to this much.
const MUCH: usize = 64 * 1024;
/// At a stop, what has been sent is looked for so long: the system may have it, and nobody here have heard of it yet.
pub(crate) const A_GLANCE: Duration = Duration::from_millis(10);

/// How long a connection may be slow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// Without a request. Closed after that much or half as much more: the timer is set twice a period, not per request.
    pub(crate) idle: Duration,
    /// From the first byte of a head to its last.
    pub(crate) head: Duration,
    /// For the client to take what was written.
    pub(crate) write: Duration,
}

/// What has happened on a connection before.
#[derive(Default)]
pub(crate) struct Begun {
    /// What was read and not answered.
    pub(crate) read: Vec<u8>,
    /// What was answered and not sent.
    pub(crate) unsent: Vec<u8>,
    /// A call that was begun: the request it came with is at the beginning of what was read.
    pub(crate) started: Option<Box<Started>>,
    /// What was read behind that, before what is still to come.
    pub(crate) behind: Option<Behind>,
}

/// How the hot path ends.
pub(crate) enum Ended<S> {
    /// The connection is over.
    Closed,
    /// A request of another form: for hyper, with the bytes already read.
    HandOver {
        /// The connection.
        io: S,
        /// What was read and not answered.
        read: Bytes,
    },
}

/// Answers plain reads on a connection until it ends or something else is asked.
pub(crate) async fn serve<S>(
    io: S,
    begun: Begun,
    services: Arc<Services>,
    peer: Peer,
    seed: u64,
    patience: Patience,
    stop: &Stop,
) -> Ended<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut answers = Answers::new(&services, seed);
    answers.out = begun.unsent;
    let filled = begun.read.len();
    let mut wire = Wire {
        io,
        peer,
        buffer: begun.read,
        filled,
        memo: Memo::default(),
        patience,
    };
    wire.buffer.resize(filled.max(FIRST_BUFFER), 0);
    let mut quiet = Quiet {
        timer: pin!(sleep(patience.idle / 2)),
        stopped: pin!(stop.wait()),
        half: patience.idle / 2,
        was_quiet: false,
        registered: false,
    };
    match converse(&mut wire, &mut answers, &mut quiet, stop).await {
        Ok(Turn::Other) => {
            wire.buffer.truncate(wire.filled);
            Ended::HandOver {
                io: wire.io,
                read: wire.buffer.into(),
            }
        }
        Ok(Turn::Over) | Err(_) => Ended::Closed,
    }
}

enum Turn {
    Other,
    Over,
}

async fn converse<S>(
    wire: &mut Wire<S>,
    answers: &mut Answers<'_>,
    quiet: &mut Quiet<'_, '_>,
    stop: &Stop,
) -> io::Result<Turn>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut began: Option<Instant> = None;
    let mut last = false;
    loop {
        let (answered, missing) = answer_all(wire, answers).await?;
        write(&mut wire.io, &mut answers.out, wire.patience.write).await?;
        wire.forget(answered);
        if answered > 0 {
            began = None;
        }
        // A request whose head is there is finished: by hyper, if its body is late.
        let by_hyper = match missing {
            Missing::NotHot => return Ok(Turn::Other),
            Missing::Body(_) => Turn::Other,
            Missing::All | Missing::Head => Turn::Over,
        };
        let stops = stop.is_told();
        if stops && std::mem::replace(&mut last, true) {
            return Ok(by_hyper);
        }
        let read = match missing {
            _ if stops => {
                wire.make_room(&missing);
                wire.read_more(Instant::now() + A_GLANCE).await?
            }
            Missing::All | Missing::NotHot => wire.read(quiet).await?,
            Missing::Head | Missing::Body(_) => {
                wire.make_room(&missing);
                let began = *began.get_or_insert_with(Instant::now);
                wire.read_more(began + wire.patience.head).await?
            }
        };
        // Told only now to stop, it looks once more.
        if read == 0 && (stops || !stop.is_told()) {
            return Ok(by_hyper);
        }
    }
}

/// What a buffer lacks once its complete requests are answered.
enum Missing {
    /// Nothing is left of it.
    All,
    /// The rest of a head.
    Head,
    /// The rest of a body; head and body take so much.
    Body(usize),
    /// Nothing, but it is hyper's.
    NotHot,
}

/// Answers every complete request there is; says how much that was and what comes behind it.
async fn answer_all<S>(
    wire: &mut Wire<S>,
    answers: &mut Answers<'_>,
) -> io::Result<(usize, Missing)>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut at = 0;
    while at < wire.filled {
        match wire.memo.parse(&wire.buffer[at..wire.filled]) {
            Parsed::Hot(request) if answers.takes(&request) => {
                let now = answers.now();
                if !answers.at_hand(&request, &mut wire.memo, wire.peer, now) {
                    write(&mut wire.io, &mut answers.out, wire.patience.write).await?;
                    answers.with_patience(&request, wire.peer).await;
                }
                at += request.len;
            }
            Parsed::Incomplete => return Ok((at, Missing::Head)),
            Parsed::BodyToCome { len } => return Ok((at, Missing::Body(len))),
            Parsed::NotHot | Parsed::Hot(_) => return Ok((at, Missing::NotHot)),
        }
        if answers.out.len() > MUCH {
            write(&mut wire.io, &mut answers.out, wire.patience.write).await?;
        }
    }
    Ok((at, Missing::All))
}
