//! Hears of new masters from the sentinels.
//!
//! Must not know: what lies in Redis.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join_all;
use redis::Value;
use redis::aio::PubSub;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use wxtoken_core::clock::Clock;

use super::rows::Rows;
use crate::redis::Host;

/// Hears from every sentinel of a new master, and leaves the old one: the sentinel that is heard best may be on the machine that
/// has gone with the master. One that says nothing for that long is asked whether it is there.
pub(super) async fn follow_sentinels(
    rows: Arc<Rows>,
    clock: Arc<dyn Clock>,
    every: Duration,
    stop: CancellationToken,
) {
    let Some((sentinels, master)) = rows.link.door.sentinels() else {
        return;
    };
    let each = sentinels
        .iter()
        .map(|sentinel| follow(&rows, &*clock, sentinel, master, every));
    tokio::select! {
        () = stop.cancelled() => {}
        _ = join_all(each) => {}
    }
}

async fn follow(rows: &Rows, clock: &dyn Clock, sentinel: &Host, master: &str, every: Duration) {
    loop {
        if let Ok(pubsub) = rows.link.door.sentinel_listener_at(sentinel).await {
            hear_of_masters(rows, pubsub, master, every).await;
        }
        clock.sleep_until(clock.now().boot.plus(1000)).await;
    }
}

/// As long as the connection holds.
async fn hear_of_masters(rows: &Rows, mut pubsub: PubSub, master: &str, every: Duration) {
    loop {
        let heard = timeout(every, pubsub.on_message().next()).await;
        match heard {
            Ok(None) => return,
            Ok(Some(message)) => {
                // "NAME OLD-HOST OLD-PORT HOST PORT"
                let told = String::from_utf8_lossy(message.get_payload_bytes()).into_owned();
                let words: Vec<&str> = told.split(' ').collect();
                if let [name, _, _, host, port] = words[..]
                    && name == master
                    && let Ok(port) = port.parse()
                    && rows.link.master_is(Host {
                        name: host.to_owned(),
                        port,
                    })
                {
                    tracing::info!("the sentinels have named another master of {master}");
                }
            }
            Err(_) => match timeout(every, pubsub.ping::<Value>()).await {
                Ok(Ok(_)) => {}
                Ok(Err(_)) | Err(_) => return,
            },
        }
    }
}
