//! Whether upstream has surely done nothing with a request that failed: then the same request may be sent again, whatever it
//! asks for (RFC 9113 section 8.7). Only HTTP/2 tells such a thing; everything else is uncertain.
//!
//! Must not know: what a request says, who sends it.

use std::error::Error;

use h2::Reason;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::Connected;

/// What has become of a request's body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Body {
    /// There was one: the request was not whole with its head.
    pub(super) follows: bool,
    /// Some of it has been taken to be sent.
    pub(super) taken: bool,
}

/// Whether nothing has been done. A connection that goes away is not used for what comes next.
pub(super) fn is_untouched(error: &legacy::Error, body: Body) -> bool {
    let Some(connection) = error.connect_info().filter(|c| c.is_negotiated_h2()) else {
        return false;
    };
    match cause::<h2::Error>(error) {
        Some(error) => told(error, connection, body),
        // It waited for a place among the streams, and what it waited on has ended: only its head may have left.
        None => {
            let given_up = cause(error).is_some_and(hyper::Error::is_user);
            given_up && body.follows && !body.taken
        }
    }
}

fn told(error: &h2::Error, connection: &Connected, body: Body) -> bool {
    if !error.is_remote() {
        return false;
    }
    if error.is_go_away() {
        connection.poison();
        // A stream is given this error if it comes behind the last one that is dealt with, and so is a request that has no
        // stream yet. So is, within a moment, one whose stream is cut off before its body is looked at: without a body it
        // might be whole, and dealt with.
        return body.follows;
    }
    error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM)
}

/// The first cause of this type.
fn cause<'e, E: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e E> {
    let inner = error.source()?;
    inner.downcast_ref().or_else(|| cause(inner))
}
