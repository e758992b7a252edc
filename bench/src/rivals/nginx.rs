//! nginx answering a constant by `return 200`: the least a general server does for one request.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::process::{self, Server};
use crate::tls::Certificate;

/// Starts nginx with one worker on `core`, answering `body` to everything.
///
/// # Errors
/// When it is not installed or does not start.
pub fn start(
    folder: &Path,
    core: usize,
    body: &str,
    tls: Option<&Certificate>,
) -> anyhow::Result<(Server, SocketAddr)> {
    let (command, address) = prepare(folder, body, tls)?;
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
    body: &str,
    tls: Option<&Certificate>,
) -> anyhow::Result<(Command, SocketAddr)> {
    let program = super::program("nginx", "nginx-light")?;
    let address = process::free_address()?;
    let home = folder.join(format!("nginx-{}", address.port()));
    fs::create_dir_all(&home)?;
    let file = home.join("nginx.conf");
    fs::write(&file, config(&home, address, body, tls))?;
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

fn config(home: &Path, address: SocketAddr, body: &str, tls: Option<&Certificate>) -> String {
    let home = home.display();
    let (flag, lines) = tls.map_or_else(Default::default, |files| {
        let lines = format!(
            "ssl_certificate {};\n    ssl_certificate_key {};\n    ssl_protocols TLSv1.2 TLSv1.3;\n    ssl_session_cache shared:s:1m;",
            files.cert.display(),
            files.key.display()
        );
        (" ssl", lines)
    });
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
    location / {{ return 200 '{body}'; }}
  }}
}}
"
    )
}
