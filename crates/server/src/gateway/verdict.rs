//! What the beginning of an answer says of the call: that its token was bad, or something else.
//!
//! Pure. A first look costs nanoseconds; JSON is read in full only if that look found a reason to. Must not know: what is
//! done about it; which errcodes mean what (`wechat::errcode` does).

use serde::Deserialize;
use serde_json::Value;

use crate::wechat::errcode::is_bad_token;

/// What an answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// No errcode, or 0.
    Fine,
    /// WeChat refused the call for its token, before it did anything.
    BadToken(i64),
    /// WeChat was busy (−1).
    Busy,
    /// Another errcode: the caller's to see.
    Errcode(i64),
}

impl Verdict {
    /// WeChat's own number; none if all is well.
    pub(crate) const fn errcode(self) -> Option<i64> {
        match self {
            Self::Fine => None,
            Self::Busy => Some(-1),
            Self::BadToken(errcode) | Self::Errcode(errcode) => Some(errcode),
        }
    }

    fn of(errcode: i64) -> Self {
        match errcode {
            0 => Self::Fine,
            -1 => Self::Busy,
            bad if is_bad_token(bad) => Self::BadToken(bad),
            other => Self::Errcode(other),
        }
    }
}

/// Whether an answer of this content type may say how the call went; one that starts with `{` may as well.
pub(crate) fn is_worth_a_look(content_type: Option<&[u8]>) -> bool {
    let Some(kind) = content_type else {
        return false; // only if it starts with `{`
    };
    let kind = kind.trim_ascii_start();
    let starts = |name: &str| {
        kind.get(..name.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes()))
    };
    starts("application/json") || starts("text/")
}

/// Judges a whole answer, or the beginning of a longer one: refusals are short and always whole.
pub(crate) fn judge(body: &[u8]) -> Verdict {
    let suspicious = errcodes(body).any(|errcode| errcode != 0);
    if suspicious {
        parsed(body).map_or(Verdict::Fine, Verdict::of)
    } else {
        Verdict::Fine
    }
}

/// Every number behind an `"errcode"`, wherever it stands.
fn errcodes(body: &[u8]) -> impl Iterator<Item = i64> + '_ {
    const NAME: &[u8] = b"\"errcode\"";
    let mut rest = body;
    std::iter::from_fn(move || {
        let at = memchr::memmem::find(rest, NAME)?;
        rest = &rest[at + NAME.len()..];
        Some(number(rest).unwrap_or(i64::MIN)) // strange, so worth reading in full
    })
}

fn number(behind_the_name: &[u8]) -> Option<i64> {
    let value = behind_the_name.trim_ascii_start().strip_prefix(b":")?;
    let value = value.trim_ascii_start();
    let (negative, digits) = match value.strip_prefix(b"-") {
        Some(digits) => (true, digits),
        None => (false, value),
    };
    let length = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    if length == 0 || length > 12 {
        return None;
    }
    let size = digits[..length]
        .iter()
        .fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0'));
    Some(if negative { -size } else { size })
}

#[derive(Deserialize)]
struct Answer {
    errcode: Option<Value>,
    /// `/device/…` wraps its errors.
    base_resp: Option<Wrapped>,
}

#[derive(Deserialize)]
struct Wrapped {
    errcode: Option<Value>,
}

/// The errcode of the answer itself, not of something within it. Text that WeChat left raw control characters in is read
/// all the same.
fn parsed(body: &[u8]) -> Option<i64> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let read = |body: &[u8]| serde_json::from_slice::<Answer>(body).ok();
    let answer = read(body).or_else(|| {
        let tamed: Vec<u8> = body
            .iter()
            .map(|byte| if byte.is_ascii_control() { b' ' } else { *byte })
            .collect();
        read(&tamed)
    })?;
    let errcode = answer
        .errcode
        .or_else(|| answer.base_resp.and_then(|wrapped| wrapped.errcode))?;
    match errcode {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_three_codes_of_a_bad_token_are_known_in_every_spelling() {
        for body in [
            r#"{"errcode":40001,"errmsg":"invalid credential"}"#,
            "{\n  \"errcode\" :\t40001 ,\"errmsg\":\"x\"}",
            r#"{"errmsg":"x","errcode":40001}"#,
            r#"{"errcode":"40001"}"#,
            r#"{"base_resp":{"errcode":40001,"errmsg":"x"}}"#,
            "{\"errcode\":40001,\"errmsg\":\"raw \u{1} control\"}",
            "\u{feff}{\"errcode\":40001}",
        ] {
            assert_eq!(judge(body.as_bytes()), Verdict::BadToken(40001), "{body}");
        }
        assert_eq!(judge(br#"{"errcode":40014}"#), Verdict::BadToken(40014));
        assert_eq!(judge(br#"{"errcode":42001}"#), Verdict::BadToken(42001));
    }

    #[test]
    fn other_codes_are_the_callers_to_see() {
        for (body, verdict) in [
            (&br#"{"errcode":0,"errmsg":"ok"}"#[..], Verdict::Fine),
            (br#"{"openid":"o"}"#, Verdict::Fine),
            (br#"{"errcode":-1,"errmsg":"system error"}"#, Verdict::Busy),
            (br#"{"errcode":41001}"#, Verdict::Errcode(41001)),
            (br#"{"errcode":48001}"#, Verdict::Errcode(48001)),
            (br#"{"errcode":42007}"#, Verdict::Errcode(42007)),
        ] {
            assert_eq!(judge(body), verdict);
        }
    }

    #[test]
    fn an_errcode_within_an_answer_is_not_the_answers() {
        for body in [
            &br#"{"errcode":0,"list":[{"errcode":40001}]}"#[..],
            br#"{"list":[{"errcode":40001}]}"#,
            br#"{"text":"{\"errcode\":40001}"}"#,
            br#"[{"errcode":40001}]"#,
            br#"<html>"errcode":40001</html>"#,
            br#"{"errcode":40001"#,
            br#"{"errcode":true}"#,
            br#"{"errcode":99999999999999999999}"#,
            b"",
        ] {
            assert_eq!(
                judge(body),
                Verdict::Fine,
                "{}",
                String::from_utf8_lossy(body)
            );
        }
    }

    #[test]
    fn json_and_text_are_looked_at_and_pictures_are_not() {
        for kind in [
            "application/json; encoding=utf-8",
            "text/plain",
            "Text/HTML",
        ] {
            assert!(is_worth_a_look(Some(kind.as_bytes())));
        }
        for kind in ["image/jpeg", "audio/amr", "application/octet-stream", "tex"] {
            assert!(!is_worth_a_look(Some(kind.as_bytes())));
        }
        assert!(!is_worth_a_look(None));
    }

    proptest! {
        #[test]
        fn no_answer_harms(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = judge(&body);
        }

        #[test]
        fn every_code_is_read_as_json_has_it(errcode in -100_000_i64..1_000_000) {
            let body = format!("{{\"errmsg\":\"x\",\"errcode\":{errcode}}}");
            prop_assert_eq!(judge(body.as_bytes()), Verdict::of(errcode));
        }
    }
}
