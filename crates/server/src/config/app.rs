//! `[[app]]`: one WeChat app we hold credentials for.
//!
//! A hundred thousand of these are held in memory: what few apps have sits behind one pointer.

use wxtoken_core::app::{AppId, AppType};
use wxtoken_core::budget::Limits;
use wxtoken_core::credential::{Kind, Lane, Token};

use super::app_read::usual_limits;
use super::redis_sink::RedisSinkConfig;
use super::secret::Secret;
use super::sink::FileSinkConfig;
use super::url::BaseUrl;

/// One app. `Debug` shows no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// Its AppID.
    pub appid: AppId,
    /// Its AppSecret.
    pub secret: Secret,
    /// What people call it.
    pub name: Option<Box<str>>,
    /// What few apps have.
    pub(super) rare: Option<Box<Rare>>,
    /// What sort of account it is.
    pub app_type: AppType,
    /// Which lanes of the access token are kept, in which order.
    pub lanes: Lanes,
    /// What is handed out for it. Tickets without `access_token` are fine: the token is then kept, but not handed out.
    pub kinds: Kinds,
    /// The first classic fetch may kill what other programs hold.
    pub take_over: bool,
    /// Others fetch: what they write is watched, nothing is fetched and nothing handed out (`mode = "shadow"`).
    pub shadow: bool,
}

/// What few apps have.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Rare {
    pub(super) previous_secret: Option<Secret>,
    pub(super) initial_token: Option<Token>,
    pub(super) base_url: Option<BaseUrl>,
    pub(super) push_token: Option<Secret>,
    pub(super) limits: Option<Limits>,
    pub(super) files: Box<[FileSinkConfig]>,
    pub(super) redis: Box<[RedisSinkConfig]>,
}

impl App {
    /// An app as `appid` and `secret` alone describe it: an official account, its stable access token.
    #[must_use]
    pub fn new(appid: AppId, secret: Secret) -> Self {
        Self {
            appid,
            secret,
            name: None,
            rare: None,
            app_type: AppType::Official,
            lanes: Lanes::Stable,
            kinds: Kinds::NONE.with(Kind::AccessToken),
            take_over: false,
            shadow: false,
        }
    }

    /// The AppSecret before this one, during a change.
    #[must_use]
    pub fn previous_secret(&self) -> Option<&Secret> {
        self.rare.as_ref()?.previous_secret.as_ref()
    }

    /// An existing token to adopt, after a probe.
    #[must_use]
    pub fn initial_token(&self) -> Option<&Token> {
        self.rare.as_ref()?.initial_token.as_ref()
    }

    /// Where its calls go, if not where all go.
    #[must_use]
    pub fn base_url(&self) -> Option<&BaseUrl> {
        self.rare.as_ref()?.base_url.as_ref()
    }

    /// What WeChat signs with when it checks an address before it pushes anything there.
    #[must_use]
    pub fn push_token(&self) -> Option<&Secret> {
        self.rare.as_ref()?.push_token.as_ref()
    }

    /// How many calls a day may be made for it.
    #[must_use]
    pub fn limits(&self) -> Limits {
        let own = self.rare.as_ref().and_then(|rare| rare.limits);
        own.unwrap_or_else(|| usual_limits(self.app_type))
    }

    /// Whether all but its copies elsewhere is the same.
    pub(super) fn same_but_sinks(&self, other: &Self) -> bool {
        let without = |app: &Self| {
            let mut rare = app.rare.as_deref().cloned().unwrap_or_default();
            rare.files = Box::default();
            rare.redis = Box::default();
            rare
        };
        let plain = |app: &Self| {
            let may = (app.take_over, app.shadow);
            (app.appid, app.app_type, app.lanes, app.kinds, may)
        };
        plain(self) == plain(other)
            && self.secret == other.secret
            && self.name == other.name
            && (self.rare == other.rare || without(self) == without(other))
    }

    /// The files kept for it.
    #[must_use]
    pub fn files(&self) -> &[FileSinkConfig] {
        self.rare.as_ref().map_or(&[], |rare| &rare.files)
    }

    /// The copies kept for it in Redis.
    #[must_use]
    pub fn redis(&self) -> &[RedisSinkConfig] {
        self.rare.as_ref().map_or(&[], |rare| &rare.redis)
    }
}

/// Which lanes are kept; the first is handed out, the second stands by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lanes {
    /// The stable lane alone.
    Stable,
    /// The classic lane alone.
    Classic,
    /// Stable is handed out, classic stands by.
    StableThenClassic,
    /// Classic is handed out, stable stands by.
    ClassicThenStable,
}

impl Lanes {
    /// The lane handed out.
    #[must_use]
    pub const fn primary(self) -> Lane {
        match self {
            Self::Stable | Self::StableThenClassic => Lane::Stable,
            Self::Classic | Self::ClassicThenStable => Lane::Classic,
        }
    }

    /// The lane that stands by.
    #[must_use]
    pub const fn standby(self) -> Option<Lane> {
        match self {
            Self::Stable | Self::Classic => None,
            Self::StableThenClassic => Some(Lane::Classic),
            Self::ClassicThenStable => Some(Lane::Stable),
        }
    }

    /// Whether a lane is kept at all.
    #[must_use]
    pub fn contains(self, lane: Lane) -> bool {
        self.primary() == lane || self.standby() == Some(lane)
    }
}

/// A set of kinds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kinds(u8);

impl Kinds {
    /// No kind.
    pub const NONE: Self = Self(0);

    /// With this kind too.
    #[must_use]
    pub const fn with(self, kind: Kind) -> Self {
        Self(self.0 | 1 << kind as u8)
    }

    /// Whether a kind is in it.
    #[must_use]
    pub const fn contains(self, kind: Kind) -> bool {
        self.0 & 1 << kind as u8 != 0
    }

    /// The kinds in it, in the order of [`Kind::ALL`].
    pub fn iter(self) -> impl Iterator<Item = Kind> {
        Kind::ALL
            .into_iter()
            .filter(move |kind| self.contains(*kind))
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}
