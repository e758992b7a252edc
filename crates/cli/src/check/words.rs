//! What each finding is called to a person, and the cure, in Chinese and English.

use super::finding::{AppState, Finding, OfApp, Setup, Way};
use crate::lang::Lang;
use crate::when;

/// A finding in words.
pub(super) struct Words {
    pub(super) what: String,
    pub(super) cure: Option<String>,
}

fn words(what: impl Into<String>, cure: &str) -> Words {
    Words {
        what: what.into(),
        cure: (!cure.is_empty()).then(|| cure.to_owned()),
    }
}

/// Puts a finding into words.
pub(super) fn of(finding: &Finding, lang: Lang) -> Words {
    match (finding, lang) {
        (Finding::Setup(setup), Lang::Zh) => setup_zh(setup),
        (Finding::Setup(setup), Lang::En) => setup_en(setup),
        (Finding::Way(way), Lang::Zh) => way_zh(way),
        (Finding::Way(way), Lang::En) => way_en(way),
        (Finding::App(app), Lang::Zh) => named(app, app_zh(&app.state)),
        (Finding::App(app), Lang::En) => named(app, app_en(&app.state)),
    }
}

fn named(app: &OfApp, said: Words) -> Words {
    let name = app
        .name
        .as_deref()
        .map_or_else(String::new, |name| format!(" ({name})"));
    Words {
        what: format!("{}{name}: {}", app.appid, said.what),
        cure: said.cure,
    }
}

fn setup_zh(setup: &Setup) -> Words {
    match setup {
        Setup::NoFile => words(
            "没有找到配置文件,按空配置检查",
            "运行 `wxtoken init` 写出一份,或用 --config 指定",
        ),
        Setup::Read {
            file,
            apps,
            callers,
        } => words(format!("配置 {file}:{apps} 个应用,{callers} 个调用方"), ""),
        Setup::Remark(text) => words(format!("配置提示:{text}"), ""),
        Setup::NoCallers => words(
            "没有调用方,谁也读不到令牌",
            "用 `wxtoken key` 生成密钥,加一个 [[caller]]",
        ),
        Setup::NoApps => words("没有应用", "加一个 [[app]],填上 appid 和 secret"),
        Setup::FolderToBeMade(path) => words(
            format!("存储目录 {} 还不存在,首次启动时会创建", path.display()),
            "",
        ),
        Setup::FolderFine(path) => words(format!("存储目录 {} 只有我们能访问", path.display()), ""),
        Setup::FolderOpen { path, mode } => words(
            format!(
                "存储目录 {} 的权限是 {mode:04o},其他用户也能访问",
                path.display()
            ),
            &format!("chmod 700 {}", path.display()),
        ),
        Setup::NotWritable { path, why } => words(
            format!("无法在 {} 写文件:{why}", path.display()),
            "建好这个目录,属主设为运行 wxtoken 的用户",
        ),
    }
}

fn setup_en(setup: &Setup) -> Words {
    match setup {
        Setup::NoFile => words(
            "no configuration file was found; an empty one is checked",
            "write one with `wxtoken init`, or name it with --config",
        ),
        Setup::Read {
            file,
            apps,
            callers,
        } => words(
            format!("configuration {file}: {apps} apps, {callers} callers"),
            "",
        ),
        Setup::Remark(text) => words(format!("configuration: {text}"), ""),
        Setup::NoCallers => words(
            "there are no callers, so nobody can read a token",
            "make a key with `wxtoken key` and add a [[caller]]",
        ),
        Setup::NoApps => words(
            "there are no apps",
            "add an [[app]] with its appid and secret",
        ),
        Setup::FolderToBeMade(path) => words(
            format!(
                "the store's folder {} is not there yet; the first start makes it",
                path.display()
            ),
            "",
        ),
        Setup::FolderFine(path) => words(
            format!("the store's folder {} is closed to others", path.display()),
            "",
        ),
        Setup::FolderOpen { path, mode } => words(
            format!(
                "the store's folder {} has mode {mode:04o}: others may look into it",
                path.display()
            ),
            &format!("chmod 700 {}", path.display()),
        ),
        Setup::NotWritable { path, why } => words(
            format!("files cannot be written in {}: {why}", path.display()),
            "make that folder, owned by the user wxtoken runs as",
        ),
    }
}

