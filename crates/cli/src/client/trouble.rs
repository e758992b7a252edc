//! Why a running server could not be asked or did not do it, and what to do about it.

use wxtoken_server::words::InChinese;

use super::refusal::Refusal;
use super::target::InvalidTarget;
use super::wire::NoAnswer;
use crate::lang::Lang;

/// Which of a server's doors is used: each has its own address and key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// The API that callers read from.
    Api,
    /// The admin listener.
    Admin,
}

impl Door {
    /// The variable that names its address.
    pub(crate) const fn url_name(self) -> &'static str {
        match self {
            Self::Api => "WXTOKEN_URL",
            Self::Admin => "WXTOKEN_ADMIN_URL",
        }
    }

    /// The variable that holds its key.
    pub(crate) const fn key_name(self) -> &'static str {
        match self {
            Self::Api => "WXTOKEN_KEY",
            Self::Admin => "WXTOKEN_ADMIN_KEY",
        }
    }

    /// Where it is if nothing is said.
    pub(crate) const fn default_url(self) -> &'static str {
        match self {
            Self::Api => "http://127.0.0.1:7200",
            Self::Admin => "http://127.0.0.1:7201",
        }
    }

    /// How the key is asked for on a terminal.
    pub(crate) const fn question(self, lang: Lang) -> &'static str {
        match self {
            Self::Api => lang.pick("调用方密钥（不显示）", "Caller key (not shown)"),
            Self::Admin => lang.pick("管理密钥（不显示）", "Admin key (not shown)"),
        }
    }

    /// What its address is in the configuration.
    pub(super) const fn place(self, lang: Lang) -> &'static str {
        match self {
            Self::Api => lang.pick(
                "业务接口（wxtoken.toml 里 [server] 的 listen）",
                "API ([server] listen in wxtoken.toml)",
            ),
            Self::Admin => lang.pick(
                "管理端口（wxtoken.toml 里 [admin] 的 listen）",
                "admin listener ([admin] listen in wxtoken.toml)",
            ),
        }
    }

    /// What its key is.
    pub(super) const fn whose_key(self, lang: Lang) -> &'static str {
        match self {
            Self::Api => lang.pick(
                "调用方的密钥（wxtoken.toml 里的 [[caller]]；`wxtoken key` 生成）",
                "a caller's key ([[caller]] in wxtoken.toml; `wxtoken key` makes one)",
            ),
            Self::Admin => lang.pick(
                "管理密钥（wxtoken.toml 里 [admin] 的 key；`wxtoken init` 把它写进 admin.key）",
                "the admin key ([admin] key in wxtoken.toml; `wxtoken init` writes it to admin.key)",
            ),
        }
    }
}

/// Why there is no answer to use. Its text is shown to people and holds no key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// A variable does not hold an address.
    #[error("{} holds no address of a server: {why}", .door.url_name())]
    Address {
        /// Which door's.
        door: Door,
        /// What is wrong with it.
        why: InvalidTarget,
    },
    /// The key cannot be sent.
    #[error("{} holds a character that no key has (a line end, perhaps); set it again", .0.key_name())]
    KeyCharacters(Door),
    /// The file of `WXTOKEN_CA`.
    #[error(
        "WXTOKEN_CA: {0}; let it name your own authority's certificate, a PEM file that this user may read"
    )]
    Authority(NoAnswer),
    /// AppID, kind and host are checked before, so a defect.
    #[error("that cannot be asked for; this is a defect of wxtoken, please report it")]
    Unaskable,
    /// No server there.
    #[error(
        "no server answers at {url} ({why}): is it running, and is that where it listens? `wxtoken serve` starts it, {} names \
         another place", .door.url_name()
    )]
    NotRunning {
        /// Which door.
        door: Door,
        /// Where.
        url: String,
        /// Why not.
        why: NoAnswer,
    },
    /// The certificate is not accepted.
    #[error(
        "the certificate of {url} is not accepted ({why}); if your own authority signed it, set WXTOKEN_CA to that \
         authority's PEM file"
    )]
    Certificate {
        /// Where.
        url: String,
        /// Why not.
        why: NoAnswer,
    },
    /// The other side speaks something else.
    #[error(
        "what answers at {url} is no server of ours, or speaks otherwise ({why}): is the address right, {} with its http:// or \
         https://?", .door.url_name()
    )]
    OtherTongue {
        /// Which door.
        door: Door,
        /// Where.
        url: String,
        /// What it did.
        why: NoAnswer,
    },
    /// The connection broke or took too long.
    #[error(
        "{url} gave no answer ({why}): it may be stopping or overloaded; try again, and look at its log"
    )]
    NoAnswer {
        /// Where.
        url: String,
        /// Why not.
        why: NoAnswer,
    },
    /// The server lists its apps, and this is none of them.
    #[error("the server has no app {0}; `wxtoken status` lists those it has")]
    NoApp(String),
    /// The server answered, and did not do it.
    #[error(transparent)]
    Refused(#[from] Box<Refusal>),
}

impl InChinese for Trouble {
    fn in_chinese(&self) -> String {
        match self {
            Self::Address { door, why } => {
                format!(
                    "{} 里不是服务器的地址：{}",
                    door.url_name(),
                    why.in_chinese()
                )
            }
            Self::KeyCharacters(door) => format!(
                "{} 里有密钥不会有的字符（也许是换行）；重新设置它",
                door.key_name()
            ),
            Self::Authority(why) => format!(
                "WXTOKEN_CA：{}；让它指向你自己的颁发机构的证书，是这个用户能读的 PEM 文件",
                why.in_chinese()
            ),
            Self::Unaskable => "这无法写成请求；这是程序缺陷，请报告".to_owned(),
            Self::NotRunning { door, url, why } => format!(
                "{url} 没有服务器应答（{}）：它在运行吗，监听的是这里吗？`wxtoken serve` 启动它，{} 指定别处",
                why.in_chinese(),
                door.url_name()
            ),
            Self::Certificate { url, why } => format!(
                "{url} 的证书不被接受（{}）；如果是你自己的机构签发的，把 WXTOKEN_CA 设为该机构的 PEM 文件",
                why.in_chinese()
            ),
            Self::OtherTongue { door, url, why } => format!(
                "在 {url} 应答的不是我们的服务器，或说的不是同一种协议（{}）：{} 里的地址对吗，http:// 和 https:// 没有写反吗？",
                why.in_chinese(),
                door.url_name()
            ),
            Self::NoAnswer { url, why } => format!(
                "{url} 没有给出回答（{}）：它可能正在停止，或负载过高；再试一次，并看看它的日志",
                why.in_chinese()
            ),
            Self::NoApp(app) => {
                format!("服务器没有应用 {app}；`wxtoken status` 列出它有的")
            }
            Self::Refused(refusal) => refusal.in_chinese(),
        }
    }
}

impl Trouble {
    pub(super) fn no_answer(door: Door, url: &str, why: NoAnswer) -> Self {
        let url = url.to_owned();
        match why {
            NoAnswer::Connect(_) | NoAnswer::Unknown(_) => Self::NotRunning { door, url, why },
            NoAnswer::Certificate(_) | NoAnswer::Name(_) => Self::Certificate { url, why },
            NoAnswer::Tls(_) | NoAnswer::NotHttp => Self::OtherTongue { door, url, why },
            NoAnswer::Roots { .. } => Self::Authority(why),
            NoAnswer::TimedOut(_) | NoAnswer::Broken(_) => Self::NoAnswer { url, why },
        }
    }
}
