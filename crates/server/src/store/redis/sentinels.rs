//! Hears of new masters from the sentinels.
//!
//! Must not know: what lies in Redis.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use redis::Value;
use redis::aio::PubSub;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use wxtoken_core::clock::Clock;

use super::rows::Rows;

/// Hears from the sentinels of a new master, and drops the connection to the old one. A sentinel that says nothing for that
/// long is asked whether it is there.
pub(super) async fn follow_sentinels(
    rows: Arc<Rows>,
    clock: Arc<dyn Clock>,
    every: Duration,
    stop: CancellationToken,
) {
    let work = async {
        while let Some(listener) = rows.link.door.sentinel_listener().await {
            if let Ok((pubsub, master)) = listener {
                hear_of_masters(&rows, pubsub, master, every).await;
            }
            clock.sleep_until(clock.now().boot.plus(1000)).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = work => {}
    }
}

/// As long as the connection holds.
async fn hear_of_masters(rows: &Rows, mut pubsub: PubSub, master: &str, every: Duration) {
    loop {
        let heard = timeout(every, pubsub.on_message().next()).await;
        match heard {
            Ok(None) => return,
            Ok(Some(message)) => {
                let mut words = message.get_payload_bytes().split(|byte| *byte == b' ');
                if words.next() == Some(master.as_bytes()) {
                    tracing::info!("the sentinels have named another master of {master}");
                    rows.link.drop(None).await;
                }
            }
            Err(_) => match timeout(every, pubsub.ping::<Value>()).await {
                Ok(Ok(_)) => {}
                Ok(Err(_)) | Err(_) => return,
            },
        }
    }
}
