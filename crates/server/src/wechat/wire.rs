//! WeChat's JSON, read by content. Foreign shapes stop here: what leaves is plain and checked.
//!
//! Owns: the shapes of the four answers, what is too absurd to be true, and what of an `errmsg` is safe to keep.
//! Must not know: HTTP, which errcode means what.

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, Visitor};

use wxtoken_core::credential::Token;

use super::errcode::Endpoint;

/// No credential of WeChat lives longer than a few hours; a week leaves room for changes.
const LONGEST_LIFE: i64 = 7 * 24 * 3600;

/// What an answer says.
pub(super) enum Said {
    /// A value, and the seconds it is said to live.
    Minted(Token, Duration),
    /// The probed token works.
    Alive,
    /// An errcode other than zero.
    Errcode(i64, Hints),
}

/// The answer is not one WeChat gives: no JSON object, a wrong type, a doubled key, something missing or absurd.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Nonsense;

/// What of an `errmsg` is safe to show: everything else in it may echo the request and its secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Hints {
    /// WeChat's own name for the call; `openapi/rid/get` explains it for seven days.
    pub rid: Option<Rid>,
    /// The address WeChat saw, which 40164 and its like name.
    pub seen_ip: Option<IpAddr>,
}

/// A request id of WeChat: three groups of eight lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rid([u8; Rid::LENGTH]);

impl Rid {
    const LENGTH: usize = 26;

    /// The first request id in a text.
    pub(crate) fn find(text: &[u8]) -> Option<Self> {
        text.windows(Self::LENGTH)
            .find(|window| {
                window.iter().enumerate().all(|(at, byte)| match at {
                    8 | 17 => *byte == b'-',
                    _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
                })
            })
            .and_then(|window| window.try_into().ok())
            .map(Self)
    }
}

impl fmt::Display for Rid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.0).unwrap_or_default())
    }
}

impl fmt::Debug for Rid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Reads the body of an answer. Its headers are not asked: WeChat labels JSON as text (`/sns`) and HTML pages come with 200.
pub(super) fn read(endpoint: Endpoint, body: &[u8]) -> Result<Said, Nonsense> {
    let text = cleaned(body);
    // serde would take an array for a struct.
    if !text.starts_with('{') {
        return Err(Nonsense);
    }
    let answer: Answer = serde_json::from_str(&text).map_err(|_| Nonsense)?;
    if let Some(Integer(errcode)) = answer.errcode
        && errcode != 0
    {
        let hints = answer.errmsg.map(|m| m.hints()).unwrap_or_default();
        return Ok(Said::Errcode(errcode, hints));
    }
    match endpoint {
        Endpoint::Token | Endpoint::StableToken => minted(answer.access_token, answer.expires_in),
        Endpoint::Ticket => minted(answer.ticket, answer.expires_in),
        Endpoint::Probe => answer.ip_list.map(|_| Said::Alive).ok_or(Nonsense),
    }
}

/// The text without byte order mark and outer white space, every control character turned into a space: between values
/// that changes nothing, and inside strings WeChat leaves raw ones (nicknames, remarks) where JSON allows none.
fn cleaned(body: &[u8]) -> Cow<'_, str> {
    let is_control = |c: char| c < ' ';
    match String::from_utf8_lossy(body) {
        Cow::Borrowed(text) if !text.contains(is_control) => Cow::Borrowed(trimmed(text)),
        text => Cow::Owned(trimmed(&text.replace(is_control, " ")).to_owned()),
    }
}

fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}')
}

fn minted(value: Option<Cow<'_, str>>, expires_in: Option<Integer>) -> Result<Said, Nonsense> {
    let token = Token::new(&value.ok_or(Nonsense)?).map_err(|_| Nonsense)?;
    match expires_in {
        Some(Integer(seconds @ 1..=LONGEST_LIFE)) => {
            let life = Duration::from_secs(seconds.unsigned_abs());
            Ok(Said::Minted(token, life))
        }
        _ => Err(Nonsense),
    }
}

/// All the answers in one: which fields must be there depends on the endpoint. Doubled keys are refused by serde.
#[derive(serde::Deserialize)]
struct Answer<'a> {
    errcode: Option<Integer>,
    #[serde(borrow)]
    errmsg: Option<Message<'a>>,
    #[serde(borrow)]
    access_token: Option<Cow<'a, str>>,
    #[serde(borrow)]
    ticket: Option<Cow<'a, str>>,
    expires_in: Option<Integer>,
    ip_list: Option<Vec<IgnoredAny>>,
}

/// An `errmsg`, which may be anything: it never decides.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Message<'a> {
    Text(#[serde(borrow)] Cow<'a, str>),
    Other(IgnoredAny),
}

