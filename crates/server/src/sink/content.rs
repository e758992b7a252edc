//! What a file sink's content looks like, format by format, and whether content that is found is ours.
//!
//! Pure: must not know files.

use serde::Serialize;
use wxtoken_core::app::AppId;
use wxtoken_core::clock::Now;
use wxtoken_core::credential::{Credential, Kind, Lane};
use zeroize::Zeroizing;

use crate::config::FileFormat;

/// Seconds by which the end of a value may look different from one look to the next, as clocks are.
const SLACK: u64 = 2;

/// What is written: a credential as seen at one moment.
struct Copy<'a> {
    app: &'a str,
    credential: &'a Credential,
    expires_in: u64,
    expires_at: u64,
}

/// The same names as the native API's answer.
#[derive(Serialize)]
struct Json<'a> {
    appid: &'a str,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    lane: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    access_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ticket: Option<&'a str>,
    expires_in: u64,
    expires_at: u64,
    generation: u64,
}

/// The whole content of the file; never empty.
pub(super) fn render(
    format: FileFormat,
    app: &AppId,
    credential: &Credential,
    now: Now,
) -> Zeroizing<String> {
    Zeroizing::new(render_copy(
        format,
        &Copy {
            app: app.as_str(),
            credential,
            expires_in: credential.expires.since(now.boot) / 1000,
            expires_at: expires_at(credential, now),
        },
    ))
}

/// Whether `found` is what [`render`] wrote for this credential, at whatever moment that was.
pub(super) fn is_ours(
    format: FileFormat,
    app: &AppId,
    credential: &Credential,
    now: Now,
    found: &str,
) -> bool {
    let number = |name| number_after(found, name);
    let copy = Copy {
        app: app.as_str(),
        credential,
        expires_in: number("expires_in").unwrap_or_default(),
        expires_at: number("expires_at")
            .or_else(|| number("EXPIRES_AT"))
            .unwrap_or_default(),
    };
    let as_written = Zeroizing::new(render_copy(format, &copy));
    *as_written == found && copy.expires_at.abs_diff(expires_at(credential, now)) <= SLACK
}

fn expires_at(credential: &Credential, now: Now) -> u64 {
    now.wall_at(credential.expires).unix_seconds()
}

fn render_copy(format: FileFormat, copy: &Copy<'_>) -> String {
    match format {
        FileFormat::Properties => properties(copy),
        FileFormat::Json => json(copy),
        FileFormat::Dotenv => dotenv(copy),
    }
}

/// As `java.util.Properties` reads it: in a value of visible ASCII only the backslash means something.
fn properties(copy: &Copy<'_>) -> String {
    let value = copy.credential.token.expose().replace('\\', "\\\\");
    format!(
        "{}={value}\nexpires_in={}\nexpires_at={}\n",
        copy.credential.kind.name(),
        copy.expires_in,
        copy.expires_at
    )
}

fn json(copy: &Copy<'_>) -> String {
    let value = Some(copy.credential.token.expose());
    let (access_token, ticket) = match copy.credential.kind {
        Kind::AccessToken => (value, None),
        Kind::JsapiTicket | Kind::CardTicket => (None, value),
    };
    let json = serde_json::to_string(&Json {
        appid: copy.app,
        kind: copy.credential.kind.name(),
        lane: copy.credential.lane.map(Lane::name),
        access_token,
        ticket,
        expires_in: copy.expires_in,
        expires_at: copy.expires_at,
        generation: copy.credential.generation.0,
    });
    // Texts and numbers only: there is nothing in it that could fail.
    json.unwrap_or_default() + "\n"
}

fn dotenv(copy: &Copy<'_>) -> String {
    let (name, expires) = match copy.credential.kind {
        Kind::AccessToken => ("WECHAT_ACCESS_TOKEN", "WECHAT_EXPIRES_AT"),
        Kind::JsapiTicket => ("WECHAT_JSAPI_TICKET", "WECHAT_JSAPI_TICKET_EXPIRES_AT"),
        Kind::CardTicket => ("WECHAT_CARD_TICKET", "WECHAT_CARD_TICKET_EXPIRES_AT"),
    };
    format!(
        "{name}={}\n{expires}={}\n",
        quoted(copy.credential.token.expose()),
        copy.expires_at
    )
}