fn way_zh(way: &Way) -> Words {
    match way {
        Way::NotAsked => words("没有联网检查(--offline)", ""),
        Way::Proxied(proxy) => words(
            format!("经由代理 {proxy} 访问微信,下面各应用的结果说明代理是否可用"),
            "",
        ),
        Way::Resolved { host, addresses } => words(format!("DNS:{host} 有 {addresses} 个地址"), ""),
        Way::NotResolved { host, why } => words(
            format!("DNS:查不到 {host}:{why}"),
            "检查 /etc/resolv.conf 和容器的 DNS 设置",
        ),
        Way::Reached { url, millis } => words(format!("{url} 有回答,用时 {millis} 毫秒"), ""),
        Way::NotReached { url, why } => words(
            format!("连不上 {url}:{why}"),
            "检查防火墙和出网权限;必须经代理时设置 [upstream] proxy",
        ),
        Way::NotTrusted { url, why } => words(
            format!("{url} 的 TLS 证书不被信任:{why}"),
            "检查系统时间和 ca-certificates;中间有解密代理时要安装它的根证书",
        ),
        Way::NotWeChat { url, status } => words(
            format!("{url} 的回答(HTTP {status})不是微信的格式"),
            "检查 [upstream] base_url,或网络里是否有需要登录的网关",
        ),
        Way::ClockRight => words("时钟与微信一致(相差不到 30 秒)", ""),
        Way::ClockOff(seconds) => words(
            format!(
                "本机时钟比微信{} {} 秒",
                if *seconds > 0 { "快" } else { "慢" },
                seconds.unsigned_abs()
            ),
            "开启 NTP 对时(timedatectl set-ntp true)",
        ),
    }
}

fn way_en(way: &Way) -> Words {
    match way {
        Way::NotAsked => words("the network was left alone (--offline)", ""),
        Way::Proxied(proxy) => words(
            format!(
                "WeChat is called through the proxy {proxy}; the apps below show whether it works"
            ),
            "",
        ),
        Way::Resolved { host, addresses } => {
            words(format!("DNS: {host} has {addresses} addresses"), "")
        }
        Way::NotResolved { host, why } => words(
            format!("DNS: {host} is not known: {why}"),
            "look at /etc/resolv.conf and at the container's DNS settings",
        ),
        Way::Reached { url, millis } => words(format!("{url} answers, in {millis} ms"), ""),
        Way::NotReached { url, why } => words(
            format!("{url} cannot be reached: {why}"),
            "look at the firewall; where only a proxy leads out, set [upstream] proxy",
        ),
        Way::NotTrusted { url, why } => words(
            format!("TLS with {url} failed: {why}"),
            "look at the machine's clock and its ca-certificates; a proxy that opens TLS needs its root installed",
        ),
        Way::NotWeChat { url, status } => words(
            format!("what answers at {url} (HTTP {status}) is not WeChat"),
            "look at [upstream] base_url, and whether a gateway of the network wants a login",
        ),
        Way::ClockRight => words("the clock agrees with WeChat's (within 30 s)", ""),
        Way::ClockOff(seconds) => words(
            format!(
                "this machine's clock is {} s {} WeChat's",
                seconds.unsigned_abs(),
                if *seconds > 0 { "ahead of" } else { "behind" }
            ),
            "switch time synchronisation on (timedatectl set-ntp true)",
        ),
    }
}

fn app_zh(state: &AppState) -> Words {
    match state {
        AppState::Fine { left } => words(
            format!("微信给出了稳定版令牌并接受它,还剩 {}", when::span(*left)),
            "",
        ),
        AppState::PreviousSecret => words(
            "微信仍然只接受 previous_secret",
            "去微信后台重置 AppSecret;如果已经重置,检查 secret 是否填错",
        ),
        AppState::SecretWrong { errcode } => words(
            format!(
                "{errcode}:AppSecret 不对(在获取令牌的接口上,40001 和 40125 说的都是 AppSecret,不是令牌)"
            ),
            "从微信后台复制这个 AppID 的 AppSecret;重置过就用新的,换密钥期间把旧的填到 previous_secret",
        ),
        AppState::TokenBad { errcode } => words(
            format!(
                "{errcode}:微信刚给出的令牌立刻被判为无效。AppSecret 没有问题,是令牌被别的程序强制刷新顶掉了"
            ),
            "找出还在用同一个 AppSecret 强制刷新(force_refresh)的程序,让它改为从 wxtoken 读取",
        ),
        AppState::NotOnWhitelist {
            errcode,
            ip,
            with_token,
        } => words(
            format!(
                "{errcode}:出口 IP {}不在{}白名单里",
                ip.map_or_else(String::new, |ip| format!("{ip} ")),
                if *with_token { "接口调用的" } else { "" }
            ),
            &ip.map_or_else(
                || "把这台机器的出口 IP 加入微信后台的 IP 白名单,最多 10 分钟生效".to_owned(),
                |ip| format!("把 {ip} 加入微信后台的 IP 白名单,最多 10 分钟生效"),
            ),
        ),
        AppState::Refused { errcode, rid } => words(
            format!("微信拒绝了这个应用:{errcode}{}", rid_of(rid.as_deref())),
            &format!("`wxtoken explain {errcode}` 有原因和处理办法"),
        ),
        AppState::QuotaUsedUp => words(
            "45009:今天获取令牌的配额用完了",
            "等到北京时间零点,或在微信后台清零;查一查是谁在反复获取",
        ),
        AppState::Passing { errcode, why } => words(
            format!("微信暂时没有正常回答:{why}{}", code_of(*errcode)),
            "过一会儿再检查一次;如果一直这样,看上面的网络检查",
        ),
        AppState::NoBudget { used, limit } => words(
            format!("今天已经用了 {used}/{limit} 次,没有再去问微信"),
            "查一查为什么用得这么多:`wxtoken status`",
        ),
        AppState::NoToken => words("网站应用没有 access_token,不需要检查", ""),
    }
}

