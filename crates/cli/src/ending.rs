//! The signals that end a long-running subcommand.

use std::io;

use tokio::signal::unix::{SignalKind, signal};

/// Resolves at SIGINT (Ctrl-C) or SIGTERM.
pub(crate) async fn asked_to_stop() -> io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}
