//! The findings in Chinese.

use super::{Words, code_of, meaning_of, rid_of, words};
use wxtoken_server::sink::SWITCH_ON;

use crate::check::finding::{AppState, Setup, Way};
use crate::check::of_public::Public;
use crate::check::of_redis::{Copies, HowTold, Shared};
use crate::lang::Lang;
use crate::when;

pub(super) fn setup(setup: &Setup) -> Words {
    match setup {
        Setup::NoFile => words(
            "没有找到配置文件，按空配置检查",
            "运行 `wxtoken init` 写出一份，或用 --config 指定",
        ),
        Setup::Read {
            file,
            apps,
            callers,
        } => words(
            format!("配置 {file}：{apps} 个应用，{callers} 个调用方"),
            "",
        ),
        Setup::Remark(text) => words(format!("配置提示：{}", text.zh), ""),
        Setup::NoCallers => words(
            "没有调用方，谁也读不到令牌",
            "用 `wxtoken key` 生成密钥，加一个 [[caller]]",
        ),
        Setup::NoApps => words("没有应用", "加一个 [[app]]，填上 appid 和 secret"),
        Setup::FolderToBeMade(path) => words(
            format!("存储目录 {} 还不存在，首次启动时会创建", path.display()),
            "",
        ),
        Setup::FolderFine(path) => words(format!("存储目录 {} 只有我们能访问", path.display()), ""),
        Setup::FolderOpen { path, mode } => words(
            format!(
                "存储目录 {} 的权限是 {mode:04o}，其他用户也能访问",
                path.display()
            ),
            &format!("chmod 700 {}", path.display()),
        ),
        Setup::StoreInUse(holder) => words(
            format!(
                "存储正由运行中的服务器使用（{}）；这次检查的调用不计入它的统计",
                holder.zh
            ),
            "",
        ),
        Setup::StoreBroken(why) => words(format!("存储打不开：{}", why.zh), ""),
        Setup::NotWritable { path, why } => words(
            format!("无法在 {} 写文件：{}", path.display(), why.zh),
            "建好这个目录，属主设为运行 wxtoken 的用户",
        ),
        Setup::Shared(found) => shared(found),
        Setup::Copies(found) => copies(found),
        Setup::Public(found) => public(found),
    }
}

fn public(public: &Public) -> Words {
    match public {
        Public::Served { base_url } => words(format!("对外入口：{base_url}"), ""),
        Public::Closed { callers } => words(
            format!(
                "没有人能登录：这些调用方写了 return_to，却没有对外入口：{}",
                callers.join("、")
            ),
            "设置 [public] 的 listen 和 base_url",
        ),
        Public::Idle => words(
            "对外入口没有用处：没有调用方写了 return_to 或 sign_origins，也没有应用写了 push_token",
            "写上它的用途，或去掉 [public] listen",
        ),
        Public::Verifiable { folder, files } => words(
            format!("{} 里有 {files} 个 MP_verify 文件", folder.display()),
            "",
        ),
        Public::NoVerifyFile(folder) => words(
            format!("{} 里没有 MP_verify_*.txt", folder.display()),
            "把微信在设置网页授权域名时给的文件放进去",
        ),
        Public::VerifyUnreadable { path, why } => words(
            format!("读不了 {}：{}", path.display(), why.zh),
            "让运行 wxtoken 的用户能读它",
        ),
        Public::Resolved { host } => words(format!("DNS：[public] base_url 的 {host} 能查到"), ""),
        Public::NotResolved { host, why } => words(
            format!("DNS：在这里查不到 [public] base_url 的 {host}：{}", why.zh),
            "用户的手机和微信必须能查到它：添加 DNS 记录，或改正 base_url",
        ),
    }
}

fn copies(Copies { at, copies, told }: &Copies) -> Words {
    let kept = format!("{at} 的 Redis，{copies} 份副本");
    match told {
        HowTold::AtOnce => words(
            format!("{kept}；别人改动它们时 Redis 会通知，立即就能发现"),
            "",
        ),
        HowTold::Cluster => words(format!("{kept}；这是集群，因此每隔几秒查看一遍"), ""),
        HowTold::Not => words(
            format!("{kept}；别人改动它们时 Redis 不通知，因此每隔几秒查看一遍"),
            &format!("要立即发现：redis-cli CONFIG SET {SWITCH_ON}，并把同一行写进它的配置"),
        ),
        HowTold::NotToBeAsked => words(
            format!("{kept}；不允许询问 Redis 是否通知别人的改动；反正每隔几秒查看一遍"),
            &format!("用 +config|get 允许这个用户询问；打开通知的设置是 {SWITCH_ON}"),
        ),
        HowTold::Unusable(why) => words(format!("无法保持副本：{}", why.zh), ""),
    }
}

