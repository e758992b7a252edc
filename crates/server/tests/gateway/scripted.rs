//! A WeChat by hand: tokens come from a simulator behind it, everything else is played by the test, byte by byte.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::wire::{Body, Head, Wire};

/// Gives the connection back if it stays open.
pub(crate) type Then = Pin<Box<dyn Future<Output = Option<Wire>> + Send>>;
type Script = Arc<dyn Fn(Wire, Head) -> Then + Send + Sync>;

pub(crate) struct Scripted {
    pub(crate) url: String,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

struct Shared {
    script: Script,
    behind: String,
    /// Connections on which anything but tokens was asked.
    connections: AtomicUsize,
    seen: Mutex<Vec<Head>>,
}

impl Scripted {
    /// In front of a simulator.
    pub(crate) async fn start<F, T>(behind: &str, script: F) -> Self
    where
        F: Fn(Wire, Head) -> T + Send + Sync + 'static,
        T: Future<Output = Option<Wire>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared {
            script: Arc::new(move |wire, head| Box::pin(script(wire, head))),
            behind: behind.to_owned(),
            connections: AtomicUsize::new(0),
            seen: Mutex::default(),
        });
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self {
            url,
            shared,
            accepting,
        }
    }

    /// Connections on which calls came.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// The heads of all calls so far.
    pub(crate) fn seen(&self) -> Vec<Head> {
        self.shared.seen.lock().unwrap().clone()
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        stream.set_nodelay(true).unwrap();
        tokio::spawn(converse(Wire::new(stream), Arc::clone(&shared)));
    }
}

async fn converse(mut wire: Wire, shared: Arc<Shared>) {
    let mut calls = 0;
    while let Some(head) = wire.head().await {
        if is_token_business(head.path()) {
            let body = wire.body(&head).await.unwrap();
            let answer = relayed(&shared.behind, &head, &body).await;
            let _ = wire.send(answer).await;
            return;
        }
        if calls == 0 {
            shared.connections.fetch_add(1, Ordering::SeqCst);
        }
        calls += 1;
        shared.seen.lock().unwrap().push(head.clone());
        match (shared.script)(wire, head).await {
            Some(back) => wire = back,
            None => return,
        }
    }
}

fn is_token_business(path: &str) -> bool {
    let token = ["/cgi-bin/stable_token", "/cgi-bin/token"];
    token.contains(&path) || path == "/cgi-bin/get_api_domain_ip" || path.starts_with("/_sim/")
}

/// The simulator's own answer.
async fn relayed(behind: &str, head: &Head, body: &Body) -> Vec<u8> {
    let stream = TcpStream::connect(behind.trim_start_matches("http://"));
    let mut wire = Wire::new(stream.await.unwrap());
    let request = format!(
        "{}\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        head.line,
        body.bytes.len()
    );
    wire.send(request).await.unwrap();
    wire.send(&body.bytes).await.unwrap();
    wire.closed().await
}

/// An answer with a length.
pub(crate) fn json(text: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json; encoding=utf-8\r\nContent-Length: {}\r\n\r\n{text}",
        text.len()
    )
}

pub(crate) const FINE: &str = r#"{"errcode":0,"errmsg":"ok"}"#;
pub(crate) const BAD_TOKEN: &str = r#"{"errcode":40001,"errmsg":"invalid credential, access_token is invalid or not latest rid: 6aac0063-7ed08fb9-1250f724"}"#;
