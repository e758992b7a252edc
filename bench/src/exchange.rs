//! One thing to send and what must come back.

/// Bytes to send, and what each answer to them must hold.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// The whole request, or several pipelined ones.
    pub request: Vec<u8>,
    /// One entry for each answer that `request` provokes, in order: every string must be found in that answer's body.
    pub answers: Vec<Vec<Vec<u8>>>,
    /// How many reads this counts for: 1, or the size of the batch.
    pub reads: u64,
    /// Where in `request` a caller key stands that may be replaced by another of the same length.
    pub key_at: Option<usize>,
}

impl Exchange {
    /// One HTTP/1.1 request. `key` becomes the bearer key; `body` makes it a POST of JSON.
    #[must_use]
    pub fn http(path: &str, key: Option<&str>, body: Option<&str>, expect: Vec<Vec<u8>>) -> Self {
        let method = if body.is_some() { "POST" } else { "GET" };
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
        if let Some(key) = key {
            request.push_str("Authorization: Bearer ");
            request.push_str(key);
            request.push_str("\r\n");
        }
        if let Some(body) = body {
            request.push_str("Content-Type: application/json\r\nContent-Length: ");
            request.push_str(&body.len().to_string());
            request.push_str("\r\n");
        }
        request.push_str("\r\n");
        request.push_str(body.unwrap_or(""));
        Self {
            request: request.into_bytes(),
            reads: expect.len().max(1) as u64,
            answers: vec![expect],
            key_at: None,
        }
    }

    /// A POST of bytes that are no JSON.
    #[must_use]
    pub fn upload(path: &str, key: Option<&str>, body: &[u8], expect: Vec<Vec<u8>>) -> Self {
        let bearer = key.map_or_else(String::new, |key| {
            format!("Authorization: Bearer {key}\r\n")
        });
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\n{bearer}Content-Type: application/octet-stream\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        Self {
            request: [head.as_bytes(), body].concat(),
            answers: vec![expect],
            reads: 1,
            key_at: None,
        }
    }

    /// The same, with the place of `key` marked, so that a run may put other keys there.
    #[must_use]
    pub fn with_key(mut self, key: &str) -> Self {
        self.key_at = self
            .request
            .windows(key.len())
            .position(|part| part == key.as_bytes());
        self
    }

    /// Redis GETs sent in one write, one for each (key, value).
    #[must_use]
    pub fn redis(pairs: &[(&str, &str)]) -> Self {
        let mut request = Vec::new();
        for (key, _) in pairs {
            request.extend_from_slice(&command(&["GET", key]));
        }
        let answers = pairs
            .iter()
            .map(|(_, value)| vec![value.as_bytes().to_vec()])
            .collect();
        Self {
            request,
            answers,
            reads: pairs.len() as u64,
            key_at: None,
        }
    }
}

/// A Redis command in the wire's form.
#[must_use]
pub fn command(words: &[&str]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", words.len());
    for word in words {
        out.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    out.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_counts_as_many_reads_as_it_expects_values() {
        let batch = Exchange::http(
            "/v1/read",
            Some("k"),
            Some("{}"),
            vec![b"a".to_vec(), b"b".to_vec()],
        );
        assert_eq!(batch.reads, 2);
        assert_eq!(batch.answers.len(), 1);
        assert!(batch.request.ends_with(b"Content-Length: 2\r\n\r\n{}"));
    }

    #[test]
    fn pipelined_gets_expect_one_answer_each() {
        let gets = Exchange::redis(&[("k1", "v1"), ("k2", "v2")]);
        assert_eq!(
            gets.request,
            b"*2\r\n$3\r\nGET\r\n$2\r\nk1\r\n*2\r\n$3\r\nGET\r\n$2\r\nk2\r\n"
        );
        assert_eq!((gets.answers.len(), gets.reads), (2, 2));
    }
}
