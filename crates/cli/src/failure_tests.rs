//! Everything a person may be told when something fails, in both languages.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use rustls::CertificateError;
use wxtoken_core::budget::BudgetKind;
use wxtoken_core::refresh::HeldBack;
use wxtoken_core::store::StoreError;
use wxtoken_server::config::{ConfigErrors, NoRandom, parse};
use wxtoken_server::gateway::GatewayError;
use wxtoken_server::http::listen::ListenError;
use wxtoken_server::http::listen::tls::{TlsError, why_unread};
use wxtoken_server::services::StartError;
use wxtoken_server::store::configured::NoStore;
use wxtoken_server::store::redis::Trouble as RedisTrouble;
use wxtoken_server::store::{ExportError, InvalidMasterKey, KeyFileError, MasterKey, OpenError};
use wxtoken_server::telemetry::AlreadySet;
use wxtoken_server::wechat::{BuildError, NoBase};

use super::*;
use crate::check::NoSuchApp;
use crate::check::apps::NotFinished;
use crate::client::said::Said;
use crate::client::target::InvalidTarget;
use crate::client::wire::NoAnswer;
use crate::client::{Door, Refusal, Server, Trouble};
use crate::explain::NoCode;
use crate::export::Unwritable;
use crate::import::Unreadable;
use crate::init::NotWritten;
use crate::passphrase::NoPassphrase;
use crate::refresh::NotForced;
use crate::serve::KeeperFailed;
use crate::settings::Unusable;
use crate::simulate::NoSimulator;
use crate::surroundings::NoSecret;

