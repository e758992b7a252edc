//! The head of an answer, read strictly: one way to tell where the body ends, and nothing that wants an explanation. Pure.
//!
//! Whatever else it may be, hyper decides about it.

use std::mem::MaybeUninit;

use http::StatusCode;

/// No head has more lines.
pub(super) const MOST_HEADERS: usize = 64;
/// No head is longer.
const LARGEST: usize = 16 * 1024;

/// What is to be done about an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answered {
    /// Too little of it is there.
    More,
    /// It is not plain, or something follows from it: it goes on behind hyper.
    Odd,
    /// It goes to the caller: what is there has been written.
    Passes {
        /// So much of what was read is its own.
        taken: usize,
        /// So many bytes are still to come.
        left: u64,
        /// Whether upstream keeps the connection open behind it.
        stays: bool,
    },
}

/// An answer that is not plain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Odd;

/// The head of a plain answer.
pub(super) struct Head<'l, 'b> {
    pub(super) status: StatusCode,
    /// How many bytes it takes, with interim answers in front of it.
    pub(super) len: usize,
    /// How many its body does.
    pub(super) length: u64,
    pub(super) stays: bool,
    pub(super) kind: Option<&'b [u8]>,
    /// The body is compressed.
    pub(super) coded: bool,
    pub(super) dated: bool,
    pub(super) lines: &'l [httparse::Header<'b>],
}

/// Room for the lines of a head.
pub(super) type Room<'b> = [MaybeUninit<httparse::Header<'b>>; MOST_HEADERS];

/// Such a room with nothing in it.
pub(super) const fn empty<'b>() -> Room<'b> {
    [const { MaybeUninit::uninit() }; MOST_HEADERS]
}

/// Reads a head; none while it is not complete. Interim answers (1xx) are passed over.
pub(super) fn read<'l, 'b>(
    bytes: &'b [u8],
    room: &'l mut Room<'b>,
) -> Result<Option<Head<'l, 'b>>, Odd> {
    let mut start = 0;
    while bytes[start..].starts_with(b"HTTP/1.1 1") {
        match parsed(&bytes[start..], &mut empty())? {
            Some((100 | 102..=199, length, _)) => start += length,
            Some(_) => return Err(Odd),
            None => return Ok(None),
        }
    }
    match parsed(&bytes[start..], room)? {
        Some((code, length, lines)) => head(code, start + length, lines).map(Some),
        None => Ok(None),
    }
}

/// Status, length and lines of one head.
type Parsed<'l, 'b> = (u16, usize, &'l [httparse::Header<'b>]);

fn parsed<'l, 'b>(bytes: &'b [u8], room: &'l mut Room<'b>) -> Result<Option<Parsed<'l, 'b>>, Odd> {
    let mut answer = httparse::Response::new(&mut []);
    let config = httparse::ParserConfig::default();
    let parsed = config.parse_response_with_uninit_headers(&mut answer, bytes, room);
    match parsed.map_err(|_| Odd)? {
        httparse::Status::Complete(length) if length <= LARGEST && answer.version == Some(1) => {
            Ok(Some((answer.code.ok_or(Odd)?, length, answer.headers)))
        }
        httparse::Status::Partial if bytes.len() <= LARGEST => Ok(None),
        httparse::Status::Complete(_) | httparse::Status::Partial => Err(Odd),
    }
}

/// Whether nothing has come yet but interim answers, or the beginning of a head.
pub(crate) fn is_to_come(bytes: &[u8]) -> bool {
    matches!(read(bytes, &mut empty()), Ok(None))
}

