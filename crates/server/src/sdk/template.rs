//! A key as the operator writes it: text with `{appid}`, `{kind}`, `{type}` and `{secret}` in it.

use std::str::FromStr;

use wxtoken_core::app::AppId;
use wxtoken_core::credential::Kind;

use super::format::ticket_type;
use super::key::{Key, Part};
use crate::words::InChinese;

/// A key with places in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    AppId,
    Kind,
    Type,
    Secret,
}

/// Why a text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTemplate {
    /// Nothing.
    #[error("the key is empty; write one such as \"token:{{appid}}\"")]
    Empty,
    /// A place that is none.
    #[error(
        "in a key {{appid}}, {{kind}}, {{type}} and {{secret}} are filled in; for a brace itself write it twice"
    )]
    Place,
    /// Too long.
    #[error("a key has at most 512 characters")]
    TooLong,
}

impl InChinese for InvalidTemplate {
    fn in_chinese(&self) -> String {
        match self {
            Self::Empty => "键是空的；写成 \"token:{appid}\" 这样",
            Self::Place => "键里可以写 {appid}、{kind}、{type} 和 {secret}；要写花括号本身就写两个",
            Self::TooLong => "键最多 512 个字符",
        }
        .to_owned()
    }
}

impl FromStr for Template {
    type Err = InvalidTemplate;

    fn from_str(text: &str) -> Result<Self, InvalidTemplate> {
        if text.is_empty() {
            return Err(InvalidTemplate::Empty);
        }
        if text.len() > 512 {
            return Err(InvalidTemplate::TooLong);
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, after) = rest.split_at(at);
            push(&mut pieces, before);
            rest = if let Some(rest) = after.strip_prefix("{{") {
                push(&mut pieces, "{");
                rest
            } else if let Some(rest) = after.strip_prefix("}}") {
                push(&mut pieces, "}");
                rest
            } else {
                let (name, rest) = after
                    .strip_prefix('{')
                    .and_then(|inside| inside.split_once('}'))
                    .ok_or(InvalidTemplate::Place)?;
                pieces.push(named(name)?);
                rest
            };
        }
        push(&mut pieces, rest);
        Ok(Self(pieces))
    }
}

fn push(pieces: &mut Vec<Piece>, text: &str) {
    match pieces.last_mut() {
        Some(Piece::Text(before)) => before.push_str(text),
        _ if text.is_empty() => {}
        _ => pieces.push(Piece::Text(text.to_owned())),
    }
}

fn named(name: &str) -> Result<Piece, InvalidTemplate> {
    match name {
        "appid" => Ok(Piece::AppId),
        "kind" => Ok(Piece::Kind),
        "type" => Ok(Piece::Type),
        "secret" => Ok(Piece::Secret),
        _ => Err(InvalidTemplate::Place),
    }
}

impl Template {
    /// Whether the app's secret stands in it.
    #[must_use]
    pub fn has_secret(&self) -> bool {
        self.0.contains(&Piece::Secret)
    }

    /// The key; without a secret where one belongs there is none.
    pub(super) fn fill(&self, app: &AppId, kind: Kind, secret: Option<&str>) -> Option<Key> {
        let parts: Option<Vec<Part<'_>>> = self
            .0
            .iter()
            .map(|piece| {
                Some(match piece {
                    Piece::Text(text) => Part::Plain(text),
                    Piece::AppId => Part::Plain(app.as_str()),
                    Piece::Kind => Part::Plain(kind.name()),
                    Piece::Type => Part::Plain(ticket_type(kind).unwrap_or(kind.name())),
                    Piece::Secret => Part::Secret(secret?),
                })
            })
            .collect();
        parts.map(|parts| Key::of(&parts))
    }

    /// The text that reads back as the key `key`, with `{appid}` where the AppID stands.
    #[must_use]
    pub fn text_for(key: &str, app: &AppId) -> String {
        let escaped = key.replace('{', "{{").replace('}', "}}");
        escaped.replace(app.as_str(), "{appid}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> String {
        let app = "wx0123456789abcdef".parse().unwrap();
        let template: Template = text.parse().unwrap();
        let key = template
            .fill(&app, Kind::JsapiTicket, Some("s3cret"))
            .unwrap();
        String::from_utf8(key.as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn places_are_filled_and_doubled_braces_are_braces() {
        assert_eq!(
            filled("a:{appid}:{kind}:{type}:{secret}"),
            "a:wx0123456789abcdef:jsapi_ticket:jsapi:s3cret"
        );
        assert_eq!(filled("{{{appid}}}:t"), "{wx0123456789abcdef}:t");
        let app = "wx0123456789abcdef".parse().unwrap();
        let key = "x{y}:wx0123456789abcdef:t";
        assert_eq!(filled(&Template::text_for(key, &app)), key);
    }

    #[test]
    fn what_is_no_template_is_refused() {
        use InvalidTemplate::{Empty, Place, TooLong};
        let long = "x".repeat(513);
        for (text, why) in [
            ("", Empty),
            ("{app}", Place),
            ("a{", Place),
            ("a}", Place),
            (&*long, TooLong),
        ] {
            assert_eq!(text.parse::<Template>(), Err(why), "{text}");
        }
    }

    #[test]
    fn a_secret_in_a_key_is_masked_and_must_be_there() {
        let app = "wx0123456789abcdef".parse().unwrap();
        let template: Template = "k:{secret}".parse().unwrap();
        assert!(template.has_secret());
        assert_eq!(template.fill(&app, Kind::AccessToken, None), None);
        let key = template
            .fill(&app, Kind::AccessToken, Some("hush"))
            .unwrap();
        assert!(key.holds_secret());
        assert_eq!(format!("{key} {key:?}"), "k:*** Key(k:***)");
    }
}
