//! The names of the formats and of what tells two of their variants apart.

use std::fmt;

use wxtoken_core::app::AppType;
use wxtoken_core::credential::Kind;

/// Whose keys and bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// WxJava's official accounts: `WxMpRedisConfigImpl`, by Jedis or `RedisTemplate`.
    WxjavaMp,
    /// WxJava's mini programs: `WxMaRedisBetterConfigImpl`; the plain `WxMaRedisConfigImpl` has the same key for the token.
    WxjavaMiniapp,
    /// WxJava's WeCom: `WxCpRedisTemplateConfigImpl`, `WxCpJedisConfigImpl`.
    WxjavaCp,
    /// silenceper/wechat.
    Silenceper,
    /// `EasyWeChat` 6.
    Easywechat6,
    /// `EasyWeChat` 4 and 5.
    Easywechat5,
    /// wechatpy 1 and 2.
    Wechatpy,
    /// `PowerWeChat`.
    Powerwechat,
    /// Senparc.Weixin.
    Senparc,
    /// The text that co-wechat-api's documented callbacks keep.
    CoWechatApi,
    /// WxJava over Redisson with its default codec.
    RedissonKryo5,
    /// A hash of a value and its end.
    Hash,
    /// The bare value.
    Raw,
}

impl Format {
    /// Every format, as they are listed to people.
    pub const ALL: [Self; 13] = [
        Self::WxjavaMp,
        Self::WxjavaMiniapp,
        Self::WxjavaCp,
        Self::Silenceper,
        Self::Easywechat6,
        Self::Easywechat5,
        Self::Wechatpy,
        Self::Powerwechat,
        Self::Senparc,
        Self::CoWechatApi,
        Self::RedissonKryo5,
        Self::Hash,
        Self::Raw,
    ];

    /// The name used in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::WxjavaMp => "wxjava-mp",
            Self::WxjavaMiniapp => "wxjava-miniapp",
            Self::WxjavaCp => "wxjava-cp",
            Self::Silenceper => "silenceper",
            Self::Easywechat6 => "easywechat6",
            Self::Easywechat5 => "easywechat5",
            Self::Wechatpy => "wechatpy",
            Self::Powerwechat => "powerwechat",
            Self::Senparc => "senparc",
            Self::CoWechatApi => "co-wechat-api",
            Self::RedissonKryo5 => "redisson-kryo5",
            Self::Hash => "hash",
            Self::Raw => "raw",
        }
    }

    /// What people call those who write it.
    #[must_use]
    pub const fn writer(self) -> &'static str {
        match self {
            Self::WxjavaMp | Self::WxjavaMiniapp | Self::WxjavaCp => "WxJava",
            Self::Silenceper => "silenceper/wechat",
            Self::Easywechat6 => "EasyWeChat 6",
            Self::Easywechat5 => "EasyWeChat 4/5",
            Self::Wechatpy => "wechatpy",
            Self::Powerwechat => "PowerWeChat",
            Self::Senparc => "Senparc.Weixin",
            Self::CoWechatApi => "co-wechat-api",
            Self::RedissonKryo5 => "WxJava over Redisson (Kryo5)",
            Self::Hash => "a Redis hash",
            Self::Raw => "a bare value",
        }
    }

    /// What stands before its keys when nothing else is said.
    #[must_use]
    pub const fn usual_prefix(self, module: Module) -> &'static str {
        match (self, module) {
            (Self::RedissonKryo5, Module::Mini) => "wa",
            (Self::RedissonKryo5, Module::Official | Module::Work { .. }) => "wx",
            (other, _) => other.plain_prefix(),
        }
    }

    const fn plain_prefix(self) -> &'static str {
        match self {
            Self::WxjavaMp | Self::RedissonKryo5 => "wx",
            Self::WxjavaMiniapp => "wa",
            Self::WxjavaCp => "wx:cp",
            Self::Easywechat6 | Self::Easywechat5 => "easywechat:",
            Self::Wechatpy => "wechatpy",
            Self::Senparc => "DefaultCache",
            Self::Silenceper | Self::Powerwechat | Self::CoWechatApi | Self::Hash | Self::Raw => "",
        }
    }

    /// Whether its key is the operator's to name.
    #[must_use]
    pub const fn has_own_key(self) -> bool {
        matches!(self, Self::CoWechatApi | Self::Hash | Self::Raw)
    }

    /// Whether the SDK has a mode of its own for stable tokens, with another key.
    #[must_use]
    pub const fn has_stable_mode(self) -> bool {
        matches!(self, Self::Silenceper | Self::Easywechat6)
    }

    /// Whether the part of the SDK stands in its keys or bytes.
    #[must_use]
    pub const fn has_modules(self) -> bool {
        matches!(
            self,
            Self::Silenceper | Self::Easywechat6 | Self::Senparc | Self::RedissonKryo5
        )
    }

    /// Whether the bytes depend on the PHP cache under it.
    #[must_use]
    pub const fn has_php_cache(self) -> bool {
        matches!(self, Self::Easywechat6 | Self::Easywechat5)
    }

    /// Whether the secret that the SDK is configured with stands in the key or the body.
    #[must_use]
    pub const fn holds_secret(self, kind: Kind) -> bool {
        matches!(
            (self, kind),
            (Self::Senparc, _)
                | (
                    Self::Easywechat6 | Self::Easywechat5 | Self::Powerwechat,
                    Kind::AccessToken
                )
        )
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which part of an SDK an app is used through: it decides about the key, not what the account is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Module {
    /// 公众号, 服务号 and test accounts.
    Official,
    /// 小程序 and 小游戏.
    Mini,
    /// WeCom (企业微信): one agent's, or the one for all.
    Work {
        /// The agent's number.
        agent: Option<u32>,
    },
}

impl Module {
    /// The part an account of this type is usually used through.
    #[must_use]
    pub const fn of(app_type: AppType) -> Self {
        match app_type {
            AppType::Mini => Self::Mini,
            AppType::Official | AppType::Test | AppType::Website => Self::Official,
        }
    }

    /// The name used in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Official => "official",
            Self::Mini => "mini",
            Self::Work { .. } => "work",
        }
    }
}

/// How the cache under an `EasyWeChat` puts values into text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum PhpCache {
    /// PHP's `serialize`: Symfony, Laravel, `ThinkPHP` 6 and 8.
    #[default]
    Serialize,
    /// `ThinkPHP` 5.1: texts as they are, the rest behind `think_serialize:`.
    Think5,
}

impl PhpCache {
    /// The name used in the configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Serialize => "serialize",
            Self::Think5 => "thinkphp5",
        }
    }
}

/// The `type` of WeChat's getticket, as SDKs put it into keys; none for the access token.
pub(super) const fn ticket_type(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::AccessToken => None,
        Kind::JsapiTicket => Some("jsapi"),
        Kind::CardTicket => Some("wx_card"),
    }
}

/// The kind that a `type` of WeChat's getticket means.
pub(super) fn kind_of_ticket(name: &str) -> Option<Kind> {
    Kind::ALL
        .into_iter()
        .find(|kind| ticket_type(*kind) == Some(name))
}
