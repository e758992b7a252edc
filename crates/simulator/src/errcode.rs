//! WeChat's errors as they are written on the wire: number, text, and the `rid` behind it.
//!
//! Owns: the texts and their styles. Must not know: when an error is due.

use std::borrow::Cow;

use crate::{
    clock::SimTime,
    rules::{Dress, ErrorText, QuotaText},
    token::{hex, mix},
};

/// A business error: WeChat answers it with HTTP status 200.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) code: i64,
    pub(crate) text: Cow<'static, str>,
}

impl Refusal {
    pub(crate) const fn new(code: i64, text: &'static str) -> Self {
        Self {
            code,
            text: Cow::Borrowed(text),
        }
    }

    /// The error of this number with the text WeChat gives it.
    pub(crate) fn of(code: i64) -> Self {
        Self::new(code, text_of(code))
    }
}

/// Which family of endpoints answers: `/sns/*` puts a comma in front of the `rid`, the others do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Cgi,
    Sns,
}

/// The hint that WeChat puts into the 40001 and 45009 of its `/cgi-bin` endpoints.
const STABLE_HINT: &str = "could get access_token by getStableAccessToken, more details at https://mmbizurl.cn/s/JtxxFh33r";

/// Makes request ids: three groups of eight hex digits, the first being the time.
pub(crate) fn rid(now: SimTime, salt: u64) -> String {
    let random = mix(salt ^ 0x7269_6400);
    let seconds = u32::try_from(now.unix_s()).unwrap_or(0);
    let (high, low) = ((random >> 32).to_be_bytes(), random.to_be_bytes());
    format!(
        "{}-{}-{}",
        hex(&seconds.to_be_bytes()),
        hex(&high[4..]),
        hex(&low[4..])
    )
}

/// The `errmsg` of a refusal in the chosen style.
pub(crate) fn errmsg(refusal: &Refusal, family: Family, dress: &Dress, rid: &str) -> String {
    let text = dressed_text(refusal, family, dress);
    match (dress.error_text, family) {
        (ErrorText::Rid | ErrorText::RidShort, Family::Cgi) => {
            // The long 40001 and 45009 already end in an address, the short ones in a word: a space either way.
            format!("{text} rid: {rid}")
        }
        (ErrorText::Rid | ErrorText::RidShort, Family::Sns) => format!("{text}, rid: {rid}"),
        (ErrorText::Hint, _) => format!("{text} hint: [{}!]", &rid[9..17]),
        (ErrorText::ReqId, _) => format!("{text}, hints: [ req_id: {} ]", &rid[9..17]),
        (ErrorText::Bare, _) => text.into_owned(),
    }
}

fn dressed_text(refusal: &Refusal, family: Family, dress: &Dress) -> Cow<'static, str> {
    let long = dress.error_text == ErrorText::Rid && family == Family::Cgi;
    match refusal.code {
        40001 if long && refusal.text == BAD_TOKEN => format!("{BAD_TOKEN}, {STABLE_HINT}").into(),
        45009 if refusal.text == OVER_QUOTA => match dress.quota_text {
            QuotaText::Plain => refusal.text.clone(),
            QuotaText::Hinted => format!("{OVER_QUOTA}, {STABLE_HINT}").into(),
            QuotaText::Documented => "api freq out of limit".into(),
        },
        _ => refusal.text.clone(),
    }
}

const BAD_TOKEN: &str = "invalid credential, access_token is invalid or not latest";
const OVER_QUOTA: &str = "reach max api daily quota limit";

