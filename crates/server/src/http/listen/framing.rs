//! Where each request of an HTTP/1.1 connection ends, told strictly: RFC 9112 lets a reader be lenient with bare line feeds and
//! with a length beside chunks, and hyper is. Two readers that are lenient in different ways can be made to see different
//! requests, so that here such bytes are refused.
//!
//! Pure: bytes in, the first wrong one out. Keeps no more of a head than a few bytes of a line.
//! Must not know: what a request means. All else that can be wrong with one is hyper's to find.

/// Enough of a line to know the two headers that say where a body ends.
const LINE: usize = 64;

/// How far the reading of one connection's requests has come.
#[derive(Debug, Default)]
pub(super) struct Framing {
    at: At,
    line: Line,
    body: Body,
}

#[derive(Debug, Default, Clone, Copy)]
enum At {
    /// Between requests, where empty lines may stand (RFC 9112, 2.2).
    #[default]
    Before,
    Head,
    /// In a body or a chunk with so many bytes to come.
    Data(u64),
    ChunkSize,
    /// The line that ends a chunk.
    ChunkEnd,
    Trailers,
    /// Somewhere only hyper knows of: it refuses what led here, or there is no more HTTP/1.1.
    Beyond,
}

/// What a head says of its body.
#[derive(Debug, Default, Clone, Copy)]
struct Body {
    length: Option<u64>,
    chunked: bool,
}

/// What is wrong, in the words of a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Wrong {
    #[error(
        "a line ends in a bare line feed or holds a bare carriage return, where RFC 9112 wants both"
    )]
    Bare,
    #[error(
        "Content-Length stands beside Transfer-Encoding: which of them ends the body is disputed, so send one"
    )]
    Disputed,
    #[error("Content-Length is no plain number, or is told twice")]
    Length,
    #[error("the size of a chunk is written with more digits than anybody needs")]
    ChunkSize,
}

impl Framing {
    /// Reads on; if something is wrong, says what and at which byte.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<(), (usize, Wrong)> {
        let mut at = 0;
        while at < bytes.len() {
            match self.at {
                At::Beyond => return Ok(()),
                At::Data(left) => at += self.skip(left, bytes.len() - at),
                _ => {
                    self.byte(bytes[at]).map_err(|wrong| (at, wrong))?;
                    at += 1;
                }
            }
        }
        Ok(())
    }

    /// Whether a head has begun and is not complete.
    pub(super) fn is_in_head(&self) -> bool {
        match self.at {
            At::Before => !self.line.is_empty(),
            At::Head => true,
            At::Data(_) | At::ChunkSize | At::ChunkEnd | At::Trailers | At::Beyond => false,
        }
    }

    /// Whether more of a body is to come.
    pub(super) fn is_in_body(&self) -> bool {
        match self.at {
            At::Data(_) | At::ChunkSize | At::ChunkEnd | At::Trailers => true,
            At::Before | At::Head | At::Beyond => false,
        }
    }

    /// Skips what there is of a body; says how much.
    fn skip(&mut self, left: u64, there: usize) -> usize {
        let skipped = usize::try_from(left).unwrap_or(usize::MAX).min(there);
        self.at = match (left - skipped as u64, self.body.chunked) {
            (0, true) => At::ChunkEnd,
            (0, false) => At::Before,
            (left, _) => At::Data(left),
        };
        skipped
    }

    fn byte(&mut self, byte: u8) -> Result<(), Wrong> {
        if !self.line.ends_with(byte)? {
            return Ok(());
        }
        let line = std::mem::take(&mut self.line);
        self.at = match self.at {
            At::Before if line.is_empty() => At::Before,
            At::Before => At::Head,
            At::Head if line.is_empty() => self.behind_head(),
            At::Head => {
                self.body.hear(&line)?;
                At::Head
            }
            At::ChunkSize => match line.chunk_size()? {
                Some(0) => At::Trailers,
                Some(size) => At::Data(size),
                None => At::Beyond,
            },
            At::ChunkEnd => At::ChunkSize,
            At::Trailers if line.is_empty() => {
                self.body = Body::default();
                At::Before
            }
            other => other,
        };
        Ok(())
    }

    fn behind_head(&mut self) -> At {
        match self.body {
            Body { chunked: true, .. } => At::ChunkSize,
            Body {
                length: Some(length),
                ..
            } if length > 0 => {
                self.body = Body::default();
                At::Data(length)
            }
            Body { .. } => {
                self.body = Body::default();
                At::Before
            }
        }
    }
}