impl Message<'_> {
    fn hints(&self) -> Hints {
        match self {
            Self::Text(text) => Hints {
                rid: Rid::find(text.as_bytes()),
                seen_ip: text
                    .split(|c: char| c.is_whitespace() || c == ',')
                    .find_map(|word| word.parse::<IpAddr>().ok())
                    .map(|ip| ip.to_canonical()),
            },
            Self::Other(_) => Hints::default(),
        }
    }
}

/// A whole number, or a text that is one.
struct Integer(i64);

impl<'de> Deserialize<'de> for Integer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;

        impl Visitor<'_> for Number {
            type Value = Integer;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number")
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Integer, E> {
                Ok(Integer(number))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Integer, E> {
                i64::try_from(number).map(Integer).map_err(E::custom)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Integer, E> {
                text.trim().parse().map(Integer).map_err(E::custom)
            }
        }

        deserializer.deserialize_any(Number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was said, as text, secrets and all: for comparing in tests only.
    fn said(endpoint: Endpoint, body: impl AsRef<[u8]>) -> Result<String, Nonsense> {
        read(endpoint, body.as_ref()).map(|said| match said {
            Said::Minted(token, life) => format!("{} for {}s", token.expose(), life.as_secs()),
            Said::Alive => "alive".to_owned(),
            Said::Errcode(code, _) => format!("errcode {code}"),
        })
    }

    fn token(body: impl AsRef<[u8]>) -> Result<String, Nonsense> {
        said(Endpoint::Token, body)
    }

    #[test]
    fn the_two_shapes_of_success_are_both_read() {
        let bare = r#"{"access_token":"68_abc-_","expires_in":7200}"#;
        assert_eq!(token(bare).unwrap(), "68_abc-_ for 7200s");
        assert_eq!(
            said(Endpoint::StableToken, bare).unwrap(),
            "68_abc-_ for 7200s"
        );
        let with_code = r#"{"errcode":0,"errmsg":"ok","ticket":"bxLd","expires_in":7200}"#;
        assert_eq!(said(Endpoint::Ticket, with_code).unwrap(), "bxLd for 7200s");
        assert_eq!(
            said(Endpoint::Probe, r#"{"ip_list":["101.89.47.18"]}"#).unwrap(),
            "alive"
        );
    }

    #[test]
    fn white_space_and_byte_order_marks_do_not_matter() {
        let padded =
            "\u{feff}\r\n\t {\r\n\t\"access_token\" :\n\"a\",\r\n\"expires_in\":\t1 }\n\0 \r\n";
        assert_eq!(token(padded).unwrap(), "a for 1s");
    }

    #[test]
    fn control_characters_inside_strings_are_borne_but_not_in_a_token() {
        let messy = b"{\"nickname\":\"a\x01\x0bb\n\",\"access_token\":\"a\",\"expires_in\":1}";
        assert_eq!(token(messy).unwrap(), "a for 1s");
        assert_eq!(
            token(b"{\"access_token\":\"a\x01b\",\"expires_in\":1}"),
            Err(Nonsense)
        );
        assert_eq!(
            token(r#"{"access_token":"a\u0001b","expires_in":1}"#),
            Err(Nonsense)
        );
        assert_eq!(
            token(b"{\"access_token\":\"a\x7fb\",\"expires_in\":1}"),
            Err(Nonsense)
        );
    }

    #[test]
    fn text_that_is_not_utf8_is_borne_but_not_in_a_token() {
        let latin = b"{\"errcode\":40013,\"errmsg\":\"inv\xe4lid\"}";
        assert_eq!(token(latin).unwrap(), "errcode 40013");
        assert_eq!(
            token(b"{\"access_token\":\"a\xe4\",\"expires_in\":1}"),
            Err(Nonsense)
        );
    }

    #[test]
    fn numbers_may_be_written_as_text() {
        let text = r#"{"access_token":"a","expires_in":" 7200 "}"#;
        assert_eq!(token(text).unwrap(), "a for 7200s");
        assert_eq!(token(r#"{"errcode":"40013"}"#).unwrap(), "errcode 40013");
        assert_eq!(
            token(r#"{"errcode":"0","access_token":"a","expires_in":1}"#).unwrap(),
            "a for 1s"
        );
    }

    #[test]
    fn an_errcode_wins_over_a_value_beside_it() {
        let both = r#"{"access_token":"a","expires_in":7200,"errcode":-1,"errmsg":"system error"}"#;
        assert_eq!(token(both).unwrap(), "errcode -1");
    }

    #[test]
    fn absurd_values_are_refused() {
        let long = format!(
            r#"{{"access_token":"{}","expires_in":7200}}"#,
            "x".repeat(513)
        );
        assert_eq!(token(long), Err(Nonsense));
        let longest = format!(
            r#"{{"access_token":"{}","expires_in":604800}}"#,
            "x".repeat(512)
        );
        assert!(token(longest).is_ok());
        for absurd in [
            r#"{"access_token":"","expires_in":7200}"#,
            r#"{"access_token":"a b","expires_in":7200}"#,
            r#"{"access_token":"a","expires_in":0}"#,
            r#"{"access_token":"a","expires_in":-7200}"#,
            r#"{"access_token":"a","expires_in":604801}"#,
            r#"{"access_token":"a","expires_in":7200.5}"#,
            r#"{"access_token":"a","expires_in":99999999999999999999}"#,
            r#"{"access_token":"a","expires_in":"soon"}"#,
            r#"{"access_token":"a","expires_in":null}"#,
            r#"{"access_token":"a"}"#,
            r#"{"expires_in":7200}"#,
            r#"{"errcode":0,"errmsg":"ok"}"#,
            "{}",
        ] {
            assert_eq!(token(absurd), Err(Nonsense), "{absurd}");
        }
    }

    #[test]
    fn an_answer_that_is_not_one_of_wechats_is_nonsense_on_every_endpoint() {
        let gzip = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0];
        let deep = "[".repeat(100_000);
        let bodies: [&[u8]; 18] = [
            b"",
            b"   ",
            b"null",
            b"42",
            b"\"text\"",
            b"[]",
            b"[null,null,\"a\",null,7200]",
            b"<html><body>502 Bad Gateway</body></html>",
            b"{\"access_token\":\"a\",\"expires_in\":72",
            b"{\"access_token\":\"a\",\"expires_in\":7200}}",
            b"{\"access_token\":\"a\",\"expires_in\":7200}{\"errcode\":1}",
            b"{\"access_token\":\"a\",\"access_token\":\"b\",\"expires_in\":7200}",
            b"{\"errcode\":0,\"errcode\":40001,\"ip_list\":[],\"ticket\":\"a\",\"expires_in\":1}",
            b"{\"access_token\":7,\"ticket\":7,\"ip_list\":7,\"expires_in\":7200}",
            b"{\"errcode\":true}",
            b"{\"errcode\":[40001]}",
            &gzip,
            deep.as_bytes(),
        ];
        for endpoint in Endpoint::ALL {
            for body in bodies {
                let shown = String::from_utf8_lossy(&body[..body.len().min(80)]);
                assert_eq!(said(endpoint, body), Err(Nonsense), "{endpoint:?} {shown}");
            }
        }
    }

    #[test]
    fn a_value_for_another_endpoint_is_nonsense() {
        let access_token = r#"{"access_token":"a","expires_in":7200}"#;
        assert_eq!(said(Endpoint::Ticket, access_token), Err(Nonsense));
        assert_eq!(said(Endpoint::Probe, access_token), Err(Nonsense));
        let ticket = r#"{"errcode":0,"ticket":"a","expires_in":7200}"#;
        assert_eq!(said(Endpoint::Token, ticket), Err(Nonsense));
    }

    fn hints(errmsg: &str) -> Hints {
        let body = serde_json::json!({"errcode": 40164, "errmsg": errmsg}).to_string();
        match read(Endpoint::Token, body.as_bytes()).unwrap() {
            Said::Errcode(40164, hints) => hints,
            _ => panic!("an errcode was answered"),
        }
    }

    #[test]
    fn only_the_rid_and_the_ip_of_an_errmsg_are_kept() {
        let found = hints(
            "invalid ip 8.149.3.108 ipv6 ::ffff:8.149.3.108, not in whitelist rid: 6aac005a-01bfdbee-79769285",
        );
        assert_eq!(found.rid.unwrap().to_string(), "6aac005a-01bfdbee-79769285");
        assert_eq!(found.seen_ip, Some("8.149.3.108".parse().unwrap()));

        let comma = hints("invalid appid, rid: 6aac007a-6c02c771-26bf69c4");
        assert_eq!(comma.rid.unwrap().to_string(), "6aac007a-6c02c771-26bf69c4");
        let v6 = hints("access clientip is not registered requestIP: 2001:db8::1");
        assert_eq!(v6.seen_ip, Some("2001:db8::1".parse().unwrap()));
        assert_eq!(
            hints("secret=0123456789abcdef0123456789abcdef"),
            Hints::default()
        );
    }

    #[test]
    fn an_errmsg_of_any_type_does_not_decide() {
        for errmsg in ["7", "null", "{\"a\":[1]}", "\"\""] {
            let body = format!("{{\"errcode\":-1,\"errmsg\":{errmsg}}}");
            assert_eq!(token(body).unwrap(), "errcode -1");
        }
    }
}
