//! What a server answered, taken apart.

/// An answer taken apart.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        Self {
            status: status.unwrap_or(0),
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The last part of a problem's type.
    pub(crate) fn problem(&self) -> String {
        let problem = self.json();
        let name = problem["type"]
            .as_str()
            .unwrap()
            .strip_prefix("urn:wxtoken:problem:");
        assert_eq!(problem["status"], self.status);
        name.unwrap().to_owned()
    }

    pub(crate) fn errcode(&self) -> i64 {
        assert_eq!(self.status, 200, "{self:?}");
        self.json()["errcode"].as_i64().unwrap()
    }
}