/// A value as a shell and dotenv libraries read it; without quotes where none are needed, because `docker --env-file` would
/// take them as part of the value. WeChat's own tokens need none.
fn quoted(value: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:@%+,=".contains(c);
    if value.chars().all(plain) {
        return value.to_owned();
    }
    if !value.contains('\'') {
        return format!("'{value}'");
    }
    let mut out = String::with_capacity(value.len() + 8);
    out.push('"');
    for c in value.chars() {
        if matches!(c, '"' | '\\' | '$' | '`') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

/// The number that follows the last `name` and what stands between them in any of the formats.
fn number_after(text: &str, name: &str) -> Option<u64> {
    let (_, rest) = text.rsplit_once(name)?;
    let digits: String = rest
        .trim_start_matches(['"', ':', '='])
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    digits.parse().ok()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;
    use wxtoken_core::clock::{Boot, Wall};
    use wxtoken_core::credential::{Generation, Token, ValueId};

    pub(in super::super) const NOW: Now = Now {
        wall: Wall(1_795_000_000_999),
        boot: Boot(5_000),
    };
    const FORMATS: [FileFormat; 3] = [FileFormat::Properties, FileFormat::Json, FileFormat::Dotenv];

    pub(in super::super) fn app() -> AppId {
        "wx0123456789abcdef".parse().unwrap()
    }

    pub(in super::super) fn credential(value: &str, kind: Kind) -> Credential {
        Credential {
            kind,
            lane: (kind == Kind::AccessToken).then_some(Lane::Stable),
            token: Token::new(value).unwrap(),
            id: ValueId(1),
            generation: Generation(1_795_000_000_000),
            sent: Boot(4_000),
            expires: Boot(4_000 + 7_200_000),
            adopted: false,
        }
    }

    fn text(format: FileFormat, value: &str, kind: Kind) -> String {
        render(format, &app(), &credential(value, kind), NOW).to_string()
    }

    #[test]
    fn a_token_in_each_format() {
        let show = |format| text(format, "68_Ab-c", Kind::AccessToken);
        insta::assert_snapshot!(show(FileFormat::Properties), @r"
        access_token=68_Ab-c
        expires_in=7199
        expires_at=1795007199
        ");
        insta::assert_snapshot!(show(FileFormat::Json), @r#"{"appid":"wx0123456789abcdef","kind":"access_token","lane":"stable","access_token":"68_Ab-c","expires_in":7199,"expires_at":1795007199,"generation":1795000000000}"#);
        insta::assert_snapshot!(show(FileFormat::Dotenv), @r"
        WECHAT_ACCESS_TOKEN=68_Ab-c
        WECHAT_EXPIRES_AT=1795007199
        ");
    }

    #[test]
    fn a_ticket_in_each_format() {
        let show = |format| text(format, "T-1", Kind::JsapiTicket);
        insta::assert_snapshot!(show(FileFormat::Properties), @r"
        jsapi_ticket=T-1
        expires_in=7199
        expires_at=1795007199
        ");
        insta::assert_snapshot!(show(FileFormat::Json), @r#"{"appid":"wx0123456789abcdef","kind":"jsapi_ticket","ticket":"T-1","expires_in":7199,"expires_at":1795007199,"generation":1795000000000}"#);
        insta::assert_snapshot!(text(FileFormat::Dotenv, "T-1", Kind::CardTicket), @r"
        WECHAT_CARD_TICKET=T-1
        WECHAT_CARD_TICKET_EXPIRES_AT=1795007199
        ");
    }

    #[test]
    fn a_shell_reads_back_every_character_a_token_can_have() {
        let all: String = (b'!'..=b'~').map(char::from).collect();
        for value in [
            &*all,
            "68_plain-Token.1",
            "a$HOME`id`\"\\",
            "~x",
            "a#b",
            "it's",
        ] {
            let script = format!(
                "{}printf %s \"$WECHAT_ACCESS_TOKEN\"",
                text(FileFormat::Dotenv, value, Kind::AccessToken)
            );
            let shell = std::process::Command::new("sh")
                .arg("-c")
                .arg(script)
                .output();
            assert_eq!(String::from_utf8(shell.unwrap().stdout).unwrap(), value);
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_recognised_later_and_nothing_else_is(value in "[!-~]{1,80}", other in "[!-~]{1,80}", later in 0u64..7_000_000) {
            for format in FORMATS {
                let ours = credential(&value, Kind::AccessToken);
                let written = render(format, &app(), &ours, NOW);
                let now = Now { wall: NOW.wall.plus(later + 500), boot: NOW.boot.plus(later) };
                prop_assert!(is_ours(format, &app(), &ours, now, &written));
                let theirs = credential(&other, Kind::AccessToken);
                prop_assert_eq!(is_ours(format, &app(), &theirs, now, &written), value == other);
                prop_assert!(!is_ours(format, &app(), &ours, now, &written[..written.len() - 1]));
                prop_assert!(!is_ours(format, &app(), &ours, now, ""));
            }
        }

        #[test]
        fn any_text_can_be_looked_at(text in "\\PC{0,100}(expires_in|expires_at)?[=:\"]{0,3}[0-9]{0,30}") {
            for format in FORMATS {
                prop_assert!(!is_ours(format, &app(), &credential("x", Kind::CardTicket), NOW, &text));
            }
        }

        #[test]
        fn json_reads_back(value in "[!-~]{1,80}") {
            let json: serde_json::Value = serde_json::from_str(&text(FileFormat::Json, &value, Kind::AccessToken)).unwrap();
            prop_assert_eq!(json["access_token"].as_str(), Some(&*value));
        }
    }

    #[test]
    fn an_expiry_that_was_edited_is_not_ours() {
        for format in FORMATS {
            let written = text(format, "68_x", Kind::AccessToken);
            let edited = written.replace("1795007199", "1795009999");
            let ours = credential("68_x", Kind::AccessToken);
            assert!(!is_ours(format, &app(), &ours, NOW, &edited));
        }
    }
}
