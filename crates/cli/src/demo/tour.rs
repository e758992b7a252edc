//! What the demo prints: where everything is, and commands to paste, in the order that shows the main job.

use std::io;

use super::{Places, SHOP, SITE};
use crate::lang::Lang;

/// The whole tour. Lines that begin with two spaces are commands.
pub(super) fn guide(places: &Places, lang: Lang) -> io::Result<String> {
    // The program may not be on the PATH: `cargo run` puts it under target/.
    let program = quoted(&std::env::current_exe()?.display().to_string());
    let mut lines = vec![String::new(), welcome(places, lang), String::new()];
    if !places.taken.is_empty() {
        let ports: Vec<String> = places.taken.iter().map(u16::to_string).collect();
        let ports = ports.join(", ");
        lines.push(match lang {
            Lang::Zh => format!("（端口 {ports} 已被占用，换用了空闲端口。）\n"),
            Lang::En => format!("(Ports taken by others: {ports}; free ones are used instead.)\n"),
        });
    }
    lines.push(say(
        lang,
        "把下面几行粘贴到另一个终端：",
        "Paste this into another terminal:",
    ));
    lines.push(environment(places));
    for (zh, en, commands) in steps(&program) {
        lines.push(String::new());
        lines.push(say(lang, zh, en));
        lines.extend(commands.iter().map(|command| format!("  {command}")));
    }
    lines.push(String::new());
    lines.push(match lang {
        Lang::Zh => format!(
            "在浏览器里登录：在那个终端、源码目录下运行 python3 examples/website.py，然后打开 {SITE}"
        ),
        Lang::En => format!(
            "The same in a browser: run python3 examples/website.py in that terminal, in the source's folder, and open {SITE}"
        ),
    });
    lines.push(String::new());
    lines.push(say(
        lang,
        "用你自己的微信账号：wxtoken init，然后 wxtoken serve。Ctrl-C 结束演示，不留下任何东西。下面是服务器的日志：",
        "With your own account: wxtoken init, then wxtoken serve. Ctrl-C ends the demo and leaves nothing. The server's log:",
    ));
    lines.push(String::new());
    Ok(lines.join("\n"))
}

/// A word as a shell takes it: in quotes where it holds more than plain characters.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "/._-+".contains(c);
    if word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

fn say(lang: Lang, zh: &str, en: &str) -> String {
    lang.pick(zh, en).to_owned()
}

fn welcome(places: &Places, lang: Lang) -> String {
    let Places {
        wechat,
        api,
        admin,
        public,
        ..
    } = places;
    match lang {
        Lang::Zh => format!(
            "模拟的微信    {wechat}\nwxtoken API   http://127.0.0.1:{api}\n管理与监控    http://127.0.0.1:{admin}   \
             管理密钥 {}\n对外入口      http://127.0.0.1:{public}\n\n\
             两个示例应用：公众号 shop（{SHOP}），小程序 mini（{}）。",
            places.admin_key.expose(),
            super::MINI
        ),
        Lang::En => format!(
            "simulated WeChat   {wechat}\nwxtoken API        http://127.0.0.1:{api}\nadmin, metrics     http://127.0.0.1:{admin}   \
             admin key {}\npublic listener    http://127.0.0.1:{public}\n\n\
             Two sample apps: the official account shop ({SHOP}) and the mini program mini ({}).",
            places.admin_key.expose(),
            super::MINI
        ),
    }
}

fn environment(places: &Places) -> String {
    format!(
        "  export WXTOKEN_URL=http://127.0.0.1:{} WXTOKEN_KEY={}\n  export WXTOKEN_ADMIN_URL=http://127.0.0.1:{} WXTOKEN_ADMIN_KEY={}\n  \
         export WECHAT={} APP={SHOP}\n  export WXTOKEN_PUBLIC_URL=http://127.0.0.1:{} WECHAT_APPID={SHOP}",
        places.api,
        places.caller_key.expose(),
        places.admin,
        places.admin_key.expose(),
        places.wechat,
        places.public,
    )
}

/// What a step shows, in Chinese and English, and its commands.
type Step = (&'static str, &'static str, Vec<String>);

