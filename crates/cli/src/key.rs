//! `wxtoken key`: a new caller key, shown once, and the line that lets it in; or the end of every virtual token that a caller
//! was handed.

use std::fmt::Write;
use std::time::Duration;

use serde::Deserialize;
use wxtoken_server::config::{KeyHash, new_key};

use crate::client::{Door, Server};
use crate::failure::Failure;
use crate::lang::Lang;
use crate::{runtime, term};

/// What follows the options in `--help`.
pub(crate) fn epilogue(lang: Lang) -> &'static str {
    lang.pick(
        "示例：
  wxtoken key                           # 第一行是 key，第二行写进 [[caller]]
  wxtoken key --json
  wxtoken key --revoke orders           # orders 手里的虚拟令牌立即全部作废（hands_out = \"virtual\"）

key 只显示这一次：交给要取令牌的程序；配置里只需保存它的 SHA-256。
[admin] 的密钥也可以这样生成。

--revoke 需要运行中的服务器（WXTOKEN_ADMIN_URL、WXTOKEN_ADMIN_KEY），重启之后仍然有效。它不更换 key：key 泄露时，
先在配置里换掉 key 并 SIGHUP，再 --revoke。",
        "Examples:
  wxtoken key                           # the key, then the line for [[caller]]
  wxtoken key --json
  wxtoken key --revoke orders           # every virtual token of orders is dead at once

The key is shown this once: give it to the program that asks for tokens. The configuration keeps
only its SHA-256. A key for [admin] can be made the same way.

--revoke is for callers with hands_out = \"virtual\". It asks a running server (WXTOKEN_ADMIN_URL,
WXTOKEN_ADMIN_KEY) and outlives restarts. It leaves the key as it is: after a leak of the key,
change it in the configuration and send SIGHUP first, then revoke.",
    )
}

/// The arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Make no key: end every virtual token that this caller was handed
    #[arg(long, value_name = "NAME")]
    revoke: Option<String>,
}

#[derive(Deserialize)]
struct Revoked {
    name: String,
    hands_out: String,
}

/// Makes and prints a key, or revokes a caller's virtual tokens.
pub(crate) fn run(arguments: &Arguments, lang: Lang) -> Result<(), Failure> {
    match &arguments.revoke {
        Some(name) => revoke(name, arguments.json, lang),
        None => make(arguments, lang),
    }
}

fn revoke(name: &str, json: bool, lang: Lang) -> Result<(), Failure> {
    let server = Server::from_environment(Door::Admin, lang)?;
    let path = format!("/admin/callers/{}/revoke", encoded(name));
    let nothing = serde_json::json!({});
    let body = runtime()?.block_on(server.post(&path, &nothing, Duration::from_secs(15)))?;
    let revoked: Revoked = server.read(&body)?;
    if json {
        return Ok(term::result(String::from_utf8_lossy(&body).trim_end())?);
    }
    let Revoked { name, hands_out } = revoked;
    term::result(match lang {
        Lang::Zh => format!("{name} 此前拿到的虚拟令牌已全部作废"),
        Lang::En => format!("every virtual token that {name} was handed is dead"),
    })?;
    if hands_out == "real" {
        term::remark(lang.pick(
            "这个调用方拿到的是微信的真实令牌（hands_out = \"real\"），它不会因此失效；要让它失效：wxtoken refresh APPID --force",
            "this caller is handed WeChat's own tokens (hands_out = \"real\"), and those live on; to end them: wxtoken refresh APPID --force",
        ));
    }
    Ok(())
}

/// A name as one segment of a path.
fn encoded(name: &str) -> String {
    name.bytes().fold(String::new(), |mut path, byte| {
        if byte.is_ascii_alphanumeric() {
            path.push(byte.into());
        } else {
            // Writing to a string cannot fail.
            let _ = write!(path, "%{byte:02X}");
        }
        path
    })
}

fn make(arguments: &Arguments, lang: Lang) -> Result<(), Failure> {
    let key = new_key()?;
    let hash = KeyHash::of(key.expose());
    if arguments.json {
        let both = serde_json::json!({ "key": key.expose(), "key_sha256": format!("{hash:x}") });
        return Ok(term::result(both)?);
    }
    term::result(key.expose())?;
    term::result(format_args!("key_sha256 = \"{hash:x}\""))?;
    if term::shows_results() {
        term::remark(lang.pick(
            "\n第一行是 key，不会再次显示：交给取令牌的程序（放进 WXTOKEN_KEY，或 SDK 里 AppSecret 的位置）。\n第二行写进配置的 [[caller]]。",
            "\nThe first line is the key; it is not shown again. Give it to the program that asks (as WXTOKEN_KEY, or where \
             its SDK has the AppSecret).\nThe second line goes under [[caller]] in the configuration.",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_segment_whatever_is_in_it() {
        assert_eq!(encoded("orders2"), "orders2");
        assert_eq!(encoded("a b/../订"), "a%20b%2F%2E%2E%2F%E8%AE%A2");
    }
}
