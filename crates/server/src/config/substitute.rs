//! `${NAME}` and `${NAME:-default}` inside values. `$${` stands for `${` itself.
//!
//! The environment is a parameter; [`process_env`] is the one place that reads the process's own.

use std::borrow::Cow;

/// Looks a name up in the environment.
pub type Env<'a> = &'a (dyn Fn(&str) -> Option<String> + Sync);

/// The process's own environment.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]
pub fn process_env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Why a value cannot be completed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Incomplete {
    #[error("`${{` is never closed; write ${{NAME}}, or $${{ for the two characters themselves")]
    Open,
    #[error("`${{…}}` holds no name of a variable; write ${{NAME}} or ${{NAME:-default}}")]
    Name,
    #[error("the environment variable {0} is not set; set it, or write a default: ${{{0}:-…}}")]
    Unset(String),
    #[error(
        "an environment variable named here is not set; set it, or write a default: ${{NAME:-…}}"
    )]
    UnsetUnnamed,
}

/// The text with every variable put in. Borrowed when there is none.
pub(super) fn substitute<'t>(text: &'t str, env: Env<'_>) -> Result<Cow<'t, str>, Incomplete> {
    if !text.contains("${") {
        return Ok(Cow::Borrowed(text));
    }
    let mut done = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        if let Some(escaped) = before.strip_suffix('$') {
            done.push_str(escaped);
            done.push_str("${");
            rest = &from[2..];
            continue;
        }
        let end = from.find('}').ok_or(Incomplete::Open)?;
        done.push_str(before);
        done.push_str(&value_of(&from[2..end], env)?);
        rest = &from[end + 1..];
    }
    done.push_str(rest);
    Ok(Cow::Owned(done))
}

fn value_of(inside: &str, env: Env<'_>) -> Result<String, Incomplete> {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    let starts_well = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !starts_well || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err(Incomplete::Name);
    }
    match (env(name), default) {
        (Some(value), None) => Ok(value),
        (Some(value), Some(_)) if !value.is_empty() => Ok(value),
        (_, Some(default)) => Ok(default.to_owned()),
        // Whoever put a secret between the braces must not find it in the log.
        (None, None) if name.len() >= 16 && name.bytes().all(|b| b.is_ascii_hexdigit()) => {
            Err(Incomplete::UnsetUnnamed)
        }
        (None, None) => Err(Incomplete::Unset(name.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(text: &str) -> Result<String, Incomplete> {
        let env = |name: &str| match name {
            "KEY" => Some("k".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        substitute(text, &env).map(Cow::into_owned)
    }

    #[test]
    fn variables_and_defaults_are_put_in() {
        for (text, gives) in [
            ("plain $HOME {x}", "plain $HOME {x}"),
            ("${KEY}", "k"),
            ("a${KEY}b${KEY}c", "akbkc"),
            ("${NONE:-there}", "there"),
            ("${NONE:-}", ""),
            ("${EMPTY:-there}", "there"),
            ("${EMPTY}", ""),
            ("${KEY:-there}", "k"),
            ("$${KEY}", "${KEY}"),
            ("密${KEY}码", "密k码"),
        ] {
            assert_eq!(put(text).as_deref(), Ok(gives), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_completed_says_why() {
        assert_eq!(put("${NONE}"), Err(Incomplete::Unset("NONE".into())));
        assert_eq!(put("${"), Err(Incomplete::Open));
        assert_eq!(put("${}"), Err(Incomplete::Name));
        assert_eq!(put("${a b}"), Err(Incomplete::Name));
        assert_eq!(put("${abcdef0123456789}"), Err(Incomplete::UnsetUnnamed));
        assert_eq!(
            put("${NONE}").unwrap_err().to_string(),
            "the environment variable NONE is not set; set it, or write a default: ${NONE:-…}"
        );
    }
}
