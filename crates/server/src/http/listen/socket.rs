//! Sockets to listen at: TCP, and unix sockets with their mode and group, made so that nobody finds them half made.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::net::{SocketFlags, accept_with, sockopt};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixSocket, UnixStream};

use crate::config::Listen;
use crate::http::peer::Peer;
use crate::words::InChinese;

/// Connections that wait to be accepted.
pub(super) const BACKLOG: u32 = 4096;
/// A peer that acknowledges nothing for so many milliseconds is gone.
const GONE_AFTER: u32 = 90_000;

/// Why a place cannot be listened at.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The system refuses.
    #[error("cannot listen at {place}: {source}{}", cure(source))]
    System {
        /// Where.
        place: String,
        /// Why.
        source: io::Error,
    },
    /// Another server answers there.
    #[error("cannot listen at {0}: another process answers on this socket; stop it first")]
    Answered(PathBuf),
    /// Something else has that name.
    #[error("cannot listen at {0}: it exists and is no socket; remove it or choose another path")]
    NotASocket(PathBuf),
}

impl InChinese for ListenError {
    fn in_chinese(&self) -> String {
        match self {
            Self::System { place, source } => {
                let cure = match source.kind() {
                    io::ErrorKind::AddrInUse => {
                        "；另一个程序占着它（`ss -ltnp` 能看到是谁）：停掉它，或把 `listen` 改到别处"
                    }
                    io::ErrorKind::AddrNotAvailable => "；把 `listen` 改成 `ip addr` 里有的地址",
                    io::ErrorKind::PermissionDenied => {
                        "；用 1023 以上的端口，或这个用户可写的文件夹"
                    }
                    io::ErrorKind::NotFound => "；先建好 socket 所在的文件夹",
                    _ => "；把 `listen` 改到别处",
                };
                format!("无法监听 {place}：{}{cure}", source.in_chinese())
            }
            Self::Answered(path) => format!(
                "无法监听 {}：另一个进程正在这个 socket 上应答；先停掉它",
                path.display()
            ),
            Self::NotASocket(path) => format!(
                "无法监听 {}：那里已有别的文件；移走它，或换一个路径",
                path.display()
            ),
        }
    }
}

/// What to do about a refusal of the system, where that is known.
fn cure(why: &io::Error) -> &'static str {
    match why.kind() {
        io::ErrorKind::AddrInUse => {
            "; another program has it (`ss -ltnp` shows which): stop that, or set another `listen`"
        }
        io::ErrorKind::AddrNotAvailable => {
            "; this machine has no such address: set `listen` to one that `ip addr` shows"
        }
        io::ErrorKind::PermissionDenied => {
            "; take a port above 1023, or a folder this user may write to"
        }
        io::ErrorKind::NotFound => "; make the socket's folder first",
        _ => "; set another `listen`",
    }
}

/// A socket that is listened at. A unix socket's file goes with it.
#[derive(Debug)]
pub enum Socket {
    /// A TCP address.
    Tcp(TcpListener),
    /// A unix socket.
    Unix(UnixPlace),
}

/// A unix socket and its file.
#[derive(Debug)]
pub struct UnixPlace {
    listener: UnixListener,
    path: PathBuf,
    inode: u64,
}

