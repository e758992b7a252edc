//! Parts of sentences about mistakes: what a value must be, what is missing, why a bound is where it is.

use super::words::{List, bilingual};

bilingual! {
    /// What a value must be.
    enum Wanted {
        Secret => "a text or {{ file = \"…\" }}", "文本，或 {{ file = \"…\" }}";
        Path => "a path", "路径";
        Name => "a name", "名称";
        Span => "a span of time such as \"90s\"", "时长，例如 \"90s\"";
        Rate => "a rate such as \"200/s\"", "速率，例如 \"200/s\"";
        Size => "a size such as \"1MiB\"", "大小，例如 \"1MiB\"";
        Permissions { example: &'static str } => "permissions such as \"{example}\"", "权限，例如 \"{example}\"";
        Address { example: &'static str } => "an address such as \"{example}\"", "地址，例如 \"{example}\"";
        Network => "a network such as \"10.0.0.0/8\"", "网段，例如 \"10.0.0.0/8\"";
        ReturnTo => "an address such as \"https://shop.example.com/wechat/back\"", "地址，例如 \"https://shop.example.com/wechat/back\"";
        SignOrigin => "an origin such as \"https://shop.example.com\"", "来源，例如 \"https://shop.example.com\"";
        CallPath => "a path such as \"/cgi-bin/message\"", "路径，例如 \"/cgi-bin/message\"";
        Listener => "an address such as \"127.0.0.1:7200\" or {{ path = \"/run/wxtoken/api.sock\" }}",
            "地址，例如 \"127.0.0.1:7200\" 或 {{ path = \"/run/wxtoken/api.sock\" }}";
        Boolean => "true or false", " true 或 false（不加引号）";
        Integer { least: u64, most: u64 } => "a whole number from {least} to {most}", " {least} 到 {most} 的整数";
        OneOf { words: List } => "one of {words}", "下列之一：{words}";
        Tables { name: String } => "a list of tables, each under [[{name}]]", "若干个表，每个写在 [[{name}]] 之下";
        Section { name: &'static str } => "a table, under [{name}]", "表，写在 [{name}] 之下";
        Tls => "{{ cert = \"…\", key = \"…\" }}", " {{ cert = \"…\", key = \"…\" }}";
        Budget => "such as {{ classic = 2000 }}", "表，例如 {{ classic = 2000 }}";
        Add => "{{ add = 1500 }}", " {{ add = 1500 }}";
        CompatExpiresIn => "\"remaining\", 7200 or {{ add = 1500 }}", " \"remaining\"、7200 或 {{ add = 1500 }}";
        AppId => "an AppID in quotes", "引号里的 AppID";
        User => "a user's name or number", "用户名或其编号";
        Group => "a group's name or number", "用户组名或其编号";
        KeyHash => "the 64 hex digits that `wxtoken key` prints", " `wxtoken key` 打印的 64 个十六进制数字";
        RedisKey => "a Redis key such as \"token:{{appid}}\"", " Redis 键，例如 \"token:{{appid}}\"";
        RedisPrefix => "what stands before the keys, in quotes", "键的前缀，写在引号里";
        FieldName => "the name of a field", "字段的名称";
        SecretFrom => "\"caller:NAME\"", " \"caller:名称\"";
        Prefix => "a prefix such as \"wxtoken\"", "前缀，例如 \"wxtoken\"";
    }
}

bilingual! {
    /// What a value is instead.
    enum Is {
        Text => "a text", "文本";
        Whole => "a whole number", "整数";
        Point => "a number with a point", "小数";
        Boolean => "true or false", " true 或 false";
        Date => "a date", "日期";
        List => "a list", "列表";
        Table => "a table", "表";
    }
}

bilingual! {
    /// What to write where something is missing or a list is empty.
    enum Cure {
        AppId => "copy it from the account's page, such as \"wx0123456789abcdef\"",
            "从公众平台的账号页面复制，形如 \"wx0123456789abcdef\"";
        Secret => "write \"${{NAME}}\" to take it from the environment, or {{ file = \"…\" }}",
            "写 \"${{NAME}}\" 从环境变量取，或写 {{ file = \"…\" }}";
        SecretFile => "write {{ file = \"path\" }}", "写 {{ file = \"路径\" }}";
        AdminKey { variable: &'static str } =>
            "make one with `wxtoken key` and set ${variable}, or write key_sha256 = \"…\" under [admin]",
            "用 `wxtoken key` 生成，设进 ${variable}，或在 [admin] 下写 key_sha256 = \"…\"";
        CallerName => "name the program that asks, such as \"orders\"", "写上来取令牌的程序叫什么，例如 \"orders\"";
        CallerKey => "make one with `wxtoken key` and write key_sha256 = \"…\", or key = \"${{NAME}}\"",
            "用 `wxtoken key` 生成，写 key_sha256 = \"…\"，或 key = \"${{NAME}}\"";
        CallerApps => "list the AppIDs it may see, or write [\"*\"] for all",
            "列出它可以看到的 AppID，全部则写 [\"*\"]";
        Add => "write {{ add = 1500 }}", "写 {{ add = 1500 }}";
        SocketPath => "write where the socket shall be", "写上 socket 放在哪里";
        FilePath => "write where the file shall be", "写上文件放在哪里";
        FileFormat => "write \"properties\", \"json\" or \"dotenv\"", "写 \"properties\"、\"json\" 或 \"dotenv\"";
        Pem => "write the path of a PEM file", "写上 PEM 文件的路径";
        RedisUrl => "write \"redis://host:6379/0\"", "写 \"redis://host:6379/0\"";
        StoreUrl => "write \"redis://host:6379/0\", with a password as in \"redis://:${{REDIS_PASSWORD}}@host:6379/0\"",
            "写 \"redis://host:6379/0\"，有密码则写成 \"redis://:${{REDIS_PASSWORD}}@host:6379/0\"";
        SharedMasterKey { variable: &'static str } =>
            "all replicas seal under the same one: make it once with `openssl rand -base64 32`, and give it to each as ${variable} or master_key = {{ file = \"…\" }}",
            "各副本用同一个主密钥加密：用 `openssl rand -base64 32` 生成一次，以 ${variable} 或 master_key = {{ file = \"…\" }} 交给每个副本";
        RedisFormat => "write the name of an SDK's format, or \"raw\" with a key",
            "写某个 SDK 的格式名，或写 \"raw\" 并给出 key";
        RedisKey => "this format has no key of its own: write one such as \"token:{{appid}}\", where {{appid}} stands for the AppID",
            "这个格式没有自己的键：写成 \"token:{{appid}}\" 这样，{{appid}} 代表 AppID";
        Listen => "write an address such as \"127.0.0.1:7200\"", "写一个地址，例如 \"127.0.0.1:7200\"";
        Lanes => "write [\"stable\"], [\"classic\"] or both, the one handed out first",
            "写 [\"stable\"]、[\"classic\"]，或两个都写，对外分发的放在前面";
        Kinds => "write [\"access_token\"], or leave it out", "写 [\"access_token\"]，或去掉这一项";
        Allow => "write [\"read\"], or leave it out", "写 [\"read\"]，或去掉这一项";
        CallPaths => "write [\"/\"], or leave it out", "写 [\"/\"]，或去掉这一项";
        PublicUrl => "write how browsers reach this listener, such as \"https://wx.example.com\"; its host is the callback domain at WeChat",
            "写浏览器访问这个入口的地址，例如 \"https://wx.example.com\"；其主机名就是在微信后台登记的回调域名";
        ReturnTo => "list the pages that users come back to, such as \"https://shop.example.com/wechat/back\", or leave it out",
            "列出用户返回的页面，例如 \"https://shop.example.com/wechat/back\"，或去掉这一项";
        SignOrigins => "list where its pages come from, such as \"https://shop.example.com\", or leave it out",
            "列出页面的来源，例如 \"https://shop.example.com\"，或去掉这一项";
        Networks => "list networks such as \"10.0.0.0/8\", or leave it out",
            "列出网段，例如 \"10.0.0.0/8\"，或去掉这一项";
    }
}

bilingual! {
    /// Why a span of time has bounds.
    enum Why {
        FirstToken => "callers wait this long", "调用方要等这么久";
        SlowClients => "it guards against slow clients", "它用来防备过慢的客户端";
        Shutdown => "a shutdown takes this long at most", "停机最多等这么久";
        Classic => "a token lives 2h and is renewed in its last third", "令牌有效 2 小时，在最后三分之一内刷新";
        Stable => "WeChat renews only in the last 300s", "微信只在最后 300 秒内给新值";
        Retention => "what a user granted is good for thirty days, and sessions are short", "用户的授权 30 天有效，会话更短";
        Probe => "a dead value is found only so often", "失效的值每隔这么久才会被发现一次";
    }
}

bilingual! {
    /// A written value, as far as it may be repeated.
    enum Shown {
        As { text: String } => "\"{text}\"", "\"{text}\"";
        Hidden => "what is written here", "这里写的内容";
        Environment => "what the environment holds", "环境变量里的值";
    }
}

bilingual! {
    /// Where a key is unknown.
    enum Where {
        Here => "here", "这里";
        Top => "at the top of the file", "文件顶层";
    }
}

bilingual! {
    /// The right name that was probably meant, if any is near.
    enum Near {
        None => "", "";
        Name { name: &'static str } => "; did you mean \"{name}\"?", "；是不是想写 \"{name}\"？";
    }
}
