//! `a=b&c=d`, percent-decoded, in the order given.

use std::borrow::Cow;

/// The parameters of a query.
#[derive(Debug, Default)]
pub(crate) struct Params<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Params<'a> {
    pub(crate) fn parse(query: &'a str) -> Self {
        let pairs = query.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs
                .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
                .map(|(k, v)| (decode(k), decode(v)))
                .collect(),
        )
    }

    /// The first value of that name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| &**value)
    }

    /// Whether all those parameters are here with those values; of a name given twice the first value counts, as ever.
    pub(crate) fn include(&self, wanted: &Params<'_>) -> bool {
        let has = |(name, value): &(Cow<'_, str>, Cow<'_, str>)| self.get(name) == Some(&**value);
        wanted.0.iter().all(has)
    }

    /// The first value of that name, unless it is empty.
    pub(crate) fn filled(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }
}

/// Undoes percent-encoding, and `+` for a space.
pub(crate) fn decode(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|byte| byte == b'%' || byte == b'+') {
        return Cow::Borrowed(text);
    }
    let raw = text.as_bytes();
    let mut bytes = Vec::with_capacity(raw.len());
    let mut at = 0;
    while at < raw.len() {
        let (byte, width) = match raw[at] {
            b'+' => (b' ', 1),
            b'%' => hex_pair(raw.get(at + 1..at + 3)).map_or((b'%', 1), |byte| (byte, 3)),
            other => (other, 1),
        };
        bytes.push(byte);
        at += width;
    }
    Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
}

fn hex_pair(pair: Option<&[u8]>) -> Option<u8> {
    let pair = pair.filter(|pair| pair.iter().all(u8::is_ascii_hexdigit))?;
    u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()
}

/// Percent-encodes everything but unreserved characters.
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push_str(&crate::token::hex(&[byte]).to_ascii_uppercase());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_the_first_of_a_name_wins() {
        let params = Params::parse("a=1&b=%E4%BD%A0+%zz%2&a=2&c&&=x");
        assert_eq!(params.get("a"), Some("1"));
        assert_eq!(params.get("b"), Some("你 %zz%2"));
        assert_eq!(params.get("c"), Some(""));
        assert_eq!(params.filled("c"), None);
        assert_eq!(params.get("d"), None);
    }

    #[test]
    fn parameters_include_others_by_whole_names_and_values_once_decoded() {
        let params = Params::parse("type=wx%5Fcard&x=a+b&type=jsapi");
        let include = |wanted| params.include(&Params::parse(wanted));
        for wanted in ["type=wx_card", "t%79pe=wx_card", "x=a%20b&type=wx_card", ""] {
            assert!(include(wanted), "{wanted}");
        }
        for other in ["type=jsapi", "type=wx", "type", "ype=wx_card", "x=a+b&y=c"] {
            assert!(!include(other), "{other}");
        }
    }

    #[test]
    fn encoding_is_undone_by_decoding() {
        assert_eq!(encode("a b/你"), "a%20b%2F%E4%BD%A0");
        assert_eq!(decode(&encode("a b/你+%")), "a b/你+%");
    }
}
