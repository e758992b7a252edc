//! Something that is a token where a code or an openid belongs, and the other way round: called by its name.

use std::ops::RangeInclusive;

use http::StatusCode;

use super::super::error::ApiError;
use super::super::particular::Particular;
use super::super::services::Services;
use crate::gateway::virtual_token::NotVirtual;
use crate::words::Sentence;

/// So long are codes of WeChat's, give or take a few; the relay's have 64 digits.
const WECHATS_CODE: RangeInclusive<usize> = 24..=48;

/// What a text turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Is {
    /// A token or ticket of an app of ours, or a virtual one.
    AppToken,
    /// A user's web token or refresh token.
    WebToken,
    /// A code that the relay gave.
    RedeemCode,
    /// By its looks a code that WeChat gave.
    WechatCode,
}

impl Is {
    const fn name(self) -> &'static str {
        match self {
            Self::AppToken => "app_token",
            Self::WebToken => "web_token",
            Self::RedeemCode => "redeem_code",
            Self::WechatCode => "wechat_code",
        }
    }

    fn said(self, field: &str) -> Sentence {
        let (zh, en) = match self {
            Self::AppToken => (
                "这里放的是应用的 access_token 或 ticket，不是用户的东西；应用的令牌不用传，wxtoken 自己会用",
                "what stands here is the app's access_token or ticket, and nothing of a user's; the app's token need not be sent: wxtoken uses it by itself",
            ),
            Self::WebToken => (
                "这里放的是用户的网页授权 access_token 或 refresh_token；它由 wxtoken 保管，只需给出 openid",
                "what stands here is a user's web access_token or refresh_token; wxtoken keeps it: the openid is all that is needed",
            ),
            Self::RedeemCode => (
                "这里放的是网页授权中继给网站的一次性 code，请交给 POST /v1/oauth/redeem",
                "what stands here is the one-time code that the web OAuth relay gives to sites: send it to POST /v1/oauth/redeem",
            ),
            Self::WechatCode => (
                "这里放的像是微信给的 code，不是网页授权中继给网站的 64 位 code：wx.login 的 code 请交给 POST /v1/apps/{appid}/login，手机号按钮的请交给 POST /v1/apps/{appid}/phone-number；网页授权的 code 由中继自己换取，网站从 return_to 的地址得到它的 code",
                "what stands here looks like a code of WeChat's, and not like one of the 64 digits that the web OAuth relay gives to sites: what wx.login gave goes to POST /v1/apps/{appid}/login, what the phone-number button gave to POST /v1/apps/{appid}/phone-number; codes of web OAuth are exchanged by the relay itself, and a site finds its own code in the address of its return_to",
            ),
        };
        Sentence::new(format!("`{field}`：{zh}"), format!("`{field}`: {en}"))
    }
}

/// Refuses a token of ours, or of a user of ours, in a field that is for something else.
pub(crate) fn no_token(services: &Services, field: &str, text: &str) -> Result<(), ApiError> {
    token(services, text).map_or(Ok(()), |is| refuse(is, field))
}

/// Refuses in the field `code` what is no login code of WeChat's.
pub(super) fn login_code(services: &Services, text: &str) -> Result<(), ApiError> {
    no_token(services, "code", text)?;
    let is_redeem =
        text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if is_redeem {
        return refuse(Is::RedeemCode, "code");
    }
    Ok(())
}

/// Refuses in the field `code` what is no code of the relay's, if it can be told what it is.
pub(crate) fn relays_code(services: &Services, text: &str) -> Result<(), ApiError> {
    no_token(services, "code", text)?;
    if WECHATS_CODE.contains(&text.len()) && text.bytes().all(in_codes) {
        return refuse(Is::WechatCode, "code");
    }
    Ok(())
}

const fn in_codes(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

fn token(services: &Services, text: &str) -> Option<Is> {
    let (keeper, gateway) = (&services.keeper, &services.gateway);
    let id = keeper.id_of(text);
    let checked = gateway.virtual_tokens.check(text, keeper.now().wall);
    let is_virtual = !matches!(checked, Err(NotVirtual::Foreign));
    if is_virtual || keeper.owner_of(id).is_some() {
        return Some(Is::AppToken);
    }
    gateway.web_token_app(id).map(|_| Is::WebToken)
}

fn refuse(is: Is, field: &str) -> Result<(), ApiError> {
    let title = "One thing in the place of another";
    let mut problem = Particular::new(StatusCode::BAD_REQUEST, "mixed-up", title, is.said(field));
    problem.reason = Some(is.name());
    Err(problem.into())
}
