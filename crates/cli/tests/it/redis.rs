//! A real redis-server for one test, and words with it as a person with `redis-cli` would have them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A running server; dropping it ends it.
pub(crate) struct Redis {
    child: Child,
    pub(crate) port: u16,
    password: Option<String>,
    _folder: TempDir,
}

impl Redis {
    pub(crate) fn start(password: Option<&str>) -> Self {
        for _ in 0..5 {
            let folder = tempfile::tempdir().unwrap();
            let port = TcpListener::bind("127.0.0.1:0")
                .unwrap()
                .local_addr()
                .unwrap()
                .port();
            let mut command = Command::new("redis-server");
            command.args([
                "--port",
                &port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
            ]);
            command
                .args(["--enable-debug-command", "yes", "--dir"])
                .arg(folder.path());
            if let Some(password) = password {
                command.args(["--requirepass", password]);
            }
            let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
            let mut redis = Self {
                child: child.unwrap(),
                port,
                password: password.map(str::to_owned),
                _folder: folder,
            };
            if redis.is_up() {
                return redis;
            }
        }
        panic!("redis-server does not start");
    }

    /// Waits until it answers; false if it has ended, as when another took its port.
    #[expect(
        clippy::disallowed_methods,
        reason = "another program's start takes real time"
    )]
    fn is_up(&mut self) -> bool {
        let until = Instant::now() + Duration::from_secs(20);
        while Instant::now() < until && self.child.try_wait().unwrap().is_none() {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok()
                && self.ask(&[b"PING"]) == "PONG"
            {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// What it answers to one command: a line, or a text.
    pub(crate) fn ask(&self, words: &[&[u8]]) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        if let Some(password) = &self.password {
            write(&mut stream, &[b"AUTH", password.as_bytes()]);
        }
        write(&mut stream, words);
        let mut reader = BufReader::new(stream);
        if self.password.is_some() {
            assert_eq!(answer(&mut reader), "OK");
        }
        answer(&mut reader)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write(stream: &mut TcpStream, words: &[&[u8]]) {
    let mut bytes = format!("*{}\r\n", words.len()).into_bytes();
    for word in words {
        bytes.extend(format!("${}\r\n", word.len()).bytes());
        bytes.extend(*word);
        bytes.extend(b"\r\n");
    }
    stream.write_all(&bytes).unwrap();
}

fn answer(reader: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let line = line.trim_end().to_owned();
    match line.split_at(1) {
        ("$", length) => {
            let mut text = vec![0; length.parse::<usize>().unwrap() + 2];
            reader.read_exact(&mut text).unwrap();
            String::from_utf8_lossy(&text).trim_end().to_owned()
        }
        ("-", error) => panic!("{error}"),
        (_, plain) => plain.to_owned(),
    }
}
