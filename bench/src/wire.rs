//! Finds where one answer ends, for HTTP/1.1 and for Redis.
//!
//! Servers write the same head again and again, so the places found in one answer are tried first in the next: the
//! generator then spends next to nothing on parsing. What does not fit is parsed in full.

use std::ops::Range;

/// What is spoken on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1 with keep-alive.
    Http,
    /// Redis, RESP2 bulk strings.
    Redis,
}

/// Where an answer lies in the bytes read so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The HTTP body, or the Redis value.
    pub body: Range<usize>,
    /// Bytes of the whole answer.
    pub length: usize,
}

/// Why bytes are not a good answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// HTTP status other than 200, or a Redis error or missing value. The answer can be skipped: its length is known.
    Refused(Answer),
    /// Not an answer this generator understands; the connection is of no more use.
    Garbled(&'static str),
}

/// Finds answers, remembering where the last one had its landmarks.
#[derive(Debug, Clone)]
pub struct Finder {
    protocol: Protocol,
    head: usize,
    length_at: usize,
}

const LENGTH: &[u8] = b"content-length:";

impl Finder {
    /// For one connection or many of the same server.
    #[must_use]
    pub const fn new(protocol: Protocol) -> Self {
        Self {
            protocol,
            head: 0,
            length_at: 0,
        }
    }

    /// The first answer in `bytes`, or `None` while it is not yet whole.
    ///
    /// # Errors
    /// [`Fault`] when it is whole and not good, or can never become whole.
    pub fn find(&mut self, bytes: &[u8]) -> Result<Option<Answer>, Fault> {
        match self.protocol {
            Protocol::Http => self.http(bytes),
            Protocol::Redis => redis(bytes),
        }
    }

    fn http(&mut self, bytes: &[u8]) -> Result<Option<Answer>, Fault> {
        if !self.landmarks_hold(bytes) && !self.look_for_landmarks(bytes)? {
            return Ok(None);
        }
        let length = number(&bytes[self.length_at..])
            .ok_or(Fault::Garbled("Content-Length is no number"))?;
        let end = self.head + length;
        if bytes.len() < end {
            return Ok(None);
        }
        let answer = Answer {
            body: self.head..end,
            length: end,
        };
        if bytes.starts_with(b"HTTP/1.1 200 ") {
            Ok(Some(answer))
        } else {
            Err(Fault::Refused(answer))
        }
    }

    fn landmarks_hold(&self, bytes: &[u8]) -> bool {
        self.head > 0
            && bytes.len() >= self.head
            && bytes[..self.head].ends_with(b"\r\n\r\n")
            && ends_with_name(&bytes[..self.length_at], LENGTH)
    }

    fn look_for_landmarks(&mut self, bytes: &[u8]) -> Result<bool, Fault> {
        let Some(blank) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            let hopeless =
                bytes.len() > 64 * 1024 || !b"HTTP/1.1 ".starts_with(&bytes[..bytes.len().min(9)]);
            return if hopeless {
                Err(Fault::Garbled("not an HTTP/1.1 answer"))
            } else {
                Ok(false)
            };
        };
        let head = &bytes[..blank + 2];
        if !head.starts_with(b"HTTP/1.1 ") {
            return Err(Fault::Garbled("not an HTTP/1.1 answer"));
        }
        let found = head
            .windows(LENGTH.len())
            .position(|name| name.eq_ignore_ascii_case(LENGTH));
        let at = found.ok_or(Fault::Garbled("an answer without Content-Length"))?;
        self.head = blank + 4;
        self.length_at = at + LENGTH.len();
        Ok(true)
    }
}

/// Whether `bytes` hold a whole HTTP/1.1 request: its head, and as much body as `Content-Length` says.
#[must_use]
pub fn whole_request(bytes: &[u8]) -> bool {
    let Some(blank) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
        return false;
    };
    let head = &bytes[..blank + 2];
    let at = head
        .windows(LENGTH.len())
        .position(|name| name.eq_ignore_ascii_case(LENGTH));
    let body = at
        .and_then(|at| number(&head[at + LENGTH.len()..]))
        .unwrap_or(0);
    bytes.len() >= blank + 4 + body
}

