//! haproxy answering a constant by `http-request return`: a second reference beside nginx.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use crate::process::{self, Server};

/// Starts haproxy with one thread on `core`, answering `body` to everything.
///
/// # Errors
/// When it is not installed or does not start.
pub fn start(folder: &Path, core: usize, body: &str) -> anyhow::Result<(Server, SocketAddr)> {
    let program = super::program("haproxy", "haproxy")?;
    let address = process::free_address()?;
    let (file, answer) = (
        folder.join("haproxy.cfg"),
        folder.join("haproxy-answer.json"),
    );
    fs::write(&answer, body)?;
    let config = format!(
        "global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout client 1h
  timeout server 1h
  timeout connect 5s
frontend constant
  bind {address}
  http-request return status 200 content-type application/json file {}
",
        answer.display()
    );
    fs::write(&file, config)?;
    let mut command = Command::new(program);
    command.arg("-db").arg("-f").arg(&file);
    let mut server = Server::start("haproxy", &command, core, folder)?;
    server.wait_for_port(address)?;
    Ok((server, address))
}
