//! Redis holding the tokens themselves, as programs that share one through Redis would.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;

use anyhow::bail;

use crate::exchange;
use crate::process::{self, Server};

/// Starts Redis on `core` without persistence, and sets every (key, value).
///
/// # Errors
/// When it is not installed, does not start, or refuses a value.
pub fn start(
    folder: &Path,
    core: usize,
    pairs: &[(String, String)],
) -> anyhow::Result<(Server, SocketAddr)> {
    let program = super::program("redis-server", "redis-server")?;
    let address = process::free_address()?;
    let port = address.port().to_string();
    let mut command = Command::new(program);
    command.args([
        "--bind",
        "127.0.0.1",
        "--port",
        &port,
        "--save",
        "",
        "--appendonly",
        "no",
        "--daemonize",
        "no",
    ]);
    command.arg("--dir").arg(folder);
    let mut server = Server::start("redis", &command, core, folder)?;
    server.wait_for_port(address)?;
    fill(address, pairs)?;
    Ok((server, address))
}

fn fill(address: SocketAddr, pairs: &[(String, String)]) -> anyhow::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    for group in pairs.chunks(500) {
        let commands: Vec<u8> = group
            .iter()
            .flat_map(|(key, value)| exchange::command(&["SET", key, value]))
            .collect();
        stream.write_all(&commands)?;
        let mut replies = vec![0; group.len() * b"+OK\r\n".len()];
        stream.read_exact(&mut replies)?;
        if replies != b"+OK\r\n".repeat(group.len()) {
            bail!(
                "Redis refused a value: {}",
                String::from_utf8_lossy(&replies[..replies.len().min(200)])
            );
        }
    }
    Ok(())
}
