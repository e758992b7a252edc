//! Why a question about a user is not answered, in words for the one who asks. No token, no code and no openid is in them.
//!
//! Must not know: how those words are sent.

use wxtoken_core::app::AppType;
use wxtoken_core::store::StoreError;
use wxtoken_core::user::{AskAgain, AskAgainReason};

use super::decrypt::BadData;
use crate::keeper::Absent;
use crate::wechat::users::Failed;
use crate::words::{InChinese, Sentence};

/// What a call is for, and so which apps have it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// `/sns/userinfo`: who consented on a page. Official and website apps.
    Profile,
    /// `/cgi-bin/user/info`: who follows. Official accounts.
    Followers,
    /// Sessions and what hangs on them. Mini programs.
    Mini,
}

impl Need {
    /// Whether such an app has it.
    #[must_use]
    pub const fn fits(self, app: AppType) -> bool {
        match (self, app) {
            (Self::Profile, AppType::Official | AppType::Test | AppType::Website)
            | (Self::Followers, AppType::Official | AppType::Test)
            | (Self::Mini, AppType::Mini) => true,
            (Self::Profile, AppType::Mini)
            | (Self::Followers, AppType::Mini | AppType::Website)
            | (Self::Mini, AppType::Official | AppType::Test | AppType::Website) => false,
        }
    }

    const fn said(self) -> (&'static str, &'static str) {
        match self {
            Self::Profile => (
                "only official accounts and website apps send users through web OAuth; for a mini program's users there are POST /v1/apps/{appid}/login and /decrypt",
                "只有公众号/服务号和网站应用有网页授权；小程序的用户请用 POST /v1/apps/{appid}/login 和 /decrypt",
            ),
            Self::Followers => (
                "only official accounts have followers; a website app's users are read through /profile, a mini program's through /login and /decrypt",
                "只有公众号/服务号才有关注者；网站应用的用户请用 /profile，小程序的用户请用 /login 和 /decrypt",
            ),
            Self::Mini => (
                "only mini programs have this; users of official accounts and websites sign in through /oauth/{appid}/authorize on the public listener",
                "这个调用只属于小程序；公众号和网站的用户走对外入口的 /oauth/{appid}/authorize",
            ),
        }
    }
}

/// What is wrong with a one-time code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadCode {
    /// 40163.
    Used,
    /// 40029.
    Invalid,
    /// 42003.
    Expired,
}

impl BadCode {
    /// Its stable name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Used => "used",
            Self::Invalid => "invalid",
            Self::Expired => "expired",
        }
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum UserError {
    /// There is no such app.
    #[error("there is no such app here; see the [[app]] tables of the configuration")]
    UnknownApp,
    /// The app is of another sort.
    #[error("this app cannot have this (`type` in its [[app]] table): {}", .0.said().0)]
    WrongAppType(Need),
    /// WeChat knows no such user of this app.
    #[error(
        "WeChat knows no such user of this app: each app sees a user under another openid, so it may be another app's"
    )]
    UnknownUser,
    /// Nothing was granted, or it was too long ago.
    #[error(
        "this user has granted this app nothing that is kept here; send them through /oauth/{{appid}}/authorize?scope=snsapi_userinfo (for a website app scope=snsapi_login) on the public listener"
    )]
    NoGrant,
    /// The grant is for the openid alone.
    #[error(
        "this user granted snsapi_base, the openid alone; send them through /oauth/{{appid}}/authorize?scope=snsapi_userinfo, or ask for GET /v1/apps/{{appid}}/users/{{openid}} if they follow the account"
    )]
    ScopeTooSmall,
    /// The grant is over.
    #[error("this user's grant is over ({}): send them through /oauth/{{appid}}/authorize again", over(.0.reason).0)]
    AskUserAgain(AskAgain),
    /// The user has no session.
    #[error(
        "no session of this user is kept here: have the mini program call wx.login and send its code to POST /v1/apps/{{appid}}/login"
    )]
    NoSession,
    /// A code is of no use.
    #[error("{}", bad_code(*.0).0)]
    BadCode(BadCode),
    /// 40226.
    #[error("WeChat has blocked this user as a risk")]
    Blocked,
    /// WeChat refuses the call.
    #[error("WeChat refuses this with errcode {0}; `wxtoken explain {0}` says why, and the cure")]
    Refused(i64),
    /// WeChat cannot be reached, or is busy.
    #[error("WeChat cannot be reached or is busy; ask again in a moment")]
    Away,
    /// 45011.
    #[error("WeChat says that this app asks too often (errcode 45011); ask again in a minute")]
    TooOften,
    /// A call that uses something up got no proper answer.
    #[error(
        "WeChat gave no proper answer, and the code may be spent: get a new one from WeChat and send that"
    )]
    Unclear,
    /// The store is away.
    #[error("what is kept of users cannot be read or written now: {0}")]
    Store(Sentence),
    /// There is no token of the app.
    #[error("there is no live token of the app")]
    NoToken(Absent),
    /// What was sent cannot be decrypted.
    #[error("{0}")]
    BadData(#[from] BadData),
    /// What was decrypted is another app's.
    #[error(
        "the watermark in this data names another app: it was not made for this one, and is not handed out"
    )]
    ForeignWatermark,
}