impl Body {
    /// Hears one header.
    fn hear(&mut self, line: &Line) -> Result<(), Wrong> {
        if let Some(value) = line.value_of(b"content-length") {
            let length = decimal(value)
                .filter(|_| !line.is_cut())
                .ok_or(Wrong::Length)?;
            if self.length.replace(length).is_some() {
                return Err(Wrong::Length);
            }
        } else if line.value_of(b"transfer-encoding").is_some() {
            // Any other coding is refused by those who read the request.
            self.chunked = true;
        }
        if self.chunked && self.length.is_some() {
            return Err(Wrong::Disputed);
        }
        Ok(())
    }
}

/// The beginning of a line, and how long it is.
#[derive(Debug)]
struct Line {
    start: [u8; LINE],
    len: usize,
    after_return: bool,
}

impl Default for Line {
    fn default() -> Self {
        Self {
            start: [0; LINE],
            len: 0,
            after_return: false,
        }
    }
}

impl Line {
    /// Takes the next byte; whether the line ends with it.
    fn ends_with(&mut self, byte: u8) -> Result<bool, Wrong> {
        match (self.after_return, byte) {
            (true, b'\n') => return Ok(true),
            (true, _) | (false, b'\n') => return Err(Wrong::Bare),
            (false, b'\r') => self.after_return = true,
            (false, _) => {
                if let Some(place) = self.start.get_mut(self.len) {
                    *place = byte;
                }
                self.len += 1;
            }
        }
        Ok(false)
    }

    fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn is_cut(&self) -> bool {
        self.len > LINE
    }

    fn start(&self) -> &[u8] {
        &self.start[..self.len.min(LINE)]
    }

    /// The value, if this is the header of that name.
    fn value_of(&self, name: &[u8]) -> Option<&[u8]> {
        let (start, rest) = self.start().split_at_checked(name.len())?;
        let value = rest.strip_prefix(b":")?;
        start.eq_ignore_ascii_case(name).then_some(value)
    }

    /// The size of a chunk (RFC 9112, 7.1), whose extensions do not matter. None for what hyper refuses. Zeros may lead it,
    /// but not so many that the rest of it is not here.
    fn chunk_size(&self) -> Result<Option<u64>, Wrong> {
        let start = self.start();
        let digits = start.iter().take_while(|byte| byte.is_ascii_hexdigit());
        let digits = digits.count();
        if digits == LINE && self.is_cut() {
            return Err(Wrong::ChunkSize);
        }
        let digits = std::str::from_utf8(&start[..digits]).unwrap_or_default();
        Ok(u64::from_str_radix(digits, 16).ok())
    }
}

