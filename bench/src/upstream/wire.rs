//! A connection to the stand-in, in the clear or not.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use rustix::net;
use rustls::{ServerConnection, StreamOwned};

pub(super) enum Wire {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Wire {
    pub(super) const fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(socket) => socket,
            Self::Tls(stream) => &stream.sock,
        }
    }

    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => socket.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }

    /// Throws away at most so much as fits into the buffer.
    pub(super) fn pass_over(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(socket) => Ok(net::recv(&*socket, buffer, net::RecvFlags::TRUNC)?.1),
            Self::Tls(stream) => stream.read(buffer),
        }
    }

    /// Answers are far smaller than a socket's buffer.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(socket) => socket.write_all(bytes),
            Self::Tls(stream) => {
                stream.write_all(bytes)?;
                stream.flush()
            }
        }
    }
}
