//! The headers of a call that say who sends it and for which app, wherever they were read.
//!
//! Must not know: what follows from them. Has no `Debug`, for a key is in it.

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName};

/// Names the app.
pub(crate) const APP: HeaderName = HeaderName::from_static("wxtoken-app");

/// How often a header was sent, and what it held.
#[derive(Clone, Copy, Default)]
pub(crate) enum Sent<'r> {
    /// It was not.
    #[default]
    Never,
    /// It was, with this value.
    Once(&'r [u8]),
    /// More often than that.
    Often,
}

impl<'r> Sent<'r> {
    /// It was sent once more.
    pub(crate) const fn and(self, value: &'r [u8]) -> Self {
        match self {
            Self::Never => Self::Once(value),
            Self::Once(_) | Self::Often => Self::Often,
        }
    }
}

/// How a call introduces itself.
#[derive(Clone, Copy, Default)]
pub(crate) struct Introduction<'r> {
    /// `Authorization`.
    pub(crate) authorization: Sent<'r>,
    /// [`APP`].
    pub(crate) app: Sent<'r>,
}

impl<'r> Introduction<'r> {
    /// What a request's headers say.
    pub(crate) fn in_headers(headers: &'r HeaderMap) -> Self {
        let sent = |name| {
            let values = headers.get_all(name).iter();
            values.fold(Sent::Never, |sent, value| sent.and(value.as_bytes()))
        };
        Self {
            authorization: sent(AUTHORIZATION),
            app: sent(APP),
        }
    }
}
