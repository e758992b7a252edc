//! The documents hold what they promise: both READMEs alike, every configuration in them loadable, every command real.

use std::path::Path;

use crate::program::Run;

/// Documents whose configurations and commands a reader copies.
const TO_FOLLOW: [&str; 6] = [
    "README.md",
    "docs/deploy.md",
    "docs/adopt.md",
    "docs/redis-copies.md",
    "docs/replicas.md",
    "docs/users.md",
];

fn document(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::fs::read_to_string(root.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Every fenced block with its language.
fn blocks(text: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let body: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            blocks.push((language.to_owned(), body.join("\n")));
        }
    }
    blocks
}

fn heading_levels(text: &str) -> Vec<usize> {
    let mut in_block = false;
    let mut levels = Vec::new();
    for line in text.lines() {
        in_block ^= line.starts_with("```");
        if !in_block && line.starts_with('#') {
            levels.push(line.bytes().take_while(|b| *b == b'#').count());
        }
    }
    levels
}

#[test]
fn each_document_has_the_same_headings_commands_tables_and_lists_in_both_languages() {
    let begins = |text: &str, with: &[&str]| {
        text.lines()
            .filter(|l| with.iter().any(|w| l.starts_with(w)))
            .count()
    };
    for name in [
        "README",
        "docs/adopt",
        "docs/deploy",
        "docs/redis-copies",
        "docs/replicas",
        "docs/users",
        "docs/which-access-token",
    ] {
        let (english, chinese) = (
            document(&format!("{name}.md")),
            document(&format!("{name}.zh-CN.md")),
        );
        assert_eq!(heading_levels(&english), heading_levels(&chinese), "{name}");
        assert_eq!(blocks(&english), blocks(&chinese), "{name}");
        for with in [&["|"][..], &["- "], &["1.", "2.", "3.", "4.", "5."]] {
            assert_eq!(
                begins(&english, with),
                begins(&chinese, with),
                "{name}: {with:?}"
            );
        }
    }
}

/// The files a document links to, without anchors; addresses elsewhere are left out.
fn links(text: &str) -> Vec<&str> {
    let targets = text
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'));
    let files = targets.map(|(target, _)| target.split('#').next().unwrap_or_default());
    files
        .filter(|target| !target.is_empty() && !target.contains("://"))
        .collect()
}

#[test]
fn every_link_of_the_documents_leads_to_a_file_that_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for name in [
        "README.md",
        "README.zh-CN.md",
        "ARCHITECTURE.md",
        "docs/adopt.md",
        "docs/adopt.zh-CN.md",
        "docs/deploy.md",
        "docs/deploy.zh-CN.md",
        "docs/redis-copies.md",
        "docs/redis-copies.zh-CN.md",
        "docs/replicas.md",
        "docs/replicas.zh-CN.md",
        "docs/users.md",
        "docs/users.zh-CN.md",
        "docs/which-access-token.md",
        "docs/which-access-token.zh-CN.md",
    ] {
        let text = document(name);
        let folder = root.join(name).parent().unwrap().to_owned();
        assert!(!links(&text).is_empty(), "{name} links nowhere");
        for target in links(&text) {
            assert!(folder.join(target).exists(), "{name} links to {target}");
        }
    }
}

#[test]
fn the_readmes_first_two_commands_are_the_demo_and_the_tests() {
    let blocks = blocks(&document("README.md"));
    assert_eq!(blocks[0].1, "cargo run --release -p wxtoken -- demo");
    assert_eq!(blocks[1].1, "scripts/test");
}

#[test]
fn every_configuration_shown_loads() {
    let env = |name: &str| match name {
        "SHOP_SECRET" => Some("a".repeat(32)),
        "WXTOKEN_ADMIN_KEY" => Some("b".repeat(32)),
        "ORDERS_KEY" => Some("c".repeat(32)),
        "SHOP_WEB_KEY" => Some("d".repeat(32)),
        "SHOP_KEY" => Some("f".repeat(32)),
        "SHOP_PUSH_TOKEN" => Some("pushTOKEN".to_owned()),
        "REDIS_PASSWORD" => Some("e".repeat(32)),
        _ => None,
    };
    for name in TO_FOLLOW {
        for (_, text) in blocks(&document(name))
            .iter()
            .filter(|(language, _)| language == "toml")
        {
            let folder = tempfile::tempdir().unwrap();
            let whole = completed(text, folder.path());
            let read = wxtoken_server::config::parse(&whole, folder.path(), &env);
            assert!(read.is_ok(), "{name}:\n{whole}\n{}", read.unwrap_err());
        }
    }
}

/// What a fragment leaves out, and files of ours where it names some that a machine would have.
fn completed(text: &str, folder: &Path) -> String {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) = (folder.join("tls.pem"), folder.join("tls.key"));
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let closed = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&key, closed).unwrap();
    let mut whole = text
        .replace("/etc/wxtoken/tls/cert.pem", cert.to_str().unwrap())
        .replace("/etc/wxtoken/tls/key.pem", key.to_str().unwrap())
        .replace("group = \"wxclients\"", "group = \"root\"")
        .replace("/srv/shop", folder.to_str().unwrap())
        .replace("/srv/verify", folder.to_str().unwrap());
    let master = folder.join("master.key");
    std::fs::write(&master, "q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k=\n").unwrap();
    let closed = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&master, closed).unwrap();
    whole = whole.replace("/etc/wxtoken/master.key", master.to_str().unwrap());
    let of_an_app = ["[[app.file]]", "[[app.redis]]", "[[caller]]"];
    if of_an_app.iter().any(|begin| whole.starts_with(begin)) {
        whole = format!(
            "[[app]]\nappid = \"wx0123456789abcdef\"\nsecret = \"${{SHOP_SECRET}}\"\n{whole}"
        );
    }
    if !whole.contains("[admin]") {
        whole = format!("{whole}\n[admin]\nkey = \"${{WXTOKEN_ADMIN_KEY}}\"\n");
    }
    whole
}

#[test]
fn every_subcommand_and_option_the_documents_name_exists() {
    for name in TO_FOLLOW {
        for (language, text) in blocks(&document(name)) {
            let lines = text
                .lines()
                .filter(|_| ["sh", "ini"].contains(&language.as_str()));
            for line in lines.filter_map(|line| line.split_once("wxtoken ").map(|(_, rest)| rest)) {
                named(name, line);
            }
        }
    }
}

/// Holds one command line of a document against that subcommand's `--help`.
fn named(document: &str, line: &str) {
    let mut words = line.split([' ', ')']);
    let command = words.next().unwrap();
    if !command.chars().all(char::is_alphabetic) {
        return; // a path that ends in "wxtoken "
    }
    let help = Run::of(&[command, "--help"]).said();
    assert_eq!(help.code, 0, "{document}: wxtoken {line}");
    for option in words.filter(|word| word.starts_with("--")) {
        assert!(help.out.contains(option), "{document}: wxtoken {line}");
    }
}
