//! A plain blocking HTTP client for everything that is not measured: setting up, waiting, looking at metrics.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, bail};
use rustls::ClientConfig;
use serde_json::Value;

use crate::exchange::Exchange;
use crate::stream::Stream;
use crate::wire::{Fault, Finder, Protocol};

/// Whom to ask, and how.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Where it listens.
    pub address: SocketAddr,
    /// For HTTPS.
    pub tls: Option<Arc<ClientConfig>>,
    /// A caller or admin key.
    pub key: Option<String>,
}

/// What was answered, whatever the status.
#[derive(Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Bytes of the whole answer, head included.
    pub size: usize,
    /// Its status line and headers, each with its line end.
    pub head: String,
    /// The body as text.
    pub body: String,
}

impl Peer {
    /// In the clear.
    #[must_use]
    pub fn plain(address: SocketAddr, key: Option<&str>) -> Self {
        Self {
            address,
            tls: None,
            key: key.map(str::to_owned),
        }
    }

    /// One request on a connection of its own.
    ///
    /// # Errors
    /// When there is no whole answer.
    pub fn ask(&self, path: &str, body: Option<&str>) -> anyhow::Result<Reply> {
        let exchange = Exchange::http(path, self.key.as_deref(), body, Vec::new());
        let mut stream = Stream::connect(self.address, self.tls.as_ref())?;
        stream.write_all(&exchange.request)?;
        stream.flush()?;
        let (mut bytes, mut chunk) = (Vec::new(), vec![0; 64 * 1024]);
        loop {
            let got = stream.read(&mut chunk)?;
            bytes.extend_from_slice(&chunk[..got]);
            let answer = match Finder::new(Protocol::Http).find(&bytes) {
                Ok(Some(answer)) | Err(Fault::Refused(answer)) => answer,
                Ok(None) if got > 0 => continue,
                Ok(None) => bail!("{path}: the answer was cut off"),
                Err(Fault::Garbled(why)) => bail!("{path}: {why}"),
            };
            let status = std::str::from_utf8(&bytes[9..12])?.parse()?;
            let head = String::from_utf8(bytes[..answer.body.start].to_vec())?;
            let body = String::from_utf8(bytes[answer.body].to_vec())?;
            return Ok(Reply {
                status,
                size: answer.length,
                head,
                body,
            });
        }
    }

    /// The JSON of an answer that must have status 200.
    ///
    /// # Errors
    /// When it has not, or is not JSON.
    pub fn json(&self, path: &str, body: Option<&str>) -> anyhow::Result<Value> {
        let reply = self.ask(path, body)?;
        if reply.status != 200 {
            bail!("{path}: status {}: {}", reply.status, reply.body);
        }
        serde_json::from_str(&reply.body).with_context(|| format!("{path}: not JSON"))
    }

    /// Whether `path` answers 200 now.
    #[must_use]
    pub fn is_fine(&self, path: &str) -> bool {
        self.ask(path, None).is_ok_and(|reply| reply.status == 200)
    }
}
