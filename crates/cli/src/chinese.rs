//! The help in Chinese: what each subcommand and each of its arguments does. English stands beside the arguments
//! themselves, where clap takes it from; a test holds the two lists together.

use clap::Command;

/// What each subcommand does.
const COMMANDS: [(&str, &str); 13] = [
    (
        "adopt",
        "看现有的 Redis 里 SDK 存了什么，打印接管它们的配置；不做任何改动",
    ),
    (
        "demo",
        "完整演示：在本机启动模拟的微信和服务器，并告诉你可以试什么",
    ),
    ("init", "写出带注释的配置、一个调用方密钥和一个管理密钥"),
    ("serve", "运行服务器"),
    ("simulate", "只运行模拟的微信，供你自己的测试使用"),
    (
        "check",
        "找出哪里不对（配置、文件、网络、时钟、每个应用在微信那边的情况）以及怎么改",
    ),
    ("get", "从运行中的服务器取一个令牌或 ticket"),
    (
        "status",
        "列出所有凭据：剩余时间、已用时间、最近的问题、今日获取次数",
    ),
    ("refresh", "让服务器立即获取一次"),
    ("explain", "解释微信的错误码：含义、原因、怎么办"),
    (
        "key",
        "生成调用方密钥；只显示一次，并给出要写进配置的那一行；或作废虚拟令牌",
    ),
    (
        "export",
        "把整个存储连同用户写成一个加密文件，用于迁移或备份",
    ),
    ("import", "把导出文件里较新的记录和用户放进存储"),
];

const CONFIG: &str =
    "配置文件 [默认：./wxtoken.toml，然后 /etc/wxtoken/wxtoken.toml；$WXTOKEN_CONFIG]";
const SEAL: &str =
    "用什么加密：passphrase 是你保管的口令，用于另一台机器；master 是存储的主密钥，用于本机备份";
const KIND: &str = "access_token、jsapi_ticket 或 card_ticket";

/// What each argument of a subcommand is for.
const ARGUMENTS: [(&str, &str, &str); 38] = [
    ("adopt", "redis", "要查看的 Redis，不带密码"),
    ("adopt", "ca", "rediss:// 时：签发其证书的机构，PEM 文件"),
    (
        "adopt",
        "within",
        "最多查看这么多秒，然后给出到此为止的结果",
    ),
    ("adopt", "json", "以 JSON 打印结果"),
    ("demo", "lifetime", "模拟的微信让令牌活多久"),
    ("init", "folder", "写到哪个文件夹；没有就创建"),
    ("serve", "config", CONFIG),
    ("simulate", "listen", "监听地址；端口 0 表示任意空闲端口"),
    ("simulate", "apps", "有多少个应用"),
    ("simulate", "lifetime", "令牌活多久；其他时间按比例缩短"),
    (
        "simulate",
        "faults",
        "制造故障，例如 delay,ms=500,path=/cgi-bin/token,count=3；可重复；`--fault help` 列出全部",
    ),
    ("simulate", "json", "以一行 JSON 打印地址和应用"),
    ("simulate", "quiet", "不把每次调用打印到标准错误"),
    ("check", "config", CONFIG),
    ("check", "apps", "只向微信检查这个应用；可重复"),
    ("check", "offline", "不使用网络"),
    ("check", "json", "以 JSON 打印结果，供脚本使用"),
    ("get", "app", "应用的 AppID"),
    ("get", "kind", KIND),
    ("get", "json", "打印服务器的完整答复，含到期时间和代号"),
    ("status", "app", "只看这个应用"),
    ("status", "json", "打印服务器的答复，供脚本使用"),
    ("status", "watch", "每两秒刷新显示，直到 Ctrl-C"),
    ("refresh", "app", "应用的 AppID"),
    ("refresh", "kind", KIND),
    (
        "refresh",
        "force",
        "让现在的 stable 令牌失效并换一个：每天 20 次",
    ),
    ("refresh", "yes", "强制之前不询问；没有终端可问时必须写上"),
    ("refresh", "json", "打印服务器的完整答复"),
    (
        "explain",
        "code",
        "错误码、微信返回的 JSON，或含有错误码的一行日志；`-` 表示读标准输入",
    ),
    ("explain", "json", "以 JSON 打印，供脚本使用"),
    ("key", "json", "打印一个 JSON 对象"),
    (
        "key",
        "revoke",
        "不生成密钥：让这个调用方手里的虚拟令牌全部作废",
    ),
    ("export", "config", CONFIG),
    ("export", "to", "写到哪个文件"),
    ("export", "seal", SEAL),
    ("import", "config", CONFIG),
    ("import", "from", "读哪个文件"),
    ("import", "seal", SEAL),
];

/// The same command with its help in Chinese.
pub(crate) fn translated(command: Command) -> Command {
    let about = "一个微信令牌，只获取一次，一直有效，分发给所有程序";
    let long = "微信凭据中控服务器：统一获取公众号、服务号、小程序的 access_token 和 ticket，在到期前刷新，\n\
                分发给所有程序；微信说某个令牌无效时换成新的。";
    let whole = command
        .about(about)
        .long_about(format!("{about}\n\n{long}"))
        .mut_arg("lang", |arg| {
            arg.help("说明文字的语言，否则由 LC_ALL、LC_MESSAGES 或 LANG 决定")
        });
    let whole = COMMANDS.into_iter().fold(whole, |all, (name, about)| {
        all.mut_subcommand(name, |one| one.about(about))
    });
    ARGUMENTS
        .into_iter()
        .fold(whole, |all, (name, argument, help)| {
            all.mut_subcommand(name, |one| one.mut_arg(argument, |arg| arg.help(help)))
        })
}

#[cfg(test)]
mod tests {
    use crate::{cli, lang::Lang};

    #[test]
    fn every_subcommand_and_argument_is_explained_in_chinese() {
        let is_chinese =
            |text: String| text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
        let whole = cli::command(Lang::Zh);
        for one in whole.get_subcommands().filter(|one| !one.is_hide_set()) {
            let name = one.get_name();
            let about = one.get_about().map(ToString::to_string).unwrap_or_default();
            assert!(is_chinese(about), "{name}");
            for argument in one.get_arguments().filter(|arg| arg.get_id() != "help") {
                let help = argument
                    .get_help()
                    .map(ToString::to_string)
                    .unwrap_or_default();
                assert!(is_chinese(help), "{name} {}", argument.get_id());
            }
        }
    }
}