/// Digits between blanks and nothing else.
fn decimal(value: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(value).ok()?.trim_matches([' ', '\t']);
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GET: &str = "GET /a HTTP/1.1\r\nHost: x\r\n\r\n";
    const POST: &str = "POST /a HTTP/1.1\r\ncontent-length: 5\r\n\r\na\nb\rc";
    const CHUNKS: &str = "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n\n\r\n\r\n1;x=y\r\nz\r\n0\r\nT: t\r\n\r\n";

    fn wrong(text: &str) -> Option<(usize, Wrong)> {
        Framing::default().read(text.as_bytes()).err()
    }

    #[test]
    fn bodies_may_hold_anything_and_the_next_request_begins_where_they_end() {
        for (first, second) in [(GET, POST), (POST, CHUNKS), (CHUNKS, GET), ("\r\n", POST)] {
            assert_eq!(
                wrong(&format!("{first}{second}{first}")),
                None,
                "{first:?} {second:?}"
            );
            let bare = format!("{first}{second}GET /a HTTP/1.1\n");
            assert_eq!(wrong(&bare), Some((bare.len() - 1, Wrong::Bare)));
        }
    }

    #[test]
    fn bare_line_feeds_and_returns_are_refused_wherever_lines_are_read() {
        for (line, at) in [
            ("GET /a HTTP/1.1\n\n", 15),
            ("GET /a HTTP/1.1\r\nHost: x\nA: b\r\n\r\n", 24),
            ("GET /a HTTP/1.1\r\nHost: x\rA: b\r\n\r\n", 25),
            ("GET /a HTTP/1.1\r\n\n", 17),
            ("\n", 0),
            (
                "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc",
                48,
            ),
            (
                "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\n",
                53,
            ),
            (
                "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\n",
                50,
            ),
        ] {
            assert_eq!(wrong(line), Some((at, Wrong::Bare)), "{line:?}");
        }
    }

    #[test]
    fn a_length_beside_chunks_is_refused_in_either_order() {
        for headers in [
            "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
            "transfer-encoding: chunked\r\nX: y\r\ncontent-length: 4\r\n",
            "Transfer-Encoding: identity\r\nContent-Length: 4\r\n",
        ] {
            let found = wrong(&format!("POST / HTTP/1.1\r\n{headers}\r\n"));
            assert_eq!(
                found.map(|(_, wrong)| wrong),
                Some(Wrong::Disputed),
                "{headers:?}"
            );
        }
    }

    #[test]
    fn a_length_is_one_number_told_once() {
        let long = format!("{}5", " ".repeat(LINE));
        for value in [
            "",
            "+5",
            "-5",
            "5 5",
            "5,5",
            "0x5",
            "99999999999999999999",
            &long,
        ] {
            let found = wrong(&format!("POST / HTTP/1.1\r\nContent-Length: {value}\r\n"));
            assert_eq!(
                found.map(|(_, wrong)| wrong),
                Some(Wrong::Length),
                "{value:?}"
            );
        }
        let twice = wrong("POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n");
        assert_eq!(twice.map(|(_, wrong)| wrong), Some(Wrong::Length));
        assert_eq!(
            wrong("POST / HTTP/1.1\r\nContent-Length:\t5 \r\n\r\nabcdeG"),
            None
        );
    }

    #[test]
    fn zeros_before_the_size_of_a_chunk_do_not_hide_it() {
        let sized = |size: &str| {
            let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
            wrong(&format!("{head}{size}\r\na\nb\r\n0\r\n\r\n{GET}"))
        };
        assert_eq!(sized(&format!("{}3", "0".repeat(LINE - 1))), None);
        let extended = format!("{}3;{}", "0".repeat(LINE - 1), "x".repeat(LINE));
        assert_eq!(
            sized(&extended).map(|(_, wrong)| wrong),
            Some(Wrong::ChunkSize)
        );
        assert_eq!(sized(&format!("3;{}", "x".repeat(LINE))), None);
        let hidden = sized(&format!("{}3", "0".repeat(LINE)));
        assert_eq!(hidden.map(|(_, wrong)| wrong), Some(Wrong::ChunkSize));
    }

    proptest! {
        #[test]
        fn how_the_bytes_were_cut_into_reads_does_not_matter(
            pieces in prop::collection::vec(prop_oneof![
                Just(GET), Just(POST), Just(CHUNKS), Just("\n"), Just("\r\n"), Just("x"), Just("Content-Length: 3\r\n"),
            ], 0..6),
            cuts in prop::collection::vec(1_usize..40, 1..40),
        ) {
            let text = pieces.concat();
            let mut framing = Framing::default();
            let (mut rest, mut read) = (text.as_bytes(), 0);
            let mut cuts = cuts.into_iter().cycle();
            let mut found = None;
            while !rest.is_empty() && found.is_none() {
                let (now, later) = rest.split_at(cuts.next().unwrap().min(rest.len()));
                found = framing.read(now).err().map(|(at, wrong)| (read + at, wrong));
                read += now.len();
                rest = later;
            }
            prop_assert_eq!(found, wrong(&text));
        }
    }
}
