//! A request to the stand-in and what has come of its body: counted whole, summed at both ends.
//!
//! Must not know: connections.

use super::TOKEN;

/// So much of a body's beginning and of its end is looked at. What lies between is counted and thrown away in the kernel: reading
/// it would take the core that it shares with the load as long as a proxy takes to pass it on.
const LOOKED_AT: usize = 16 * 1024;

/// What the answer to an upload of these bytes holds.
#[must_use]
pub fn receipt(body: &[u8]) -> String {
    let beginning = body.len().min(LOOKED_AT);
    let end = beginning.max(body.len().saturating_sub(LOOKED_AT));
    let sum = sum(sum(0, &body[..beginning]), &body[end..]);
    format!(r#""bytes":{},"sum":{sum}"#, body.len())
}

fn sum(before: u64, bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(before, |sum, byte| sum.wrapping_add(u64::from(*byte)))
}

/// A request and what has come of its body.
#[derive(Clone, Copy)]
pub(super) struct Coming {
    pub(super) asks: Asks,
    pub(super) left: usize,
    pub(super) got: usize,
    pub(super) sum: u64,
}

/// What a request wants.
#[derive(Clone, Copy)]
pub(super) enum Asks {
    /// The app's token.
    Token,
    /// A call with the live token.
    Call,
    /// A call without it.
    Stray,
}

impl Coming {
    /// What has been thrown away of it.
    pub(super) const fn passed_over(&mut self, bytes: usize) {
        self.left -= bytes;
        self.got += bytes;
    }

    /// What has been read of it.
    pub(super) fn take(&mut self, piece: &[u8]) {
        let beginning = LOOKED_AT.saturating_sub(self.got).min(piece.len());
        let end = self
            .left
            .saturating_sub(LOOKED_AT)
            .clamp(beginning, piece.len());
        self.left -= piece.len();
        self.got += piece.len();
        self.sum = sum(sum(self.sum, &piece[..beginning]), &piece[end..]);
    }

    /// How much is neither its beginning nor its end, from here on.
    pub(super) fn between(&self) -> usize {
        if self.got < LOOKED_AT {
            return 0;
        }
        self.left.saturating_sub(LOOKED_AT)
    }
}

/// What a head says.
pub(super) fn begin(head: &str) -> Coming {
    let line = head.split("\r\n").next().unwrap_or_default();
    let asks = if line.contains("/cgi-bin/stable_token") || line.contains("get_api_domain_ip") {
        Asks::Token
    } else if line
        .split(['?', '&', ' '])
        .any(|pair| pair.strip_prefix("access_token=") == Some(TOKEN))
    {
        Asks::Call
    } else {
        Asks::Stray
    };
    Coming {
        asks,
        left: length(head).unwrap_or(0),
        got: 0,
        sum: 0,
    }
}

fn length(head: &str) -> Option<usize> {
    head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_a_body_comes_it_is_counted_and_summed_as_the_receipt_says() {
        for length in [
            0,
            1,
            LOOKED_AT,
            LOOKED_AT + 1,
            2 * LOOKED_AT + 1,
            10 * LOOKED_AT,
        ] {
            let body: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            for piece in [1, 1000, LOOKED_AT, length.max(1)] {
                let mut coming = begin(&format!("POST / HTTP/1.1\r\nContent-Length: {length}\r\n"));
                while coming.left > 0 {
                    match coming.between() {
                        0 => {
                            let read = &body[coming.got..][..piece.min(coming.left)];
                            coming.take(read);
                        }
                        between => coming.passed_over(between.min(piece)),
                    }
                }
                let told = format!("\"bytes\":{},\"sum\":{}", coming.got, coming.sum);
                assert_eq!(told, receipt(&body), "{length} in pieces of {piece}");
            }
        }
    }
}