fn app_en(state: &AppState) -> Words {
    match state {
        AppState::Fine { left } => words(
            format!("WeChat gives a stable token and accepts it; {} left", when::span(*left)),
            "",
        ),
        AppState::PreviousSecret => words(
            "WeChat still accepts only previous_secret",
            "reset the AppSecret in WeChat's console; if that is done, look whether `secret` was copied right",
        ),
        AppState::SecretWrong { errcode } => words(
            format!(
                "{errcode}: the AppSecret is wrong (where tokens are fetched, 40001 and 40125 are about the AppSecret, \
                 not about a token)"
            ),
            "copy this AppID's AppSecret from WeChat's console; after a reset use the new one, with the old one as \
             previous_secret while you change over",
        ),
        AppState::TokenBad { errcode } => words(
            format!(
                "{errcode}: a token that WeChat has just given is called bad. The AppSecret is right; another program \
                 has forced a new token"
            ),
            "find the program that forces with the same AppSecret (force_refresh) and have it read from wxtoken",
        ),
        AppState::NotOnWhitelist { errcode, ip, with_token } => words(
            format!(
                "{errcode}: our address {}is not on the whitelist{}",
                ip.map_or_else(String::new, |ip| format!("{ip} ")),
                if *with_token { " for calls with a token" } else { "" }
            ),
            &ip.map_or_else(
                || "add the address this machine calls from to the IP whitelist in WeChat's console".to_owned(),
                |ip| format!("add {ip} to the IP whitelist in WeChat's console; it takes up to 10 minutes"),
            ),
        ),
        AppState::Refused { errcode, rid } => words(
            format!("WeChat refuses this app: {errcode}{}", rid_of(rid.as_deref())),
            &format!("`wxtoken explain {errcode}` has causes and cures"),
        ),
        AppState::QuotaUsedUp => words(
            "45009: today's quota for fetching tokens is used up",
            "wait for midnight in Beijing or clear it in WeChat's console; find out who fetches so often",
        ),
        AppState::Passing { errcode, why } => words(
            format!("WeChat did not answer properly: {why}{}", code_of(*errcode)),
            "check again in a while; if it stays, look at the network findings above",
        ),
        AppState::NoBudget { used, limit } => words(
            format!("{used} of {limit} calls are used today, so WeChat was not asked once more"),
            "find out what used them: `wxtoken status`",
        ),
        AppState::NoToken => words("a website app has no access_token: nothing to check", ""),
    }
}

fn rid_of(rid: Option<&str>) -> String {
    rid.map_or_else(String::new, |rid| format!(" (rid {rid})"))
}

fn code_of(errcode: Option<i64>) -> String {
    errcode.map_or_else(String::new, |errcode| format!(" ({errcode})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(state: AppState, lang: Lang) -> String {
        let finding = Finding::App(OfApp {
            appid: "wx1".into(),
            name: Some("shop".into()),
            state,
        });
        let words = of(&finding, lang);
        format!("{} -> {}", words.what, words.cure.unwrap_or_default())
    }

    #[test]
    fn the_two_meanings_of_40001_are_told_apart_in_both_languages() {
        let errcode = 40001;
        assert!(
            text(AppState::SecretWrong { errcode }, Lang::En).contains("the AppSecret is wrong")
        );
        assert!(text(AppState::TokenBad { errcode }, Lang::En).contains("The AppSecret is right"));
        assert!(text(AppState::SecretWrong { errcode }, Lang::Zh).contains("AppSecret 不对"));
        assert!(text(AppState::TokenBad { errcode }, Lang::Zh).contains("AppSecret 没有问题"));
    }

    #[test]
    fn the_whitelist_finding_names_the_address_to_add() {
        let state = AppState::NotOnWhitelist {
            errcode: 40164,
            ip: "203.0.113.9".parse().ok(),
            with_token: false,
        };
        assert!(text(state.clone(), Lang::En).contains("add 203.0.113.9 to the IP whitelist"));
        assert!(text(state, Lang::Zh).contains("把 203.0.113.9 加入"));
    }
}