fn steps(program: &str) -> Vec<Step> {
    let command = |text: &str| text.replace("wxtoken ", &format!("{program} "));
    let read =
        "curl -s -H \"Authorization: Bearer $WXTOKEN_KEY\" $WXTOKEN_URL/v1/apps/$APP/access_token";
    let call = "curl -si -H \"Authorization: Bearer $WXTOKEN_KEY\" -H \"Wxtoken-App: $APP\" $WXTOKEN_URL/cgi-bin/menu/get; echo";
    vec![
        (
            "1. 取令牌：wxtoken 自己的 API，以及 SDK 使用的微信接口（secret 处填调用方密钥）",
            "1. Get a token: our API, and WeChat's own endpoint as an SDK calls it (a caller key for the secret)",
            vec![
                format!("{read}; echo"),
                "curl -s \"$WXTOKEN_URL/cgi-bin/token?grant_type=client_credential&appid=$APP&secret=$WXTOKEN_KEY\"; echo".into(),
                command("TOKEN=$(wxtoken get $APP)"),
            ],
        ),
        (
            "2. 看看所有凭据：剩余时间、今日获取次数",
            "2. Look at every credential: time left, fetches today",
            vec![command("wxtoken status")],
        ),
        (
            "3. 假装另一个程序强制刷新：手里的令牌失效，微信返回 40001",
            "3. Play another program that forces a new token: ours is dead now, WeChat says 40001",
            vec![
                "curl -s $WECHAT/_sim/apps/$APP/kill -d '{\"lane\":\"stable\"}' > /dev/null".into(),
                "curl -s \"$WECHAT/cgi-bin/get_api_domain_ip?access_token=$TOKEN\"; echo".into(),
            ],
        ),
        (
            "4. 告诉 wxtoken 它失效了：一次探测、一次获取，答复里就是新令牌；旧令牌再报一次，不会再获取",
            "4. Tell wxtoken that it is dead: one probe, one fetch, and the answer holds the new one; report the old one again and nothing is fetched",
            vec![
                "curl -s -H \"Authorization: Bearer $WXTOKEN_KEY\" -d \"{\\\"token\\\":\\\"$TOKEN\\\"}\" $WXTOKEN_URL/v1/apps/$APP/access_token/dead; echo".into(),
                "curl -s -H \"Authorization: Bearer $WXTOKEN_KEY\" -d \"{\\\"token\\\":\\\"$TOKEN\\\"}\" $WXTOKEN_URL/v1/apps/$APP/access_token/dead; echo".into(),
                "curl -s \"$WECHAT/cgi-bin/get_api_domain_ip?access_token=$(".to_owned() + &command("wxtoken get $APP") + ")\"; echo",
            ],
        ),
        (
            "5. 网关：发送调用，而不是取令牌。先发一次；让令牌失效；同样的调用再发一次，照样成功（Wxtoken-Replayed: 1）",
            "5. The gateway: send the call, not the token. Once; then the token is killed; then the same call again, and it succeeds (Wxtoken-Replayed: 1)",
            vec![
                call.into(),
                "curl -s $WECHAT/_sim/apps/$APP/kill -d '{\"lane\":\"stable\"}' > /dev/null".into(),
                call.into(),
            ],
        ),
        (
            "6. 监控指标，以及微信看到的调用",
            "6. Metrics, and what WeChat has seen of us",
            vec![
                "curl -s -H \"Authorization: Bearer $WXTOKEN_ADMIN_KEY\" $WXTOKEN_ADMIN_URL/metrics | grep -E '^wxtoken_.*_total'".into(),
                "curl -s $WECHAT/_sim/counters; echo".into(),
            ],
        ),
        (
            "7. 微信的错误码是什么意思",
            "7. What WeChat's error codes mean",
            vec![command("wxtoken explain 40001")],
        ),
        signing_in(),
    ]
}

fn signing_in() -> Step {
    let redeem = "curl -s -H \"Authorization: Bearer $WXTOKEN_KEY\" -d \"{\\\"code\\\":\\\"$CODE\\\"}\" $WXTOKEN_URL/v1/oauth/redeem; echo";
    (
        "8. 用户登录：浏览器经对外入口去微信再回来，带着一次性 code；网站用它换 openid，只能换一次",
        "8. A user signs in: the browser goes to WeChat by the public listener and comes back with a code, which the site redeems for the openid, once",
        vec![
            format!(
                "CODE=$(curl -s -o /dev/null -L --max-redirs 2 -b '' -w '%{{redirect_url}}' \"$WXTOKEN_PUBLIC_URL/oauth/$APP/authorize?return_to={SITE}/back\" | sed 's/.*code=//')"
            ),
            redeem.into(),
            redeem.into(),
        ],
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_with_a_space_or_a_quote_can_be_pasted() {
        assert_eq!(quoted("/opt/wx/wxtoken"), "/opt/wx/wxtoken");
        assert_eq!(quoted("/My Projects/wxtoken"), "'/My Projects/wxtoken'");
        assert_eq!(quoted("/it's/wxtoken"), r"'/it'\''s/wxtoken'");
    }
}
