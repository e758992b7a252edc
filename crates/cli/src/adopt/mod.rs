//! `wxtoken adopt`: looks at what SDKs keep in an existing Redis, and writes the configuration that would take it over.
//!
//! Changes nothing there. Must not know: whose keys and bytes those are; that is the server library's.

mod json;
mod lines;
mod listing;
#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use wxtoken_server::clock::SystemClock;
use wxtoken_server::config::RedisServer;
use wxtoken_server::redis::{Address, InvalidAddress, Servers, Trouble};
use wxtoken_server::survey::{COMMANDS, survey};
use wxtoken_server::words::InChinese;

use self::lines::Server;
use crate::failure::Failure;
use crate::lang::Lang;
use crate::{runtime, surroundings, term};

/// Where the password comes from.
const PASSWORD: &str = "WXTOKEN_REDIS_PASSWORD";
/// Where the sentinels' own password comes from.
const SENTINEL_PASSWORD: &str = "WXTOKEN_REDIS_SENTINEL_PASSWORD";
/// How many keys are looked at between two words about it.
const PORTION: u64 = 100_000;

/// What follows the options in `--help`.
pub(crate) fn epilogue(lang: Lang) -> &'static str {
    lang.pick(
        "示例：
  wxtoken adopt --redis redis://127.0.0.1:6379/0
  WXTOKEN_REDIS_PASSWORD_FILE=pass.txt wxtoken adopt --redis rediss://reader@redis.internal/2 --ca ca.pem
  wxtoken adopt --redis redis+sentinel://s1,s2/mymaster --json

只读：用 SCAN 分小步查看，不用 KEYS，也不写任何东西；没有密码时会在终端询问。令牌只显示开头四个和末尾两个字符，
键里的密钥，以及可能是密钥的部分，显示为 ***。最后打印的各行写进 wxtoken.toml；其中写成 ${名称} 的要在环境变量里设好。
用户的 ACL 需要那些键（~…）和 +scan +type +pttl +getrange +hlen +hgetall；地址里有数据库编号再加 +select，集群加
+cluster|slots。",
        "Examples:
  wxtoken adopt --redis redis://127.0.0.1:6379/0
  WXTOKEN_REDIS_PASSWORD_FILE=pass.txt wxtoken adopt --redis rediss://reader@redis.internal/2 --ca ca.pem
  wxtoken adopt --redis redis+sentinel://s1,s2/mymaster --json

It only reads: SCAN in small steps, never KEYS, and nothing is written. A password that is needed is
asked for on the terminal. Of a token the first four and last two characters are shown, of a secret
in a key, or what may be one, nothing. The lines it prints last go into wxtoken.toml; what they name
as ${NAME} is to be set in the environment. The user's ACL needs the keys (~…) and
+scan +type +pttl +getrange +hlen +hgetall; with a database's number in the address +select
too, in a cluster +cluster|slots.",
    )
}

/// The arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The Redis to look at, without its password
    #[arg(long, value_name = "URL")]
    redis: String,
    /// With rediss://: the authorities of its certificate, as a PEM file
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Stop after this many seconds, with what was found until then
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    within: u64,
    /// Print what was found as JSON
    #[arg(long)]
    json: bool,
}

/// Why it is not looked at.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotLooked {
    #[error(
        "leave the password out of the address: other users of this machine can read arguments. Set {PASSWORD} (or \
         {PASSWORD}_FILE to a file that holds it), or type it when asked"
    )]
    PasswordInAddress,
    #[error("{0}")]
    Address(#[from] InvalidAddress),
    #[error("{path} cannot be read: {source}; let --ca name a PEM file")]
    Ca { path: PathBuf, source: io::Error },
    #[error("--ca is for connections over TLS; write the address with rediss://")]
    CaWithoutTls,
    #[error(
        "the Redis user may not look: its ACL needs the keys (~…) and {COMMANDS}, with a database's number in the address \
         +select too, in a cluster +cluster|slots"
    )]
    NotAllowed,
}

