//! nginx answering a constant by `return 200`: the least a general server does for one request.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::ask::{Peer, Reply};
use crate::process::{self, Server};
use crate::tls::Certificate;

/// What it answers to everything.
#[derive(Debug, Clone)]
pub struct Constant {
    body: String,
    /// (name, value), besides nginx's own.
    headers: Vec<(String, String)>,
}

impl Constant {
    /// This body, with nginx's own headers.
    #[must_use]
    pub fn of(body: &str) -> Self {
        Self {
            body: body.to_owned(),
            headers: Vec::new(),
        }
    }

    /// The body of `reply`, and of its headers those that nginx does not have by itself, the last one cut, so that both
    /// servers send as many bytes.
    ///
    /// # Errors
    /// When nginx is not installed or does not start.
    pub fn as_long_as(reply: &Reply, folder: &Path, core: usize) -> anyhow::Result<Self> {
        let mut constant = Self::of(&reply.body);
        let (_server, address) = start(folder, core, &constant, None)?;
        let bare = Peer::plain(address, None).ask("/", None)?;
        constant.headers = filling(
            &reply.head,
            &bare.head,
            reply.size.saturating_sub(bare.size),
        );
        Ok(constant)
    }

    /// The headers it was given, for the report.
    #[must_use]
    pub fn added(&self) -> String {
        let each = self.headers.iter();
        each.map(|(name, value)| format!("{name}: {value}"))
            .collect::<Vec<_>>()
            .join("; ")
    }
}

/// Headers of `from` that `has` lacks, as long as they fit into so many bytes, and a shortened one for the rest.
fn filling(from: &str, has: &str, mut room: usize) -> Vec<(String, String)> {
    let names = |head: &str, name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(':'));
        lines.any(|(other, _)| other.eq_ignore_ascii_case(name))
    };
    let mut headers = Vec::new();
    let lacking = from.lines().filter_map(|line| line.split_once(": "));
    for (name, value) in lacking.filter(|(name, _)| !names(has, name)) {
        let frame = name.len() + ": \r\n".len();
        let fits = room.saturating_sub(frame).min(value.len());
        if fits > 0 {
            let value = value[..fits].replace(['"', '\\', '$'], "-");
            headers.push((name.to_owned(), value));
            room -= frame + fits;
        }
    }
    headers
}

/// Starts nginx with one worker on `core`.
///
/// # Errors
/// When it is not installed or does not start.
pub fn start(
    folder: &Path,
    core: usize,
    constant: &Constant,
    tls: Option<&Certificate>,
) -> anyhow::Result<(Server, SocketAddr)> {
    let (command, address) = prepare(folder, constant, tls)?;
    let mut server = Server::start(&format!("nginx-{}", address.port()), &command, core, folder)?;
    server.wait_for_port(address)?;
    Ok((server, address))
}

/// Writes the configuration; the command starts nginx, which will listen at the address.
///
/// # Errors
/// When it is not installed.
pub fn prepare(
    folder: &Path,
    constant: &Constant,
    tls: Option<&Certificate>,
) -> anyhow::Result<(Command, SocketAddr)> {
    let program = super::program("nginx", "nginx-light")?;
    let address = process::free_address()?;
    let home = folder.join(format!("nginx-{}", address.port()));
    fs::create_dir_all(&home)?;
    let file = home.join("nginx.conf");
    fs::write(&file, config(&home, address, constant, tls))?;
    let mut command = Command::new(program);
    command
        .arg("-p")
        .arg(&home)
        .arg("-e")
        .arg(home.join("error.log"))
        .arg("-c")
        .arg(&file);
    Ok((command, address))
}

fn config(
    home: &Path,
    address: SocketAddr,
    constant: &Constant,
    tls: Option<&Certificate>,
) -> String {
    let home = home.display();
    let (flag, lines) = tls.map_or_else(Default::default, |files| {
        let lines = format!(
            "ssl_certificate {};\n    ssl_certificate_key {};\n    ssl_protocols TLSv1.2 TLSv1.3;\n    ssl_session_cache shared:s:1m;",
            files.cert.display(),
            files.key.display()
        );
        (" ssl", lines)
    });
    let added: String = constant
        .headers
        .iter()
        .map(|(name, value)| format!("add_header {name} \"{value}\"; "))
        .collect();
    let body = &constant.body;
    // A literal dollar sign would be a variable; tokens and JSON have none, and single quotes neither.
    format!(
        "daemon off;
worker_processes 1;
pid {home}/nginx.pid;
events {{ worker_connections 4096; multi_accept on; }}
http {{
  access_log off;
  client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/fastcgi;
  uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  tcp_nodelay on;
  default_type application/json;
  server {{
    listen {address}{flag} backlog=4096;
    {lines}
    location / {{ {added}return 200 '{body}'; }}
  }}
}}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_fill_the_difference_to_the_byte() {
        let ours =
            "HTTP/1.1 200 OK\r\nDate: x\r\ncache-control: private\r\netag: \"123-abc\"\r\n\r\n";
        let bare = "HTTP/1.1 200 OK\r\ndate: y\r\n\r\n";
        let filled = |room| filling(ours, bare, room);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let whole = "cache-control: private\r\n".len();
        assert_eq!(
            filled(whole + 12),
            [pair("cache-control", "private"), pair("etag", "-123")]
        );
        assert_eq!(filled(whole - 1), [pair("cache-control", "privat")]);
        assert!(filled(0).is_empty());
    }
}