fn shared(shared: &Shared) -> Words {
    match shared {
        Shared::Reached { at, version } => words(
            format!(
                "{at} 的 Redis 有应答{}，里面的记录属于这个存储",
                version
                    .as_ref()
                    .map_or_else(String::new, |version| format!("（版本 {version}）"))
            ),
            "",
        ),
        Shared::Unusable(why) => words(
            format!("Redis 里的存储用不了：{}", why.zh),
            "服务器照样能启动，在解决之前先用本地副本里的内容提供服务",
        ),
        Shared::Evicts(policy) => words(
            format!("Redis 内存满了会丢掉记录（maxmemory-policy {policy}）"),
            "把 maxmemory-policy 设为 noeviction，也写进它的配置文件",
        ),
        Shared::Forgets => words(
            "Redis 重启后什么都不留：没有开追加日志，也没有保存点",
            "设 appendonly yes；在那之前，各副本会把记得的内容还给它",
        ),
        Shared::Old(version) => words(
            format!("Redis {version} 比 wxtoken 测试过的版本旧"),
            "用 Redis 6.2 以上的版本，或 Valkey",
        ),
        Shared::ClockOff(seconds) => words(
            format!(
                "本机时钟比 Redis 的{} {} 秒",
                if *seconds > 0 { "快" } else { "慢" },
                seconds.unsigned_abs()
            ),
            "在两台机器上打开时间同步（timedatectl set-ntp true）",
        ),
    }
}

pub(super) fn way(way: &Way) -> Words {
    match way {
        Way::NotAsked => words("没有联网检查（--offline）", ""),
        Way::Proxied(proxy) => words(
            format!("经由代理 {proxy} 访问微信，下面各应用的结果说明代理是否可用"),
            "",
        ),
        Way::Resolved { host, addresses } => words(format!("DNS:{host} 有 {addresses} 个地址"), ""),
        Way::NotResolved { host, why } => words(
            format!("DNS：查不到 {host}：{}", why.zh),
            "检查 /etc/resolv.conf 和容器的 DNS 设置",
        ),
        Way::Reached { url, millis } => words(format!("{url} 有回答，用时 {millis} 毫秒"), ""),
        Way::NotReached { url, why } => words(
            format!("连不上 {url}:{}", why.zh),
            "检查防火墙和出网权限；必须经代理时设置 [upstream] proxy",
        ),
        Way::NotTrusted { url, why } => words(
            format!("与 {url} 的 TLS 没有建立：{}", why.zh),
            "检查系统时间和 ca-certificates；中间有解密代理时要安装它的根证书",
        ),
        Way::NotWeChat { url, status } => words(
            format!("{url} 的回答（HTTP {status}）不是微信的格式"),
            "检查 [upstream] base_url，或网络里是否有需要登录的网关",
        ),
        Way::ClockRight => words("时钟与微信一致（相差不到 30 秒）", ""),
        Way::ClockOff(seconds) => words(
            format!(
                "本机时钟比微信{} {} 秒",
                if *seconds > 0 { "快" } else { "慢" },
                seconds.unsigned_abs()
            ),
            "开启 NTP 对时（timedatectl set-ntp true）",
        ),
    }
}

pub(super) fn app(state: &AppState) -> Words {
    match state {
        AppState::Fine { left } => words(
            format!("微信给出了稳定版令牌并接受它，还剩 {}", when::span(*left)),
            "",
        ),
        AppState::PreviousSecret => words(
            "微信仍然只接受 previous_secret",
            "去微信后台重置 AppSecret；如果已经重置，检查 secret 是否填错",
        ),
        AppState::SecretWrong { errcode } => words(
            format!(
                "{errcode}：AppSecret 不对（在获取令牌的接口上，40001 和 40125 说的都是 AppSecret，不是令牌）"
            ),
            "从微信后台复制这个 AppID 的 AppSecret；重置过就用新的，换密钥期间把旧的填到 previous_secret",
        ),
        AppState::TokenBad { errcode } => words(
            format!(
                "{errcode}：微信刚给出的令牌立刻被判为无效。AppSecret 没有问题，是令牌被别的程序强制刷新顶掉了"
            ),
            "找出还在用同一个 AppSecret 强制刷新（force_refresh）的程序，让它改为从 wxtoken 读取",
        ),
        AppState::NotOnWhitelist {
            errcode,
            ip,
            with_token,
        } => words(
            format!(
                "{errcode}：出口 IP {}不在{}白名单里",
                ip.map_or_else(String::new, |ip| format!("{ip} ")),
                if *with_token { "接口调用的" } else { "" }
            ),
            &ip.map_or_else(
                || "把这台机器的出口 IP 加入微信后台的 IP 白名单，最多 10 分钟生效".to_owned(),
                |ip| format!("把 {ip} 加入微信后台的 IP 白名单，最多 10 分钟生效"),
            ),
        ),
        AppState::Refused { errcode, rid } => {
            let (meaning, cure) = meaning_of(*errcode, Lang::Zh);
            words(
                format!("微信拒绝了这个应用：{meaning}{}", rid_of(rid.as_deref())),
                &cure,
            )
        }
        AppState::QuotaUsedUp => words(
            "45009：今天获取令牌的配额用完了",
            "等到北京时间零点，或在微信后台清零；查一查是谁在反复获取",
        ),
        AppState::Passing { errcode, why } => words(
            format!("微信暂时没有正常回答：{}{}", why.zh, code_of(*errcode)),
            "过一会儿再检查一次；如果一直这样，看上面的网络检查",
        ),
        AppState::NoBudget { used, limit } => words(
            format!("今天已经用了 {used}/{limit} 次，没有再去问微信"),
            "查一查为什么用得这么多：`wxtoken status`",
        ),
        AppState::NoToken => words("网站应用没有 access_token，不需要检查", ""),
    }
}
