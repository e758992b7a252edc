//! A Java program reads `token.properties` the old way, through `java.util.Properties`. Needs a JDK (11 or later).

use std::fs;
use std::process::Command;

use wxtoken_core::clock::{Boot, Now, Wall};
use wxtoken_core::credential::{Credential, Generation, Kind, Lane, Token, ValueId};
use wxtoken_server::config::{FileFormat, FileSinkConfig};
use wxtoken_server::sink::FileSink;

const READER: &str = r#"
public class Reader {
    public static void main(String[] arguments) throws Exception {
        var properties = new java.util.Properties();
        try (var in = new java.io.FileInputStream(arguments[0])) { properties.load(in); }
        for (var name : new String[] {"access_token", "expires_in", "expires_at"}) System.out.println(properties.getProperty(name));
        System.out.println(properties.size());
    }
}
"#;

#[test]
fn java_reads_every_character_a_token_can_have() {
    let folder = tempfile::tempdir().unwrap();
    let value: String = (b'!'..=b'~').map(char::from).collect();
    let path = folder.path().join("token.properties");
    let config = FileSinkConfig {
        path: path.as_path().into(),
        format: FileFormat::Properties,
        kind: Kind::AccessToken,
        mode: Some(0o600),
        owner: None,
        group: None,
    };
    let credential = Credential {
        kind: Kind::AccessToken,
        lane: Some(Lane::Stable),
        token: Token::new(&value).unwrap(),
        id: ValueId(1),
        generation: Generation(1),
        sent: Boot(0),
        expires: Boot(7_200_000),
        adopted: false,
    };
    let now = Now {
        wall: Wall(1_795_000_000_000),
        boot: Boot(0),
    };
    let sink = FileSink::new("wx0123456789abcdef".parse().unwrap(), config);
    sink.write(&credential, now).unwrap();

    let program = folder.path().join("Reader.java");
    fs::write(&program, READER).unwrap();
    let java = Command::new("java")
        .args([&program, &path])
        .output()
        .expect("this test needs java: apt-get install default-jdk-headless");
    let said = String::from_utf8(java.stdout).unwrap();
    let errors = String::from_utf8_lossy(&java.stderr);
    assert_eq!(said, format!("{value}\n7200\n1795007200\n3\n"), "{errors}");
}
