//! `[[caller]]`: one program that may read credentials, and what it may do.

use std::num::NonZeroU32;

use wxtoken_core::app::AppId;

use super::network::IpNet;
use super::quantity::Rate;
use super::secret::KeyHash;
use crate::jssdk::Origin;

/// One caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// What people call it; unique.
    pub name: Box<str>,
    /// The hash of its key. `None`: it is known by its addresses, its certificate or an AppSecret alone.
    pub key: Option<KeyHash>,
    /// Which apps it may see.
    pub apps: AppScope,
    /// What it may do.
    pub allow: Permissions,
    /// Paths of WeChat's it may call through the gateway, by whole segments.
    pub call_paths: Box<[Box<str>]>,
    /// What it is handed for a token.
    pub hands_out: HandsOut,
    /// What the WeChat-compatible endpoints say in `expires_in`.
    pub compat_expires_in: CompatExpiresIn,
    /// How often it may ask; `None` is without limit.
    pub rate: Option<Rate>,
    /// How many requests it may have open; `None` is without limit.
    pub concurrency: Option<NonZeroU32>,
    /// Addresses it may come from; empty is anywhere.
    pub from: Box<[IpNet]>,
    /// A DNS name, in lower case: a client certificate that holds it names this caller in calls through the gateway.
    pub certificate: Option<Box<str>>,
    /// Pages that users may be sent back to from the OAuth relay, each compared as a whole, byte for byte.
    pub return_to: Box<[Box<str>]>,
    /// Where pages come from that it may have signed for the JS-SDK.
    pub sign_origins: Box<[Origin]>,
    /// Its key may stand in the path, `/k/{key}/…`.
    pub path_key: bool,
    /// The app's own AppSecret is accepted where a key may stand in `secret`: on the WeChat-compatible endpoints, and in the
    /// calls through the gateway that take one.
    pub accept_app_secret: bool,
}

impl Caller {
    /// A caller with a key that may read all apps' credentials, as `name`, `key` and `apps = ["*"]` describe it.
    #[must_use]
    pub fn new(name: &str, key: KeyHash) -> Self {
        Self {
            name: name.into(),
            key: Some(key),
            apps: AppScope::All,
            allow: Permissions::NONE.with(Permission::Read),
            call_paths: Box::new(["/".into()]),
            hands_out: HandsOut::Real,
            compat_expires_in: CompatExpiresIn::Remaining,
            rate: None,
            concurrency: None,
            from: Box::new([]),
            certificate: None,
            return_to: Box::new([]),
            sign_origins: Box::new([]),
            path_key: false,
            accept_app_secret: false,
        }
    }
}

/// Which apps a caller may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppScope {
    /// `["*"]`.
    All,
    /// These, sorted.
    Some(Box<[AppId]>),
}

impl AppScope {
    /// Whether there may be an app among both.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) | (_, Self::All) => true,
            (Self::Some(apps), other) => apps.iter().any(|app| other.contains(app)),
        }
    }

    /// Whether an app is among them.
    #[must_use]
    pub fn contains(&self, app: &AppId) -> bool {
        match self {
            Self::All => true,
            Self::Some(apps) => apps.binary_search(app).is_ok(),
        }
    }
}

/// One thing a caller may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// Read access tokens.
    Read,
    /// Read tickets. Comes with `Read` unless the caller is handed virtual tokens.
    Ticket,
    /// Send calls through the gateway.
    Call,
    /// Report a token dead.
    Report,
    /// Have pages signed for the JS-SDK.
    Sign,
    /// Exchange a mini-program's login code.
    Login,
    /// Read users' profiles.
    Users,
    /// Receive a user's `session_key`.
    SessionKey,
}

impl Permission {
    /// Every permission, in the order of the documentation.
    pub const ALL: [Self; 8] = [
        Self::Read,
        Self::Ticket,
        Self::Call,
        Self::Report,
        Self::Sign,
        Self::Login,
        Self::Users,
        Self::SessionKey,
    ];

    /// The name used in `allow`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Ticket => "ticket",
            Self::Call => "call",
            Self::Report => "report",
            Self::Sign => "sign",
            Self::Login => "login",
            Self::Users => "users",
            Self::SessionKey => "session_key",
        }
    }
}

/// A set of permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Permissions(u8);

impl Permissions {
    /// None at all.
    pub const NONE: Self = Self(0);

    /// With this one too.
    #[must_use]
    pub const fn with(self, permission: Permission) -> Self {
        Self(self.0 | 1 << permission as u8)
    }

    /// Whether this may be done.
    #[must_use]
    pub const fn allows(self, permission: Permission) -> bool {
        self.0 & 1 << permission as u8 != 0
    }
}

/// What a caller is handed for a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandsOut {
    /// WeChat's own value.
    Real,
    /// A virtual token, good at the gateway alone.
    Virtual,
}

/// What the WeChat-compatible endpoints say in `expires_in`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompatExpiresIn {
    /// The seconds that remain.
    Remaining,
    /// Always this many seconds.
    Fixed(u32),
    /// The seconds that remain and this many more, for an SDK that takes as many off.
    Add(u32),
}
