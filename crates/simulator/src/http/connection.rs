//! One connection, from accept to close.

use std::{net::IpAddr, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;

use super::{
    serve::serve_call,
    socket::{Sent, Socket},
};
use crate::world::World;

/// An idle or half-sent connection is closed after this.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);

/// Serves calls until the peer goes away, or a fault cuts it off.
pub(crate) async fn serve_connection(world: World, stream: TcpStream, from: IpAddr) {
    let sent = Sent::default();
    let service = service_fn(|request| serve_call(&world, request, from, &sent));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .auto_date_header(false)
        .serve_connection(TokioIo::new(Socket::new(stream, sent.clone())), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection to the simulator ended early");
    }
}