/// An accepted connection.
#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    /// Starts to listen.
    ///
    /// # Errors
    /// [`ListenError`] says why that is not possible.
    pub async fn bind(place: &Listen) -> Result<Self, ListenError> {
        match place {
            Listen::Tcp(address) => {
                let bound = bind_tcp(*address);
                let place = address.to_string();
                bound
                    .map(Self::Tcp)
                    .map_err(|source| ListenError::System { place, source })
            }
            Listen::Unix { path, mode, group } => {
                make_way(path).await?;
                let bound = bind_unix(path, *mode, *group);
                let place = path.display().to_string();
                bound
                    .map(Self::Unix)
                    .map_err(|source| ListenError::System { place, source })
            }
        }
    }

    /// The TCP address, the port chosen by the system included.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok(),
            Self::Unix(_) => None,
        }
    }

    pub(super) async fn accept(&self) -> io::Result<(Stream, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                stream.set_nodelay(true)?;
                // A peer that vanished must not hold its place for hours.
                let _ = sockopt::set_tcp_user_timeout(&stream, GONE_AFTER);
                let _ = sockopt::set_socket_keepalive(&stream, true);
                Ok((Stream::Tcp(stream), address.into()))
            }
            Self::Unix(place) => {
                let (stream, _) = place.listener.accept().await?;
                Ok((Stream::Unix(stream), Peer::Local))
            }
        }
    }
}

impl Socket {
    /// Somebody who has connected and was not accepted yet. Asks the system, not what was last heard from it.
    pub(super) fn accept_at_once(&self) -> Option<(Stream, Peer)> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        match self {
            Self::Tcp(listener) => {
                let stream = std::net::TcpStream::from(accept_with(listener, flags).ok()?);
                let address = stream.peer_addr().ok()?;
                stream.set_nodelay(true).ok()?;
                Some((
                    Stream::Tcp(TcpStream::from_std(stream).ok()?),
                    address.into(),
                ))
            }
            Self::Unix(place) => {
                let stream = accept_with(&place.listener, flags).ok()?;
                let stream = std::os::unix::net::UnixStream::from(stream);
                Some((
                    Stream::Unix(UnixStream::from_std(stream).ok()?),
                    Peer::Local,
                ))
            }
        }
    }
}

impl fmt::Display for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(listener) => match listener.local_addr() {
                Ok(address) => address.fmt(f),
                Err(_) => f.write_str("a TCP address"),
            },
            Self::Unix(place) => place.path.display().fmt(f),
        }
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Removes a socket that a crashed server left: one that nobody answers on. Nothing else is ever removed.
async fn make_way(path: &Path) -> Result<(), ListenError> {
    let system = |source| ListenError::System {
        place: path.display().to_string(),
        source,
    };
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(system(error)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(ListenError::NotASocket(path.to_owned()));
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map_err(system)
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(system(error)),
        Ok(_) => Err(ListenError::Answered(path.to_owned())),
    }
}

/// Made under another name and renamed once mode and group are right: nobody connects before that.
fn bind_unix(path: &Path, mode: u32, group: Option<u32>) -> io::Result<UnixPlace> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    let hidden = path.with_file_name(format!(
        ".{}.{}",
        name.to_string_lossy(),
        std::process::id()
    ));
    match std::fs::remove_file(&hidden) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let socket = UnixSocket::new_stream()?;
    socket.bind(&hidden)?;
    let ready = std::fs::set_permissions(&hidden, std::fs::Permissions::from_mode(mode))
        .and_then(|()| {
            group.map_or(Ok(()), |group| {
                std::os::unix::fs::chown(&hidden, None, Some(group))
            })
        })
        .and_then(|()| socket.listen(BACKLOG))
        .and_then(|listener| {
            let inode = std::fs::symlink_metadata(&hidden)?.ino();
            std::fs::rename(&hidden, path)?;
            Ok(UnixPlace {
                listener,
                path: path.to_owned(),
                inode,
            })
        });
    if ready.is_err() {
        let _ = std::fs::remove_file(&hidden);
    }
    ready
}

impl Drop for UnixPlace {
    fn drop(&mut self) {
        // Another server may have put its own there meanwhile.
        if std::fs::symlink_metadata(&self.path).is_ok_and(|found| found.ino() == self.inode) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_is_told_with_what_to_do() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let place = taken.local_addr().unwrap().to_string();
        let source = std::net::TcpListener::bind(&place).unwrap_err();
        let said = ListenError::System { place, source }.to_string();
        assert!(said.contains("set another `listen`"), "{said}");
    }
}
