//! `wxtoken get`: one token from a running server.

use std::time::Duration;

use serde::Deserialize;

use crate::client::{Door, Server};
use crate::failure::Failure;
use crate::lang::Lang;
use crate::which::Which;
use crate::{runtime, term};

/// What follows the options in `--help`.
pub(crate) fn epilogue(lang: Lang) -> &'static str {
    lang.pick(
        "示例：
  export WXTOKEN_KEY=…                    # 配置里某个 [[caller]] 的密钥；或用 WXTOKEN_KEY_FILE 指向文件
  wxtoken get wx0123456789abcdef
  wxtoken get wx0123456789abcdef jsapi_ticket --json
  TOKEN=$(wxtoken get wx0123456789abcdef)

服务器地址取自 WXTOKEN_URL（默认 http://127.0.0.1:7200，也可以是 unix:/路径）；自签证书用 WXTOKEN_CA。
令牌只能短时间缓存（最多 60 秒），用的时候再取最稳妥。",
        "Examples:
  export WXTOKEN_KEY=…                    # the key of a [[caller]]; or a file: WXTOKEN_KEY_FILE
  wxtoken get wx0123456789abcdef
  wxtoken get wx0123456789abcdef jsapi_ticket --json
  TOKEN=$(wxtoken get wx0123456789abcdef)

The server is the one at WXTOKEN_URL (default http://127.0.0.1:7200; unix:/PATH works too);
WXTOKEN_CA names the PEM file of your own authority. Keep a token for a minute at most: asking
again costs nothing.",
    )
}

/// The arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    which: Which,
    /// Print the server's whole answer, with expiry and generation
    #[arg(long)]
    json: bool,
}

#[derive(Deserialize)]
struct Reply {
    #[serde(alias = "ticket")]
    access_token: String,
}

/// Prints the token.
pub(crate) fn run(arguments: &Arguments, lang: Lang) -> Result<(), Failure> {
    let server = Server::from_environment(Door::Api, lang)?;
    let path = format!("/v1/apps/{}", arguments.which.path());
    // Longer than the server lets a reader wait for a first token.
    let body = runtime()?.block_on(server.get(&path, Duration::from_secs(30)))?;
    let reply: Reply = server.read(&body)?;
    if arguments.json {
        term::result(String::from_utf8_lossy(&body).trim_end())?;
    } else {
        term::result(reply.access_token)?;
    }
    Ok(())
}