fn ends_with_name(bytes: &[u8], name: &[u8]) -> bool {
    bytes.len() >= name.len() && bytes[bytes.len() - name.len()..].eq_ignore_ascii_case(name)
}

fn redis(bytes: &[u8]) -> Result<Option<Answer>, Fault> {
    let Some(line) = bytes.windows(2).position(|two| two == b"\r\n") else {
        return Ok(None);
    };
    let body = line + 2;
    match bytes[0] {
        b'$' if bytes[1] == b'-' => Err(Fault::Refused(Answer {
            body: 0..line,
            length: body,
        })),
        b'$' => {
            let length =
                number(&bytes[1..]).ok_or(Fault::Garbled("a bulk string without a length"))?;
            let whole = bytes.len() >= body + length + 2;
            Ok(whole.then_some(Answer {
                body: body..body + length,
                length: body + length + 2,
            }))
        }
        b'+' | b':' => Ok(Some(Answer {
            body: 1..line,
            length: body,
        })),
        b'-' => Err(Fault::Refused(Answer {
            body: 0..line,
            length: body,
        })),
        _ => Err(Fault::Garbled("not a Redis answer")),
    }
}

/// The decimal number at the start, after blanks; it must be followed by a line end.
fn number(bytes: &[u8]) -> Option<usize> {
    let start = bytes.iter().position(|byte| *byte != b' ')?;
    let mut value = 0_usize;
    for (at, byte) in bytes[start..].iter().enumerate() {
        match byte {
            b'0'..=b'9' => {
                value = value
                    .checked_mul(10)?
                    .checked_add(usize::from(byte - b'0'))?
            }
            b'\r' if at > 0 => return Some(value),
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nServer: x\r\n\r\nbody";

    #[test]
    fn an_http_answer_is_found_only_when_whole() {
        for cut in 0..OK.len() {
            assert_eq!(
                Finder::new(Protocol::Http).find(&OK[..cut]),
                Ok(None),
                "{cut}"
            );
        }
        let found = Finder::new(Protocol::Http).find(OK).unwrap().unwrap();
        assert_eq!((&OK[found.body], found.length), (&b"body"[..], OK.len()));
    }

    #[test]
    fn landmarks_of_one_answer_do_not_mislead_the_next() {
        let mut finder = Finder::new(Protocol::Http);
        finder.find(OK).unwrap().unwrap();
        let longer = b"HTTP/1.1 200 OK\r\ndate: now\r\ncontent-length: 12\r\n\r\n\r\n\r\nnothing!";
        let found = finder.find(longer).unwrap().unwrap();
        assert_eq!(&longer[found.body], b"\r\n\r\nnothing!");
        let again = finder.find(OK).unwrap().unwrap();
        assert_eq!(&OK[again.body], b"body");
    }

    #[test]
    fn another_status_is_refused_but_its_length_is_known() {
        let busy = b"HTTP/1.1 429 Too Many\r\nContent-Length: 2\r\n\r\nno";
        let fault = Finder::new(Protocol::Http).find(busy).unwrap_err();
        assert_eq!(
            fault,
            Fault::Refused(Answer {
                body: busy.len() - 2..busy.len(),
                length: busy.len()
            })
        );
    }

    #[test]
    fn chunked_or_foreign_bytes_are_called_garbled() {
        for bytes in [
            &b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"[..],
            b"SSH-2.0-x\r\n",
            b"HTTP/1.0 200 OK\r\n\r\n",
        ] {
            assert!(matches!(
                Finder::new(Protocol::Http).find(bytes),
                Err(Fault::Garbled(_))
            ));
        }
    }

    #[test]
    fn a_redis_value_is_found_only_when_whole_and_a_missing_one_is_refused() {
        let value = b"$5\r\nhello\r\n";
        for cut in 0..value.len() {
            assert_eq!(redis(&value[..cut]), Ok(None), "{cut}");
        }
        assert_eq!(
            redis(value),
            Ok(Some(Answer {
                body: 4..9,
                length: 11
            }))
        );
        assert!(matches!(redis(b"$-1\r\n"), Err(Fault::Refused(_))));
        assert!(matches!(redis(b"-ERR no\r\n"), Err(Fault::Refused(_))));
    }
}