/// What is told, and a piece of the cure in English and in Chinese.
type Told = (&'static str, Sentence, &'static str, &'static str);

/// One of each variant; a variant that is not listed does not compile.
macro_rules! every {
    ($type:ty { $($variant:pat = $sample:expr => $en:literal, $zh:literal;)+ }) => {{
        const _: fn(&$type) = |error| match error { $($variant => {})+ };
        let all: Vec<Told> = vec![
            $((concat!(stringify!($type), " ", stringify!($variant)), Sentence::of(&$sample), $en, $zh)),+
        ];
        all
    }};
}

fn path() -> PathBuf {
    PathBuf::from("/srv/x")
}

fn denied() -> io::Error {
    io::ErrorKind::PermissionDenied.into()
}

fn reason() -> Sentence {
    Sentence::new("原因", "reason")
}

fn mistakes() -> ConfigErrors {
    parse("sever = 1", &path(), &|_| None).unwrap_err()
}

fn of_the_store() -> Vec<Told> {
    let mut all = every!(OpenError {
        OpenError::Held { .. } = OpenError::Held { folder: path(), holder: reason() } => "stop that process", "停掉那个进程";
        OpenError::WrongKey(_) = OpenError::WrongKey(path()) => "give the key it was made with", "给出创建它的那个主密钥";
        OpenError::PreviousKeyNeeded(_) = OpenError::PreviousKeyNeeded(path()) => "put that key back", "把那个密钥写回";
        OpenError::Newer { .. } = OpenError::Newer { path: path(), found: 9, known: 1 } => "Use the newer wxtoken", "换用新版";
        OpenError::Corrupt { .. } = OpenError::Corrupt { path: path(), reason: reason() } => "move it away", "移走";
        OpenError::FolderOpen { .. } = OpenError::FolderOpen { path: path(), mode: 0o777 } => "mode 0777", "权限 0777";
        OpenError::NotAFile(_) = OpenError::NotAFile(path()) => "move it away", "移走";
        OpenError::Unavailable { .. } = OpenError::Unavailable { path: path(), reason: reason() } => "reason", "原因";
    });
    all.extend(every!(KeyFileError {
        KeyFileError::Missing(_) = KeyFileError::Missing(path()) => "head -c 32 /dev/urandom | base64 > /srv/x", "head -c 32 /dev/urandom | base64 > /srv/x";
        KeyFileError::Lost { .. } = KeyFileError::Lost { key: path(), store: path() } => "put the key back", "把密钥放回去";
        KeyFileError::Open { .. } = KeyFileError::Open { path: path(), mode: 0o644, cure: reason() } => "reason", "原因";
        KeyFileError::Foreign { .. } = KeyFileError::Foreign { path: path(), owner: 7, by_root: true } => "sudo -u '#7'", "sudo -u '#7'";
        KeyFileError::Content { .. } = KeyFileError::Content { path: path(), source: InvalidMasterKey::Shape } => "head -c 32", "head -c 32";
        KeyFileError::NotAFile(_) = KeyFileError::NotAFile(path()) => "name the file", "写上主密钥所在的文件";
        KeyFileError::Io { .. } = KeyFileError::Io { path: path(), source: denied() } => "look at the owner", "检查";
    }));
    all.extend(every!(InvalidMasterKey {
        InvalidMasterKey::Shape = InvalidMasterKey::Shape => "head -c 32", "head -c 32";
        InvalidMasterKey::Placeholder = InvalidMasterKey::Placeholder => "head -c 32", "head -c 32";
        InvalidMasterKey::NoRandom = InvalidMasterKey::NoRandom => "/dev/urandom", "/dev/urandom";
    }));
    all.extend(every!(NoStore {
        NoStore::Missing(_) = NoStore::Missing(path()) => "[store] path", "[store] path";
        NoStore::Folder { .. } = NoStore::Folder { path: path(), source: denied() } => "make it, or give", "把它建好";
        NoStore::Key(_) = NoStore::Key(KeyFileError::Missing(path())) => "make one with", "这样生成";
        NoStore::Open(_) = NoStore::Open(OpenError::NotAFile(path())) => "move it away", "移走";
        NoStore::Redis(_) = NoStore::Redis(RedisTrouble::WrongKey) => "give the key they were made", "给出当初的主密钥";
        NoStore::Interrupted = NoStore::Interrupted => "start it again", "再启动一次";
    }));
    all.extend(every!(StoreError {
        StoreError::Unavailable(_) = StoreError::Unavailable(reason()) => "reason", "原因";
        StoreError::Stale(_) = StoreError::Stale(None) => "newer", "再试一次";
    }));
    all.extend(every!(HeldBack {
        HeldBack::Shadow = HeldBack::Shadow => "before its mode is live", "mode 改为 live";
        HeldBack::NotForceable = HeldBack::NotForceable => "only the access token", "只有 stable 通道";
        HeldBack::NeedsTakeOver = HeldBack::NeedsTakeOver => "take_over = true", "take_over = true";
        HeldBack::NoToken = HeldBack::NoToken => "refresh access_token first", "先 refresh access_token";
        HeldBack::OverBudget(_) = HeldBack::OverBudget(BudgetKind::Forced) => "grows back", "逐渐恢复";
        HeldBack::Unsaved = HeldBack::Unsaved => "takes writes", "让存储能写入";
        HeldBack::StoreAway = HeldBack::StoreAway => "cannot be reached", "连不上";
        HeldBack::ForceGap { .. } = HeldBack::ForceGap { in_ms: 4001 } => "in 5 s", "5 秒后再试";
        HeldBack::Elsewhere { .. } = HeldBack::Elsewhere { in_ms: 4000 } => "in 4 s", "4 秒后再试";
    }));
    all.extend(every!(ExportError {
        ExportError::WeakPassphrase = ExportError::WeakPassphrase => "five random words", "五个随机的词";
        ExportError::NotAnExport = ExportError::NotAnExport => "wxtoken export", "wxtoken export";
        ExportError::Newer(_) = ExportError::Newer(9) => "import it with that version", "用那个版本导入";
        ExportError::OtherSort(_) = ExportError::OtherSort(reason()) => "give that", "给出它";
        ExportError::WrongKey = ExportError::WrongKey => "it is the wrong one", "密钥不对";
        ExportError::Damaged(_) = ExportError::Damaged(7) => "another copy", "另一份拷贝";
        ExportError::Store { .. } = ExportError::Store { done: 3, source: StoreError::Stale(None) } => "run it again", "再运行一次";
        ExportError::NoRandom = ExportError::NoRandom => "/dev/urandom", "/dev/urandom";
        ExportError::Io(_) = ExportError::Io(denied()) => "look at its owner", "检查";
    }));
    all
}

fn of_a_start() -> Vec<Told> {
    let listen = || ListenError::System {
        place: "127.0.0.1:7200".into(),
        source: io::ErrorKind::AddrInUse.into(),
    };
    let tls = || rustls::Error::General("odd".into());
    let mut all = every!(StartError {
        StartError::NoStore(_) = StartError::NoStore(NoStore::Missing(path())) => "[store] path", "[store] path";
        StartError::Store(_) = StartError::Store(StoreError::Stale(None)) => "newer", "再试一次";
        StartError::Upstream(_) = StartError::Upstream(NoBase) => "base_url", "base_url";
        StartError::Gateway(_) = StartError::Gateway(GatewayError::Key) => "key", "报告";
        StartError::Client(_) = StartError::Client(BuildError::Proxy) => "[upstream]", "[upstream]";
        StartError::Listen(_) = StartError::Listen(listen()) => "ss -ltnp", "ss -ltnp";
        StartError::Tls(_) = StartError::Tls(TlsError::Empty(path())) => "must be PEM", "要写 PEM";
        StartError::Interrupted = StartError::Interrupted => "start it again", "再启动";
    });
    all.extend(every!(ListenError {
        ListenError::System { .. } = listen() => "set another `listen`", "改到别处";
        ListenError::Answered(_) = ListenError::Answered(path()) => "stop it first", "先停掉它";
        ListenError::NotASocket(_) = ListenError::NotASocket(path()) => "choose another path", "换一个路径";
    }));
    all.extend(every!(TlsError {
        TlsError::File { .. } = TlsError::File { what: reason(), path: path(), why: reason() } => "name a PEM file", "PEM 文件";
        TlsError::Empty(_) = TlsError::Empty(path()) => "must be PEM", "要写 PEM";
        TlsError::Unusable { .. } = TlsError::Unusable { cert: path(), key: path(), source: tls() } => "belong together", "是否配对";
        TlsError::ClientCa { .. } = TlsError::ClientCa { path: path(), reason: "odd".into() } => "in PEM form", "PEM 证书";
    }));
    all.extend(every!(GatewayError {
        GatewayError::Upstream(_) = GatewayError::Upstream(BuildError::Proxy) => "[upstream]", "[upstream]";
        GatewayError::Key = GatewayError::Key => "key", "报告";
    }));
    all.extend(every!(BuildError {
        BuildError::Root(_) = BuildError::Root(tls()) => "give PEM", "给出 CA 的 PEM";
        BuildError::Tls(_) = BuildError::Tls(tls()) => "report it", "报告";
        BuildError::Proxy = BuildError::Proxy => "proxy in [upstream]", "[upstream] proxy";
    }));
    all.extend(every!(NoBase { NoBase = NoBase => "base_url", "base_url"; }));
    all.extend(every!(NoRandom { NoRandom = NoRandom => "/dev/urandom", "/dev/urandom"; }));
    all.extend(every!(AlreadySet { AlreadySet = AlreadySet => "only once", "只能设置一次"; }));
    all.extend(every!(Unusable { Unusable(_) = Unusable(mistakes()) => "did you mean `server`?", "是不是想写 `server`"; }));
    all.extend(
        every!(KeeperFailed { KeeperFailed = KeeperFailed => "start wxtoken again", "重新启动"; }),
    );
    all
}

fn of_a_client() -> Vec<Told> {
    let said = || {
        let text = r#"{"type":"urn:wxtoken:problem:foreign-app","title":"x","detail":"see `apps`","detail_zh":"看它的 [[caller]] 里的 apps","reason":null}"#;
        Said::read(text.as_bytes()).unwrap()
    };
    let (door, url) = (Door::Api, || "http://127.0.0.1:7200".to_owned());
    let why = || NoAnswer::Connect(io::ErrorKind::ConnectionRefused.into());
    let mut all = every!(Trouble {
        Trouble::Address { .. } = Trouble::Address { door, why: InvalidTarget::Form } => "write http://", "写 http://";
        Trouble::KeyCharacters(_) = Trouble::KeyCharacters(door) => "set it again", "重新设置";
        Trouble::Authority(_) = Trouble::Authority(NoAnswer::Roots { path: "x.pem".into(), why: reason() }) => "PEM file", "PEM 文件";
        Trouble::Unaskable = Trouble::Unaskable => "report it", "报告";
        Trouble::NotRunning { .. } = Trouble::NotRunning { door, url: url(), why: why() } => "`wxtoken serve` starts it", "`wxtoken serve` 启动它";
        Trouble::Certificate { .. } = Trouble::Certificate { url: url(), why: NoAnswer::Certificate(CertificateError::UnknownIssuer) } => "set WXTOKEN_CA", "把 WXTOKEN_CA 设为";
        Trouble::OtherTongue { .. } = Trouble::OtherTongue { door, url: url(), why: NoAnswer::NotHttp } => "http:// or https://", "http:// 和 https://";
        Trouble::NoAnswer { .. } = Trouble::NoAnswer { url: url(), why: NoAnswer::TimedOut(Duration::from_secs(9)) } => "look at its log", "看看它的日志";
        Trouble::NoApp(_) = Trouble::NoApp("wx1".into()) => "wxtoken status", "wxtoken status";
        Trouble::Refused(_) = Trouble::from(Box::new(Refusal::TooMany(3))) => "try again in 3 s", "3 秒后再试";
    });
    all.extend(every!(Refusal {
        Refusal::Unauthorized { .. } = Refusal::Unauthorized { door, url: url() } => "WXTOKEN_KEY must hold", "WXTOKEN_KEY 里要放";
        Refusal::Forbidden(_) = Refusal::Forbidden(said()) => "see `apps`", "里的 apps";
        Refusal::NotFound(_) = Refusal::NotFound(said()) => "wxtoken status", "wxtoken status";
        Refusal::OtherDoor { .. } = Refusal::OtherDoor { door, url: url() } => "WXTOKEN_URL must name the API", "WXTOKEN_URL 要写业务接口";
        Refusal::TooMany(_) = Refusal::TooMany(3) => "try again in 3 s", "3 秒后再试";
        Refusal::NoLive(_) = Refusal::NoLive(said()) => "see `apps`", "里的 apps";
        Refusal::Other { .. } = Refusal::Other { status: 500, said: said() } => "see `apps`", "里的 apps";
        Refusal::NotOurs { .. } = Refusal::NotOurs { url: url(), status: 502 } => "is the address right?", "地址对吗";
    }));
    all.extend(every!(InvalidTarget {
        InvalidTarget::Form = InvalidTarget::Form => "write http://", "写 http://";
        InvalidTarget::Password = InvalidTarget::Password => "its own variable", "它自己的变量";
        InvalidTarget::Path = InvalidTarget::Path => "leave out", "去掉";
        InvalidTarget::RelativeSocket = InvalidTarget::RelativeSocket => "unix:/PATH", "unix:/SOCKET";
    }));
    // Parts of what is told above, where the cures are.
    let name = rustls_pki_types::ServerName::try_from("a b").unwrap_err();
    all.extend(every!(NoAnswer {
        NoAnswer::Connect(_) = why() => "cannot connect", "连不上：连接被拒绝";
        NoAnswer::Unknown(_) = NoAnswer::Unknown(denied()) => "host name", "主机名";
        NoAnswer::TimedOut(_) = NoAnswer::TimedOut(Duration::from_secs(9)) => "9 s", "9 秒";
        NoAnswer::Certificate(_) = NoAnswer::Certificate(CertificateError::Expired) => "expired", "过期";
        NoAnswer::Tls(_) = NoAnswer::Tls(denied()) => "TLS failed", "TLS 握手失败";
        NoAnswer::Name(_) = NoAnswer::Name(name) => "certificate", "证书";
        NoAnswer::Roots { .. } = NoAnswer::Roots { path: "x.pem".into(), why: reason() } => "reason", "原因";
        NoAnswer::NotHttp = NoAnswer::NotHttp => "not HTTP", "不是 HTTP";
        NoAnswer::Broken(_) = NoAnswer::Broken("odd".into()) => "broke", "断了";
    }));
    all
}

fn of_the_rest() -> Vec<Told> {
    let app = "wx0123456789abcdef".parse().unwrap();
    let address = (Ipv4Addr::LOCALHOST, 7202).into();
    let mut all = every!(NoSecret {
        NoSecret::Unset(_) = NoSecret::Unset("WXTOKEN_KEY") => "set it (or WXTOKEN_KEY_FILE", "设置它（或让 WXTOKEN_KEY_FILE";
        NoSecret::File { .. } = NoSecret::File { name: "WXTOKEN_KEY", path: path(), source: denied() } => "this user may read", "没有权限；让它指向这个用户能读的文件";
        NoSecret::Prompt(_) = NoSecret::Prompt(denied()) => "put it into a file", "放进文件";
    });
    all.extend(every!(NoPassphrase {
        NoPassphrase::Unset(_) = NoPassphrase::Unset(NoSecret::Unset("WXTOKEN_PASSPHRASE")) => "set it", "设置它";
        NoPassphrase::Differ = NoPassphrase::Differ => "try again", "再试一次";
    }));
    all.extend(every!(NotForced {
        NotForced::Ticket = NotForced::Ticket => "leave --force out", "去掉 --force";
        NotForced::NobodyToAsk = NotForced::NobodyToAsk => "add --yes", "加上 --yes";
        NotForced::NoneLeft = NotForced::NoneLeft => "without --force", "不带 --force";
    }));
    all.extend(every!(NotWritten {
        NotWritten::There(_) = NotWritten::There(path()) => "name another folder", "换一个文件夹";
        NotWritten::Unwritable { .. } = NotWritten::Unwritable { path: path(), source: denied() } => "you may write to", "你可以写的文件夹";
    }));
    all.extend(every!(Unwritable { Unwritable { .. } = Unwritable { path: path(), source: denied() } => "does not exist yet", "还不存在"; }));
    all.extend(every!(Unreadable { Unreadable { .. } = Unreadable { path: path(), source: denied() } => "this user may read", "能读的文件"; }));
    all.extend(every!(NoCode { NoCode = NoCode => "such as 40001", "40001 这样"; }));
    all.extend(every!(NoSuchApp { NoSuchApp(_) = NoSuchApp(app) => "[[app]]", "[[app]]"; }));
    all.extend(every!(NotFinished { NotFinished = NotFinished => "report it", "报告"; }));
    all.extend(every!(NoSimulator {
        NoSimulator(_) = NoSimulator(wxtoken_simulator::StartError::Listen { address, source: denied() }) => "another address or port", "换一个地址或端口";
    }));
    all
}

fn is_han(c: char) -> bool {
    ('\u{4e00}'..='\u{9fff}').contains(&c)
}

/// Four words of it in a row; commands, in backquotes or after `head` and the like, are the same in every language.
fn english_prose(text: &str) -> Option<String> {
    let plain: Vec<&str> = text.split('`').step_by(2).collect();
    let is_word = |word: &&str| word.len() > 1 && word.bytes().all(|b| b.is_ascii_lowercase());
    let words: Vec<&str> = plain.iter().flat_map(|text| text.split(' ')).collect();
    let mut runs = words.windows(4);
    runs.find(|run| run.iter().all(is_word))
        .map(|run| run.join(" "))
}

#[test]
fn whatever_fails_is_told_in_both_languages_with_its_cure() {
    let all = [of_the_store(), of_a_start(), of_a_client(), of_the_rest()].concat();
    assert!(all.len() > 80, "{}", all.len());
    for (name, told, en, zh) in all {
        assert!(told.zh.chars().any(is_han), "{name}: {}", told.zh);
        assert!(!told.en.chars().any(is_han), "{name}: {}", told.en);
        assert!(told.en.contains(en), "{name} has no cure: {}", told.en);
        assert!(told.zh.contains(zh), "{name} has no cure: {}", told.zh);
        let english = english_prose(&told.zh);
        assert_eq!(english, None, "{name}: {}", told.zh);
    }
}

#[test]
fn what_was_given_for_a_secret_is_told_in_neither_language() {
    const SECRET: &str = "98_Zk3q-vTx9LmN0pQrStUvWxYz";
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    let write = |text: String| std::fs::write(&file, text).unwrap();
    let mut told = Vec::new();
    for url in [
        format!("https://user:{SECRET}@host"),
        format!("http://host/{SECRET}"),
        SECRET.to_owned(),
    ] {
        told.extend(
            Server::new(Door::Api, url, "k")
                .err()
                .map(|e| Sentence::of(&e)),
        );
    }
    let broken = format!("{SECRET}\n");
    let unsent = Server::new(Door::Api, "http://h".into(), &broken);
    told.extend(unsent.err().map(|e| Sentence::of(&e)));
    write(SECRET.to_owned());
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let key = MasterKey::read_file(&file).err();
    told.extend(key.map(|e| Sentence::of(&e)));
    // A key on the line of its own heading, as some tools leave it.
    for text in [
        "-----BEGIN PRIVATE KEY----",
        "-----BEGIN PRIVATE KEY-----\n",
    ] {
        write(format!("{text}{SECRET}\n"));
        let read: Result<rustls_pki_types::PrivateKeyDer<'_>, _> =
            rustls_pki_types::pem::PemObject::from_pem_file(&file);
        told.extend(read.err().map(|e| why_unread(&e)));
    }
    assert_eq!(told.len(), 7);
    let bytes = format!("{:?}", SECRET.as_bytes());
    for one in told {
        for text in [&one.zh, &one.en] {
            assert!(!text.contains(&SECRET[..12]), "{text}");
            assert!(!text.contains(&bytes[1..30]), "{text}");
        }
    }
}
