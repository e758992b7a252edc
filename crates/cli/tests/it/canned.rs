//! A server that answers one request with a fixed text, and shows what it was asked: for answers a real server gives rarely.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::thread::JoinHandle;

/// Waiting for its one request.
pub(crate) struct Canned {
    url: String,
    asked: JoinHandle<String>,
}

impl Canned {
    /// On a free port.
    pub(crate) fn tcp(status: &str, body: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answer = answer(status, body);
        let asked = std::thread::spawn(move || serve(listener.accept().unwrap().0, &answer));
        Self { url, asked }
    }

    /// On a unix socket.
    pub(crate) fn unix(path: &Path, status: &str, body: &str) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let answer = answer(status, body);
        let asked = std::thread::spawn(move || serve(listener.accept().unwrap().0, &answer));
        Self {
            url: format!("unix:{}", path.display()),
            asked,
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The request it got.
    pub(crate) fn asked(self) -> String {
        self.asked.join().unwrap()
    }
}

fn answer(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn serve(mut stream: impl Read + Write, answer: &str) -> String {
    let mut request = Vec::new();
    let mut piece = [0; 1024];
    while !is_whole(&request) {
        let read = stream.read(&mut piece).unwrap();
        assert!(read > 0, "the request ended early");
        request.extend_from_slice(&piece[..read]);
    }
    stream.write_all(answer.as_bytes()).unwrap();
    String::from_utf8(request).unwrap()
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head.lines().find_map(|line| {
        line.to_lowercase()
            .strip_prefix("content-length: ")?
            .parse()
            .ok()
    });
    body.len() >= length.unwrap_or(0)
}