impl UserError {
    /// Whether a renewal that ended so leaves the grant as it was: a token of it that lives can be used.
    pub(super) const fn leaves_grant(&self) -> bool {
        !matches!(
            self,
            Self::UnknownApp | Self::NoGrant | Self::AskUserAgain(_)
        )
    }

    /// What a call came to that used up a code.
    pub(super) fn of_code(failed: Failed) -> Self {
        match failed {
            Failed::Errcode(40163) => Self::BadCode(BadCode::Used),
            Failed::Errcode(40029) => Self::BadCode(BadCode::Invalid),
            Failed::Errcode(42003) => Self::BadCode(BadCode::Expired),
            Failed::Errcode(40226) => Self::Blocked,
            Failed::Unclear | Failed::Errcode(-1) => Self::Unclear,
            other => other.into(),
        }
    }
}

impl From<Failed> for UserError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::UnknownApp => Self::UnknownApp,
            Failed::Errcode(40003) => Self::UnknownUser,
            Failed::Errcode(45011) => Self::TooOften,
            failed if failed.may_pass() => Self::Away,
            Failed::Errcode(errcode) => Self::Refused(errcode),
            Failed::Unreachable | Failed::Unclear => Self::Away,
        }
    }
}

impl From<StoreError> for UserError {
    fn from(error: StoreError) -> Self {
        Self::Store(Sentence::of(&error))
    }
}

impl InChinese for UserError {
    fn in_chinese(&self) -> String {
        match self {
            Self::UnknownApp => "这里没有这个应用；见配置里的 [[app]]".to_owned(),
            Self::WrongAppType(need) => {
                format!("这种应用（[[app]] 的 type）没有这个能力：{}", need.said().1)
            }
            Self::UnknownUser => {
                "微信说这个应用没有这个用户：同一个人在每个应用里 openid 都不同，它可能属于别的应用".to_owned()
            }
            Self::NoGrant => {
                "这里没有这个用户对这个应用的授权；让用户走一遍对外入口的 /oauth/{appid}/authorize?scope=snsapi_userinfo（网站应用用 scope=snsapi_login）".to_owned()
            }
            Self::ScopeTooSmall => {
                "这个用户只授权了 snsapi_base（只有 openid）；让用户走一遍 /oauth/{appid}/authorize?scope=snsapi_userinfo，若已关注则可用 GET /v1/apps/{appid}/users/{openid}".to_owned()
            }
            Self::AskUserAgain(again) => format!(
                "这个用户的授权已经结束（{}）：让用户再走一遍 /oauth/{{appid}}/authorize",
                over(again.reason).1
            ),
            Self::NoSession => {
                "这里没有这个用户的会话：让小程序调用 wx.login，把 code 交给 POST /v1/apps/{appid}/login".to_owned()
            }
            Self::BadCode(bad) => bad_code(*bad).1.to_owned(),
            Self::Blocked => "微信因风险拦截了这个用户".to_owned(),
            Self::Refused(errcode) => {
                format!("微信拒绝，errcode {errcode}；原因和办法见 `wxtoken explain {errcode}`")
            }
            Self::Away => "微信连不上或正忙；稍后再试".to_owned(),
            Self::TooOften => "微信说这个应用调用太频繁（errcode 45011）；一分钟后再试".to_owned(),
            Self::Unclear => "微信没有给出正常的回答，code 可能已被用掉：向微信取一个新的再来".to_owned(),
            Self::Store(why) => format!("用户记录现在读写不了：{}", why.zh),
            Self::NoToken(_) => "现在没有这个应用可用的 access_token".to_owned(),
            Self::BadData(why) => why.in_chinese(),
            Self::ForeignWatermark => "数据水印里的 AppID 不是这个应用的：不是给它的数据，不予返回".to_owned(),
        }
    }
}

const fn over(reason: AskAgainReason) -> (&'static str, &'static str) {
    match reason {
        AskAgainReason::Expired => ("its 30 days have passed", "30 天已过"),
        AskAgainReason::Invalid => (
            "WeChat does not know its refresh token any more",
            "微信已不认识它的 refresh_token",
        ),
        AskAgainReason::Revoked => (
            "the user changed the password or took the consent back",
            "用户改了密码或取消了授权",
        ),
    }
}

const fn bad_code(bad: BadCode) -> (&'static str, &'static str) {
    match bad {
        BadCode::Used => (
            "this code has been used already: each is good once; get a new one from WeChat",
            "这个 code 已经用过：每个只能用一次；向微信取一个新的",
        ),
        BadCode::Invalid => (
            "WeChat does not know this code: it is another app's, of another sort (wx.login, the phone-number button and web pages give different ones), or too old",
            "微信不认识这个 code：它属于别的 AppID、种类不对（wx.login、手机号按钮、网页授权的 code 互不通用），或已过期",
        ),
        BadCode::Expired => (
            "this code is too old: it lives for five minutes; get a new one from WeChat",
            "这个 code 太旧了：有效期 5 分钟；向微信取一个新的",
        ),
    }
}
