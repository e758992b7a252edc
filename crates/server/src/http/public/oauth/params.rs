//! The parameters of an address, each at most once: of two, site and relay might read different ones.

use std::borrow::Cow;

use crate::http::input::decode;

/// The parameters.
pub(super) struct Params<'q>(Vec<(Cow<'q, str>, &'q str)>);

/// A parameter that stands there twice, or is no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ambiguous;

impl<'q> Params<'q> {
    pub(super) fn read(query: &'q str) -> Self {
        let pairs = query.split('&').filter_map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode(name)?, value))
        });
        Self(pairs.collect())
    }

    /// A parameter as it stands in the address.
    pub(super) fn raw(&self, name: &str) -> Result<Option<&'q str>, Ambiguous> {
        let mut found = self.0.iter().filter(|(key, _)| key == name);
        match (found.next(), found.next()) {
            (first, None) => Ok(first.map(|(_, value)| *value)),
            (_, Some(_)) => Err(Ambiguous),
        }
    }

    /// A parameter's text.
    pub(super) fn text(&self, name: &str) -> Result<Option<Cow<'q, str>>, Ambiguous> {
        let raw = self.raw(name)?;
        raw.map(|raw| decode(raw).ok_or(Ambiguous)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parameter_that_stands_there_twice_is_none_of_both() {
        let params = Params::read("a=1&b=%20x&a=2&c&d=%ff&e=1&%65=2");
        assert_eq!(params.text("a"), Err(Ambiguous));
        assert_eq!(params.text("b").unwrap().as_deref(), Some(" x"));
        assert_eq!(params.raw("b"), Ok(Some("%20x")));
        assert_eq!(params.raw("c"), Ok(Some("")));
        assert_eq!(params.text("d"), Err(Ambiguous));
        // An escaped name is the same name.
        assert_eq!(params.raw("e"), Err(Ambiguous));
        assert_eq!(params.raw("f"), Ok(None));
    }
}
