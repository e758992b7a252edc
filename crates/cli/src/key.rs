//! `wxtoken key`: a new caller key, shown once, and the line that lets it in.

use wxtoken_server::config::{KeyHash, new_key};

use crate::failure::Failure;
use crate::lang::Lang;
use crate::term;

/// What follows the options in `--help`.
pub(crate) fn epilogue(lang: Lang) -> &'static str {
    lang.pick(
        "示例:
  wxtoken key                           # 第一行是 key,第二行写进 [[caller]]
  wxtoken key --json

key 只显示这一次:交给要取令牌的程序;配置里只需保存它的 SHA-256。
[admin] 的密钥也可以这样生成。",
        "Examples:
  wxtoken key                           # the key, then the line for [[caller]]
  wxtoken key --json

The key is shown this once: give it to the program that asks for tokens. The configuration keeps
only its SHA-256. A key for [admin] can be made the same way.",
    )
}

/// The arguments.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Makes and prints a key.
pub(crate) fn run(arguments: &Arguments, lang: Lang) -> Result<(), Failure> {
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
            "\n第一行是 key,不会再次显示:交给取令牌的程序(放进 WXTOKEN_KEY,或 SDK 里 AppSecret 的位置)。\n第二行写进配置的 [[caller]]。",
            "\nThe first line is the key; it is not shown again. Give it to the program that asks (as WXTOKEN_KEY, or where \
             its SDK has the AppSecret).\nThe second line goes under [[caller]] in the configuration.",
        ));
    }
    Ok(())
}