fn head<'l, 'b>(
    code: u16,
    len: usize,
    lines: &'l [httparse::Header<'b>],
) -> Result<Head<'l, 'b>, Odd> {
    let status = StatusCode::from_u16(code).map_err(|_| Odd)?;
    if status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
    {
        return Err(Odd);
    }
    let mut head = Head {
        status,
        len,
        length: 0,
        stays: true,
        kind: None,
        coded: false,
        dated: false,
        lines,
    };
    let mut measured = false;
    for line in lines {
        let is = |name: &str| line.name.eq_ignore_ascii_case(name);
        match line.name.len() {
            4 if is("date") => head.dated = true,
            10 if is("connection") => head.stays &= stays(line.value)?,
            12 if is("content-type") => head.kind = head.kind.or(Some(line.value)),
            14 if is("content-length") => {
                head.length = digits(line.value).filter(|_| !measured).ok_or(Odd)?;
                measured = true;
            }
            16 if is("content-encoding") => head.coded = true,
            17 if is("transfer-encoding") => return Err(Odd),
            7 if is("upgrade") => return Err(Odd),
            _ => {}
        }
    }
    if measured { Ok(head) } else { Err(Odd) }
}

/// What `Connection` says, if it says nothing else.
fn stays(value: &[u8]) -> Result<bool, Odd> {
    if value.eq_ignore_ascii_case(b"keep-alive") {
        Ok(true)
    } else if value.eq_ignore_ascii_case(b"close") {
        Ok(false)
    } else {
        Err(Odd)
    }
}

/// A plain number that cannot overflow.
fn digits(value: &[u8]) -> Option<u64> {
    let plain = (1..=18).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
    let sum = |sum, digit: &u8| sum * 10 + u64::from(digit - b'0');
    plain.then(|| value.iter().fold(0, sum))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Length of the head, length of the body, whether the connection stays.
    fn of(text: &str) -> Result<Option<(usize, u64, bool)>, Odd> {
        Ok(read(text.as_bytes(), &mut empty())?.map(|head| (head.len, head.length, head.stays)))
    }

    #[test]
    fn a_plain_answer_has_one_length() {
        let of = |head: &str| of(&format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\nxy"));
        let read = |head: &str, length, stays| Ok(Some((head.len() + 21, length, stays)));
        for (head, length, stays) in [
            ("Content-Length: 2", 2, true),
            ("content-length:2 ", 2, true),
            ("Content-Length: 2\r\nConnection: Keep-Alive", 2, true),
            ("Content-Length: 0\r\nConnection: close", 0, false),
            ("A:\r\nContent-Length: 999999999999", 999_999_999_999, true),
        ] {
            assert_eq!(of(head), read(head, length, stays), "{head}");
        }
        for odd in [
            "Server: x",
            "Content-Length: 2\r\nContent-Length: 2",
            "Content-Length: 2\r\nContent-Length: 3",
            "Content-Length: 2, 2",
            "Content-Length: +2",
            "Content-Length: 0x2",
            "Content-Length:",
            "Content-Length: 9999999999999999999",
            "Content-Length : 2",
            "Content-Length: 2\r\n folded: 1",
            "Content-Length: 2\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: chunked",
            "Content-Length: 2\r\nConnection: keep-alive, x-mine",
            "Content-Length: 2\r\nUpgrade: h2c",
            "Content-Length: 2\r\nX: a\u{1}b",
        ] {
            assert_eq!(of(odd), Err(Odd), "{odd}");
        }
    }

    #[test]
    fn interim_answers_are_passed_over_and_other_odd_ones_are_not_plain() {
        let behind = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
        let interim = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
        let both = format!("{interim}{behind}");
        assert_eq!(of(&both), Ok(Some((both.len(), 0, true))));
        assert_eq!(of(interim), Ok(None));
        assert_eq!(of(&behind[..20]), Ok(None));
        for odd in [
            "HTTP/1.1 101 Switching Protocols\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 0\r\n\r\n",
            "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
            "SSH-2.0-x\r\n",
            "\0",
        ] {
            assert_eq!(of(odd), Err(Odd), "{odd}");
        }
        let endless = format!("HTTP/1.1 200 OK\r\nX: {}", "a".repeat(LARGEST));
        assert_eq!(of(&endless), Err(Odd));
    }
}
