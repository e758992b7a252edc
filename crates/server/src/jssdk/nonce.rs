//! The random text that makes each signature another.

use aws_lc_rs::rand;

use crate::config::NoRandom;

/// A random text: 32 lower-case hex digits, the most that WeChat takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nonce(Box<str>);

impl Nonce {
    /// A new one.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn fresh() -> Result<Self, NoRandom> {
        let mut bytes = [0; 16];
        rand::fill(&mut bytes).map_err(|_| NoRandom)?;
        Ok(Self::of(bytes))
    }

    /// The one that these bytes make.
    #[must_use]
    pub fn of(bytes: [u8; 16]) -> Self {
        Self(super::sign::hex(&bytes).into())
    }

    /// One as it is, for worked examples.
    #[cfg(test)]
    pub(super) fn from_text(text: &str) -> Self {
        Self(text.into())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_has_32_hex_digits_and_no_two_are_the_same() {
        let (one, other) = (Nonce::fresh().unwrap(), Nonce::fresh().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.as_str().len(), 32);
        assert_eq!(
            Nonce::of([0xab; 16]).as_str(),
            "abababababababababababababababab"
        );
    }
}
