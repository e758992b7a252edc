//! What the administrator and WeChat's guards have decided about an account, its secret and its callers' addresses.

use serde::{Deserialize, Serialize};

use crate::errcode::Refusal;

/// The standing of the whole account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Account {
    /// Nothing is wrong.
    #[default]
    Good,
    /// 50007.
    Frozen,
    /// 50004: may not use tokens, as a punishment.
    Punished,
    /// 50002.
    Limited,
    /// 48004.
    Banned,
}

impl Account {
    pub(super) fn check(self) -> Result<(), Refusal> {
        match self {
            Self::Good => Ok(()),
            Self::Frozen => Err(Refusal::of(50007)),
            Self::Punished => Err(Refusal::of(50004)),
            Self::Limited => Err(Refusal::of(50002)),
            Self::Banned => Err(Refusal::of(48004)),
        }
    }
}

/// What the administrator said about a risky call from the caller's address (风险调用确认).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IpStanding {
    /// Nobody doubts it.
    #[default]
    Trusted,
    /// 89503: the administrator was asked just now.
    NeedsConfirmation,
    /// 89501: still waiting for the answer.
    Waiting,
    /// 89507: refused once, for an hour.
    RefusedOnce,
    /// 89506: refused twice, for a day.
    RefusedTwice,
}

impl IpStanding {
    pub(super) fn check(self) -> Result<(), Refusal> {
        match self {
            Self::Trusted => Ok(()),
            Self::NeedsConfirmation => Err(Refusal::of(89503)),
            Self::Waiting => Err(Refusal::of(89501)),
            Self::RefusedOnce => Err(Refusal::of(89507)),
            Self::RefusedTwice => Err(Refusal::of(89506)),
        }
    }
}