impl InChinese for NotLooked {
    fn in_chinese(&self) -> String {
        match self {
            Self::PasswordInAddress => format!(
                "地址里不要写密码：这台机器上的其他用户能看到参数。设置 {PASSWORD}（或让 {PASSWORD}_FILE 指向存放它的文件），或在询问时输入"
            ),
            Self::Address(why) => why.in_chinese(),
            Self::Ca { path, source } => format!(
                "{} 读不了：{}；--ca 要写 PEM 文件",
                path.display(),
                source.in_chinese()
            ),
            Self::CaWithoutTls => "--ca 只用于 TLS 连接；地址写成 rediss://".to_owned(),
            Self::NotAllowed => format!(
                "这个 Redis 用户没有查看的权限：ACL 需要那些键（~…）和 {COMMANDS}，地址里有数据库编号再加 +select，集群加 +cluster|slots"
            ),
        }
    }
}

/// Looks, and prints what was found.
pub(crate) fn run(arguments: &Arguments, lang: Lang) -> Result<(), Failure> {
    let mut server = server(arguments)?;
    let runtime = runtime()?;
    let look = |server: &RedisServer| {
        let mut told = 0;
        let mut progress = move |keys: u64, found: usize| {
            if keys / PORTION > told {
                told = keys / PORTION;
                tell(keys, found, lang);
            }
        };
        let patience = Duration::from_secs(arguments.within);
        runtime.block_on(survey(server, &SystemClock, patience, &mut progress))
    };
    let found = match look(&server) {
        Err(Trouble::Refused { .. }) if server.address.password.is_none() && term::can_ask() => {
            let question = lang.pick("Redis 密码（不显示）", "Redis password (not shown)");
            server.address.password = Some(surroundings::secret(PASSWORD, question)?.into());
            look(&server)
        }
        found => found,
    };
    let found = match found {
        Err(Trouble::NotAllowed) => return Err(NotLooked::NotAllowed.into()),
        found => found?,
    };
    let server = as_configured(arguments, &server)?;
    term::result(if arguments.json {
        json::of(&found, &server, lang)
    } else {
        listing::of(&found, &server, lang)
    })?;
    Ok(())
}

/// The Redis that was looked at, as the configuration would name it.
fn as_configured(arguments: &Arguments, server: &RedisServer) -> io::Result<Server> {
    let ca = arguments.ca.as_ref().map(std::path::absolute).transpose()?;
    let sentinels = matches!(server.address.servers, Servers::Sentinel { .. });
    Ok(Server::new(
        &arguments.redis,
        server.address.password.is_some(),
        sentinels && server.sentinel_password.is_some(),
        ca.as_deref(),
    ))
}

fn tell(keys: u64, found: usize, lang: Lang) {
    term::remark(match lang {
        Lang::Zh => format!("已查看 {keys} 个键，认出 {found} 个"),
        Lang::En => format!("{keys} keys looked at, {found} recognised"),
    });
}

fn server(arguments: &Arguments) -> Result<RedisServer, Failure> {
    let wrong = |why: NotLooked| Failure::misuse(why);
    let address = arguments.redis.parse::<Address>();
    let mut address = address.map_err(|why| wrong(why.into()))?;
    if address.password.is_some() {
        return Err(wrong(NotLooked::PasswordInAddress));
    }
    address.password = surroundings::given(PASSWORD)?.map(Into::into);
    let ca = match &arguments.ca {
        Some(_) if !address.tls => return Err(wrong(NotLooked::CaWithoutTls)),
        Some(path) => {
            let unreadable = |source| NotLooked::Ca {
                path: path.clone(),
                source,
            };
            Some(std::fs::read(path).map_err(|source| wrong(unreadable(source)))?)
        }
        None => None,
    };
    Ok(RedisServer {
        address,
        ca: ca.map(Into::into),
        sentinel_password: surroundings::given(SENTINEL_PASSWORD)?.map(Into::into),
    })
}