/// WeChat's text for an error number; numbers it never documented a text for get a plain one.
fn text_of(code: i64) -> &'static str {
    match code {
        -1 => "system error",
        40001 => BAD_TOKEN,
        40002 => "invalid grant_type",
        40003 => "invalid openid",
        40004 => "invalid media type",
        40007 => "invalid media_id",
        40008 => "invalid message type",
        40013 => "invalid appid",
        40014 => "invalid access_token",
        40029 => "invalid code",
        40030 => "invalid refresh_token",
        40066 => "invalid url",
        40097 => "invalid args",
        40125 => "invalid appsecret",
        40163 => "code been used",
        40201 => "invalid url",
        40202 => "invalid action",
        40203 => "invalid check_operator",
        40226 => "code blocked",
        40243 => "appsecret frozen",
        41001 => "access_token missing",
        41002 => "appid missing",
        41003 => "refresh_token missing",
        41004 => "appsecret missing",
        41005 => "media data missing",
        41008 => "missing code",
        41009 => "missing openid",
        42001 => "access_token expired",
        42002 => "refresh_token expired",
        42003 => "oauth_code expired",
        42007 => "user changed password, refresh_token is invalid",
        43001 => "require GET method",
        43002 => "require POST method",
        43003 => "require https",
        44002 => "empty post data",
        45002 => "message content size out of limit",
        45009 => OVER_QUOTA,
        45011 => "api minute-quota reach limit, must slower, retry next minute",
        47001 => "data format error",
        48001 => "api unauthorized",
        48004 => "api forbidden for irregularities, view detail on mp.weixin.qq.com",
        48006 => "forbid to clear quota because of reaching the limit",
        50002 => "user limited",
        50004 => "user not allow to use accesstoken, maybe for punishment",
        50007 => "account frozen",
        61024 => "use component token interface",
        76021 => "cgi_path not found, please check",
        76022 => "could not use this cgi_path, no permission",
        87008 => "invalid sig_method",
        87009 => "invalid signature",
        89501 => "this ip is waiting for the administrator's confirmation",
        89503 => "this ip's call needs the administrator's confirmation",
        89506 => {
            "the administrator refused this ip twice within 24 hours, try again after 24 hours"
        }
        89507 => "the administrator refused this ip, try again after 1 hour",
        _ => "error",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dress(error_text: ErrorText) -> Dress {
        Dress {
            error_text,
            ..Dress::default()
        }
    }

    #[test]
    fn the_first_group_of_a_rid_is_the_time_in_hex() {
        let rid = rid(SimTime::from_unix_ms(1_789_657_178_123), 4);
        assert_eq!(&rid[..9], "6aac005a-");
        assert_eq!(rid.len(), 26);
        assert!(
            rid.bytes()
                .all(|b| b == b'-' || b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        );
    }

    #[test]
    fn the_texts_are_those_that_were_probed() {
        let rid = "6aac0063-7ed08fb9-1250f724";
        let say = |code, family| errmsg(&Refusal::of(code), family, &Dress::default(), rid);
        assert_eq!(
            say(40001, Family::Cgi),
            "invalid credential, access_token is invalid or not latest, could get access_token by getStableAccessToken, \
             more details at https://mmbizurl.cn/s/JtxxFh33r rid: 6aac0063-7ed08fb9-1250f724"
        );
        assert_eq!(
            say(40001, Family::Sns),
            "invalid credential, access_token is invalid or not latest, rid: 6aac0063-7ed08fb9-1250f724"
        );
        assert_eq!(
            say(41001, Family::Cgi),
            "access_token missing rid: 6aac0063-7ed08fb9-1250f724"
        );
        assert_eq!(
            say(40013, Family::Cgi),
            "invalid appid rid: 6aac0063-7ed08fb9-1250f724"
        );
        assert_eq!(
            say(40013, Family::Sns),
            "invalid appid, rid: 6aac0063-7ed08fb9-1250f724"
        );
    }

    #[test]
    fn older_styles_of_text_can_be_chosen() {
        let rid = "6aac0063-7ed08fb9-1250f724";
        let say = |code, style| errmsg(&Refusal::of(code), Family::Cgi, &dress(style), rid);
        assert_eq!(
            say(40001, ErrorText::RidShort),
            "invalid credential, access_token is invalid or not latest rid: 6aac0063-7ed08fb9-1250f724"
        );
        assert_eq!(
            say(42001, ErrorText::ReqId),
            "access_token expired, hints: [ req_id: 7ed08fb9 ]"
        );
        assert_eq!(
            say(40001, ErrorText::Hint),
            "invalid credential, access_token is invalid or not latest hint: [7ed08fb9!]"
        );
        assert_eq!(say(40014, ErrorText::Bare), "invalid access_token");
    }
}
