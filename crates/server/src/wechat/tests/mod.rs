//! The client against peers of our own making, over real sockets on loopback.

mod answers;
mod faults;
mod peer;
mod proxy;
mod reuse;
mod routes;
mod secrets;
mod simulated;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use wxtoken_core::app::AppId;
use wxtoken_core::credential::{Lane, Ticket, Token, ValueId};
use wxtoken_core::source::{Ask, Failure, Passing, Reply, Trouble};

use super::{AppUpstream, Base, Options, Roots, Told, WeChat};
use crate::config::Secret;

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(30);
/// For tests that wait for it to pass.
const SHORT: Duration = Duration::from_millis(250);

const SECRET: &str = "c3a1f09e5b7d4286d82e60b1947fa35c";
const PREVIOUS: &str = "fedcba9876543210fedcba9876543210";
const TOKEN: &str = "68_LIVE-token_abc";

fn app() -> AppId {
    "wx0123456789abcdef".parse().unwrap()
}

fn token() -> Token {
    Token::new(TOKEN).unwrap()
}

fn options(base: Base) -> Options {
    Options {
        base_url: base,
        fallback_urls: vec![],
        proxy: None,
        roots: Roots::Only(vec![]),
        connect_timeout: LONG,
    }
}

fn just_secret() -> AppUpstream {
    AppUpstream {
        base_url: None,
        secret: Secret::new(SECRET),
        previous_secret: None,
    }
}

fn client(options: Options, upstream: AppUpstream) -> WeChat {
    let known = app();
    WeChat::new(
        options,
        move |app: &AppId| (*app == known).then(|| upstream.clone()),
        Arc::new(|value: &str| ValueId(value.len() as u64)),
    )
    .unwrap()
}

/// A client that knows one app with one secret, and goes straight to one place.
fn client_of(base: Base) -> WeChat {
    client(options(base), just_secret())
}

/// Asks with plenty of time.
async fn ask(client: &WeChat, ask: Ask) -> Told {
    client.ask_in_detail(&app(), &ask, LONG).await
}

fn failure(told: &Told) -> Failure {
    match &told.result {
        Err(failure) => *failure,
        Ok(answer) => panic!("trouble was expected, not {answer:?}"),
    }
}

/// What went wrong, and whether a byte may have left.
fn passing(told: &Told) -> (Passing, bool) {
    match failure(told) {
        Failure {
            trouble: Trouble::Passing(passing),
            sent,
            ..
        } => (passing, sent),
        other => panic!("passing trouble was expected, not {other:?}"),
    }
}

/// The value that was answered.
fn value(told: &Told) -> (String, Duration) {
    match &told.result {
        Ok(answer) => match &answer.reply {
            Reply::Minted(minted) => (minted.token.expose().to_owned(), minted.expires_in),
            other => panic!("a value was expected, not {other:?}"),
        },
        Err(failure) => panic!("an answer was expected, not {failure:?}"),
    }
}

fn every_ask() -> [Ask; 6] {
    [
        Ask::Classic,
        Ask::Stable,
        Ask::Forced,
        Ask::Ticket(Ticket::Jsapi, token()),
        Ask::Ticket(Ticket::Card, token()),
        Ask::Probe(Lane::Classic, token()),
    ]
}
