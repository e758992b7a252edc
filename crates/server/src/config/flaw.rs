//! Every mistake a configuration can have, and every remark about one, in both languages.
//!
//! Must not know: where it is; no secret is ever in a field.

use std::path::PathBuf;

use wxtoken_core::app::{AppId, InvalidAppId};
use wxtoken_core::credential::{InvalidToken, Kind};

use super::network::InvalidNet;
use super::phrase::{Cure, Is, Near, Shown, Wanted, Where, Why};
use super::quantity::{InvalidQuantity, Size, Span};
use super::secret::InvalidKeyHash;
use super::substitute::Incomplete;
use super::words::{List, System, bilingual};
use crate::jssdk::InvalidOrigin;
use crate::redis::InvalidAddress;
use crate::sdk::InvalidTemplate;
use crate::store::InvalidMasterKey;
use crate::store::redis::InvalidPrefix;

bilingual! {
    /// A mistake: what is wrong, and the cure.
    enum Flaw {
        // Of form.
        NotToml { message: String } => "this is not TOML: {message}", "这不是合法的 TOML：{message}";
        UnknownKey { key: Shown, place: Where, keys: List } =>
            "there is no key {key} {place}; there are {keys}", "{place}没有 {key} 这个键；可用的有 {keys}";
        MisspeltKey { key: Shown, place: Where, near: &'static str } =>
            "there is no key {key} {place}; did you mean `{near}`?", "{place}没有 {key} 这个键；是不是想写 `{near}`？";
        Missing { cure: Cure } => "is missing; {cure}", "缺少这一项；{cure}";
        EmptyList { cure: Cure } => "the list is empty; {cure}", "列表是空的；{cure}";
        WrongType { wanted: Wanted, is: Is } => "must be {wanted}, not {is}", "必须是{wanted}，而不是{is}";
        MustBe { wanted: Wanted } => "must be {wanted}", "必须是{wanted}";
        NotOneOf { value: Shown, words: List, near: Near } =>
            "{value} is not one of {words}{near}", "{value} 不在 {words} 之中{near}";
        OutOfBounds { span: Span, why: Why, least: Span, most: Span } =>
            "{span} is out of bounds: {why}; take {least} to {most}", "{span} 超出范围：{why}；可取 {least} 到 {most}";
        Twice { item: String } => "{item} is listed twice", "{item} 写了两次";
        ThisTwice => "this is listed twice", "这一项写了两次";
        LaneTwice => "a lane is listed twice", "同一条通道写了两次";
        Variable { why: Incomplete } => "{why}", "{why}";
        Quantity { why: InvalidQuantity } => "{why}", "{why}";

        // Of files and folders.
        Unreadable { why: System } => "cannot be read: {why}", "读不了：{why}";
        Folder => "is a folder; name the file in it", "这是一个文件夹；写出其中的文件";
        NotUtf8 { line: usize } =>
            "is not UTF-8 text: line {line} holds something else; save it as UTF-8",
            "不是 UTF-8 文本：第 {line} 行有别的内容；请以 UTF-8 保存";
        NoFile { path: PathBuf } => "there is no file {path}", "没有文件 {path}";
        FileUnreadable { path: PathBuf, why: System } => "{path} cannot be read: {why}", "{path} 读不了：{why}";
        EmptyPath => "the path is empty", "路径是空的";
        ControlInPath => "the path holds a control character", "路径里有控制字符";
        NotAFolder { path: PathBuf } => "{path} is not a folder; name a folder of its own",
            "{path} 不是文件夹；给它一个单独的文件夹";
        NoUser { name: Shown } => "there is no user {name} on this machine; make it, or write its number",
            "这台机器上没有用户 {name}；创建它，或写用户编号";
        NoGroup { name: Shown } => "there is no group {name} on this machine; make it, or write its number",
            "这台机器上没有用户组 {name}；创建它，或写组编号";

        // Of secrets.
        EmptySecret => "the secret is empty", "密钥是空的";
        SecretTooLarge { path: PathBuf } => "{path} is too large for a secret", "{path} 太大，不会是密钥";
        NotAnAppSecret =>
            "this is no AppSecret: WeChat's have 32 hex digits, and none holds spaces, quotes or more than 128 characters",
            "这不是 AppSecret：微信的是 32 个十六进制数字，不含空格和引号，也不超过 128 个字符";
        MasterKey { why: InvalidMasterKey } => "{why}", "{why}";
        MasterKeyOf { variable: &'static str, why: InvalidMasterKey } => "${variable}: {why}", "${variable}：{why}";
        KeyHash { why: InvalidKeyHash } => "{why}", "{why}";
        BesideKey => "stands beside key; keep one of the two", "与 key 同时出现；只留一个";
        ShortKey => "is too short to be safe; make one with `wxtoken key`", "太短，不安全；用 `wxtoken key` 生成一个";
        ShortKeyOf { variable: &'static str } =>
            "${variable} is too short to be safe; make one with `wxtoken key`",
            "${variable} 太短，不安全；用 `wxtoken key` 生成一个";
        NotACallerKey =>
            "a caller key is 32 lower-case hex digits, as an AppSecret is; make one with `wxtoken key`",
            "调用方密钥是 32 个小写十六进制数字，与 AppSecret 形式相同；用 `wxtoken key` 生成一个";

        // Of listeners and certificates.
        NotListening { value: Shown } =>
            "{value} is no address to listen at; write an IP address and a port: \"127.0.0.1:7200\", \"0.0.0.0:7200\", \"[::1]:7200\"",
            "{value} 不是可以监听的地址；写 IP 地址和端口，例如 \"127.0.0.1:7200\"、\"0.0.0.0:7200\"、\"[::1]:7200\"";
        LongSocketPath { most: usize } => "a socket's path has at most {most} bytes; take a shorter one",
            "socket 的路径最多 {most} 字节；换一个短的";
        PlainHttp =>
            "other machines can reach this address, and keys and tokens would travel unencrypted; add tls = {{ cert = \"…\", key = \"…\" }}, or plain_http = true if something in front encrypts",
            "其他机器能访问这个地址，密钥和令牌会以明文传输；加上 tls = {{ cert = \"…\", key = \"…\" }}，前面已有加密则写 plain_http = true";
        OpenAdmin =>
            "other machines can reach this address; the admin listener stays on this machine, such as 127.0.0.1:7201, unless it has tls = {{ cert = \"…\", key = \"…\" }}",
            "其他机器能访问这个地址；管理端口只留在本机，例如 127.0.0.1:7201，除非它有 tls = {{ cert = \"…\", key = \"…\" }}";
        SamePlace => "is where [server] listens too; take another port", "与 [server] 监听同一处；换一个端口";
        PublicSamePlace => "is where [server] or [admin] listens too; take another port, such as 7203",
            "与 [server] 或 [admin] 监听同一处；换一个端口，例如 7203";
        VerifyFiles { path: PathBuf } => "{path} is no folder; name the one that WeChat's MP_verify_*.txt are put into",
            "{path} 不是文件夹；写出放微信 MP_verify_*.txt 的那个文件夹";
        NoCertificate { key: &'static str, path: PathBuf } =>
            "{key}: {path} holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)",
            "{key}：{path} 里没有 PEM 形式的证书（-----BEGIN CERTIFICATE-----）";
        NoPrivateKey { path: PathBuf } =>
            "key: {path} holds no private key in PEM form; an encrypted key must be decrypted first",
            "key：{path} 里没有 PEM 形式的私钥；加密的私钥要先解密";
        KeySort { path: PathBuf } =>
            "key: {path} is of a sort that TLS here cannot use; take an ECDSA P-256 or RSA key",
            "key：{path} 的类型这里的 TLS 用不了；换成 ECDSA P-256 或 RSA";
        CertificateName =>
            "this is no DNS name; write the one in the program's certificate, such as \"orders.internal\"",
            "这不是 DNS 名称；写该程序的证书里的那一个，例如 \"orders.internal\"";
        CertificateTwice { at: String } => "another caller has this name in its certificate, at {at}; give each its own",
            "另一个调用方的证书里也是这个名称，见 {at}；每个调用方各用一个";
        CertificateUnasked =>
            "no certificate is asked of clients; add client_ca to tls in [server]: tls = {{ cert = \"…\", key = \"…\", client_ca = \"…\" }}",
            "现在不要求客户端出示证书；在 [server] 的 tls 里加上 client_ca：tls = {{ cert = \"…\", key = \"…\", client_ca = \"…\" }}";
        KeyMismatch { path: PathBuf } => "key: {path} does not belong to the certificate",
            "key：{path} 与证书不配对";

        // Of the way to WeChat.
        NoAddress => "this is no address; write one such as \"https://api.weixin.qq.com\"",
            "这不是地址；写成 \"https://api.weixin.qq.com\" 这样";
        AddressWithLogin => "an address of WeChat's holds no user name or password; leave them out",
            "微信的地址不含用户名和密码；去掉它们";
        AddressWithMore => "an address here ends with its host, port or path, without ? or #",
            "这里的地址到主机、端口或路径为止，不带 ? 和 #";
        AddressUnencrypted =>
            "AppSecrets and tokens must not travel unencrypted: write https://; plain http:// is for this machine alone (127.0.0.1, ::1, localhost)",
            "AppSecret 和令牌不能以明文传输：写 https://；http:// 只能用于本机（127.0.0.1、::1、localhost）";
        NotAProxy =>
            "this is no proxy; write http://host:port, socks5://host:port, or with a login http://user:password@host:port",
            "这不是代理地址；写 http://主机:端口、socks5://主机:端口，需要登录则 http://用户:密码@主机:端口";

        // Of sections.
        OfRedis => "belongs to kind = \"redis\"; write that too, or take this out",
            "属于 kind = \"redis\"；把那一项也写上，或去掉这一项";
        RedisAddress { why: InvalidAddress } => "{why}", "{why}";
        Prefix { why: InvalidPrefix } => "{why}", "{why}";
        CaWithoutTls => "is for connections over TLS; write the url with rediss, or take this out",
            "只用于 TLS 连接；url 写 rediss，或去掉这一项";
        BodyLimit => "is out of bounds; take 1KiB to 64MiB", "超出范围；可取 1KiB 到 64MiB";
        ReplaySizes { memory: Size, limit: Size, total: Size } =>
            "replay_memory ({memory}) must not exceed replay_limit ({limit}), nor that buffers_total ({total})",
            "replay_memory（{memory}）不能超过 replay_limit（{limit}），后者不能超过 buffers_total（{total}）";

        // Of apps.
        AppId { why: InvalidAppId } => "{why}", "{why}";
        Token { why: InvalidToken } => "{why}", "{why}";
        PushToken =>
            "a push token has 3 to 32 letters and digits: the Token that was chosen on the account's page, where the address for pushes stands",
            "推送 Token 有 3 到 32 个英文字母或数字：就是公众平台“服务器配置”里自己填的那个";
        AppName => "a name has at most 200 bytes and no control characters", "名称最多 200 字节，不含控制字符";
        WebsiteLanes => "an app of type \"website\" has no access token of its own, so no lanes; leave it out",
            "\"website\" 类型的应用没有自己的 access_token，也就没有通道；去掉这一项";
        NoKinds { app_type: &'static str, kind: Kind } => "an app of type \"{app_type}\" cannot have {kind}; it has none",
            "\"{app_type}\" 类型的应用不能有 {kind}；它什么都没有";
        NotItsKind { app_type: &'static str, kind: Kind, has: List } =>
            "an app of type \"{app_type}\" cannot have {kind}; it has {has}",
            "\"{app_type}\" 类型的应用不能有 {kind}；可以有 {has}";
        AppTwice { app: AppId, at: String } => "{app} is an app already at {at}; an AppID has one [[app]]",
            "{app} 在 {at} 已经是一个应用；一个 AppID 只有一个 [[app]]";

        // Of copies.
        SinkFolder => "names a folder; write the path of a file in it", "这是一个文件夹；写出其中文件的路径";
        SinkOfWebsite => "an app of type \"website\" has nothing to keep a copy of; take this out",
            "\"website\" 类型的应用没有可以写出副本的内容；去掉这一段";
        ShadowOfNothing => "in shadow mode an app's [[app.redis]] say where others keep its token; add one, or write mode = \"live\"",
            "shadow 模式下，由应用的 [[app.redis]] 说明别的程序把令牌放在哪里；加上一段，或写 mode = \"live\"";
        ShadowOfTickets => "in shadow mode the access_token that others use is watched and taken over, and no [[app.redis]] here holds one; add the one that does, or write mode = \"live\"",
            "shadow 模式下，观察并接管的是别的程序使用的 access_token，而这里没有一段 [[app.redis]] 存放它；加上存放它的那一段，或写 mode = \"live\"";
        SinkNotKept { kind: Kind } => "{kind} is not among this app's kinds; add it there",
            "{kind} 不在这个应用的 kinds 里；在那里加上";
        SinkOurs => "wxtoken reads this file itself and would overwrite it; name another",
            "wxtoken 自己要读这个文件，会把它覆盖掉；换一个文件";
        SinkInStore => "is inside the store's folder, which is wxtoken's alone; name a file elsewhere",
            "在存储文件夹里，那里只归 wxtoken 使用；换到别处";
        SinkTwice { at: String } => "is the same file as at {at}; each sink needs a file of its own",
            "与 {at} 是同一个文件；每份副本要有自己的文件";
        RedisKey { why: InvalidTemplate } => "{why}", "{why}";
        NoSentinels => "is for sentinels; write the url with redis+sentinel, or take this out",
            "只用于哨兵；url 写 redis+sentinel，或去掉这一项";
        FormatOfWork => "\"wxjava-cp\" is for WeCom, whose tokens this version does not hold; for official accounts take \"wxjava-mp\"",
            "\"wxjava-cp\" 用于企业微信，这个版本还不保管它的令牌；公众号用 \"wxjava-mp\"";
        NotOfFormat { format: &'static str } => "has no meaning for format \"{format}\"; take it out",
            "对格式 \"{format}\" 没有意义；去掉它";
        NoFieldName => "the name of the field is empty; write one such as \"value\"", "字段名是空的；写成 \"value\" 这样";
        PieceOfKey => "has at most 200 bytes and no control characters", "最多 200 字节，不含控制字符";
        NoPlace { format: &'static str, module: &'static str, kind: Kind } =>
            "format \"{format}\" keeps no {kind} for module \"{module}\"; take another kind or format, or format = \"raw\" with a key",
            "格式 \"{format}\" 在 \"{module}\" 模块里不保存 {kind}；换一个 kind 或 format，或用 format = \"raw\" 并写出 key";
        NeedsSecret { format: &'static str } =>
            "with format \"{format}\" the secret that the SDK is configured with stands in its keys or values; configure it with a caller's key and write secret_from = \"caller:NAME\", or, if it has the AppSecret, reveal_app_secret = true",
            "格式 \"{format}\" 的键或值里有 SDK 所配置的密钥；给 SDK 配上调用方密钥并写 secret_from = \"caller:名称\"，如果它用的是 AppSecret 则写 reveal_app_secret = true";
        BesideSecretFrom => "stands beside secret_from; keep the one that the SDK is configured with",
            "与 secret_from 同时出现；只留 SDK 实际配置的那一个";
        NotSecretFrom => "write \"caller:NAME\", with the name of the [[caller]] whose key the SDK is configured with",
            "写 \"caller:名称\"，即 SDK 所配置的密钥属于哪个 [[caller]]";
        NoSuchCaller { name: Shown } => "{name} names no [[caller]]; add it, or write the name of one that is there",
            "{name} 不是任何 [[caller]]；加上它，或写已有的名称";
        CallerKeyUnknown { name: String } =>
            "only a hash of the key of caller {name} is known, and this format needs the key; write key = \"${{NAME}}\" there in place of key_sha256",
            "只知道调用方 {name} 的密钥的散列，而这个格式需要密钥本身；在那里写 key = \"${{NAME}}\" 代替 key_sha256";
        SinkKeyTwice { key: String, at: String } =>
            "writes {key}, as the copy at {at} does; take another prefix, key, module or database for one of them",
            "会写 {key}，而 {at} 的副本也写它；其中一个换 prefix、key、module 或数据库";
        SinkAmongStores => "would write among the keys of [store]; take another prefix, key or database",
            "会写进 [store] 的键之中；换 prefix、key 或数据库";

        // Of callers.
        CallerName => "a caller's name has 1 to 64 letters, digits, dots, dashes, underscores or spaces",
            "调用方的名称有 1 到 64 个字母、数字、点、横线、下划线或空格";
        CallerTwice { at: String } => "there is a caller of this name already at {at}; names differ",
            "{at} 已经有同名的调用方；名称不能相同";
        CallerKeyTwice { at: String } => "is the key of the caller at {at} too; make another with `wxtoken key`",
            "{at} 的调用方也用这个密钥；用 `wxtoken key` 另生成一个";
        CallerKeyIsAdmin => "is the admin key too; make another with `wxtoken key`",
            "这也是管理密钥；用 `wxtoken key` 另生成一个";
        NoSuchApp { app: AppId } => "there is no [[app]] with appid {app}; add it, or take it out here",
            "没有 appid 为 {app} 的 [[app]]；加上它，或从这里去掉";
        StarAlone => "\"*\" means all apps and stands alone", "\"*\" 表示全部应用，只能单独写";
        CallPath => "a path begins with / and has whole, plain segments: \"/cgi-bin/message\"",
            "路径以 / 开头，由完整、普通的各段组成，例如 \"/cgi-bin/message\"";
        ReturnTo =>
            "write a whole address, as sites send it: https (http on this machine alone), a host in small letters, a path; without user, password, # and parameters called code, state or error, in ASCII, at most 1,024 characters: \"https://shop.example.com/wechat/back\"",
            "写完整的地址，与网站发送的一字不差：https（仅本机可用 http）、小写的主机名、路径；不含用户名、密码、#，参数里没有 code、state 和 error，只用 ASCII，最多 1,024 个字符，例如 \"https://shop.example.com/wechat/back\"";
        ReturnToWithoutUsers =>
            "needs \"users\" in allow: the caller redeems the code that its users bring back",
            "需要在 allow 里写 \"users\"：用户带回的 code 由这个调用方兑换";
        ReturnToTwice { url: String, at: String } =>
            "{url} belongs to the caller at {at} too, for an app of both; a page belongs to one caller, which alone may redeem what is brought there",
            "{url} 也属于 {at} 的调用方，而且有共同的应用；一个页面只属于一个调用方，带到那里的 code 只有它能兑换";
        SignOrigin { why: InvalidOrigin } => "this is no origin such as \"https://shop.example.com\": {why}",
            "这不是 \"https://shop.example.com\" 这样的来源：{why}";
        SignOriginsWithoutSign => "needs \"sign\" in allow: pages are signed for callers that may have it done",
            "需要在 allow 里写 \"sign\"：只为有这项权限的调用方签名";
        Network { why: InvalidNet } => "{why}", "{why}";
    }
}

bilingual! {
    /// What is not wrong but should be looked at.
    enum Remark {
        OpenFile { path: PathBuf } =>
            "{path} holds a secret and everyone on this machine can read it; run: chmod o-rwx {path}",
            "{path} 里有密钥，而这台机器上的所有人都能读；运行：chmod o-rwx {path}";
        ShortKey { name: String } => "{name} is short; `wxtoken key` makes one nobody guesses",
            "{name} 比较短；`wxtoken key` 生成的没人猜得到";
        ClassicNotTaken { app: AppId } =>
            "app {app}: lanes has \"classic\", but no classic token is fetched until take_over = true says that what other programs hold may die, initial_token gives one to adopt, or the app was in shadow mode before: then the token that was seen to live is taken over",
            "应用 {app}：lanes 里有 \"classic\"，但要等 take_over = true 表明可以让其他程序手里的令牌失效，或用 initial_token 给出现有的令牌，才会获取普通令牌";
        GatewayOnly { caller: String } =>
            "caller {caller}: without a key it is known at the gateway alone, by its address or its certificate",
            "调用方 {caller}：没有密钥，只有网关按来源地址或证书认得它";
        KeepsTooLong { caller: String, seconds: u32 } =>
            "caller {caller}: compat_expires_in = {seconds} has SDKs keep tokens longer than they live; it is right only when all its calls go through the gateway",
            "调用方 {caller}：compat_expires_in = {seconds} 会让 SDK 把令牌留得比有效期还久；只有它的全部调用都经过网关时才对";
    }
}

macro_rules! from_the_reason {
    ($($why:ty => $Variant:ident),+ $(,)?) => {
        $( impl From<$why> for Flaw {
            fn from(why: $why) -> Self {
                Self::$Variant { why }
            }
        } )+
    };
}

from_the_reason!(
    InvalidAddress => RedisAddress,
    InvalidAppId => AppId,
    InvalidKeyHash => KeyHash,
    InvalidMasterKey => MasterKey,
    InvalidNet => Network,
    InvalidOrigin => SignOrigin,
    InvalidPrefix => Prefix,
    InvalidQuantity => Quantity,
    InvalidTemplate => RedisKey,
    InvalidToken => Token,
    Incomplete => Variable,
);
