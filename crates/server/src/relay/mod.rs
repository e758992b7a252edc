//! The OAuth relay without HTTP: one callback domain serves any number of sites.
//!
//! Owns: which pages users may be sent back to, the state that WeChat carries, what the browser keeps meanwhile, the codes
//! that sites redeem. Nothing is kept between `authorize` and `callback`: any replica with the same master key goes on.
//! Must not know: HTTP, what WeChat is asked.

mod flow;
mod keys;
mod link;
mod pages;
mod redeem;
mod state;

pub(crate) use flow::Flow;
pub use keys::RelayKeys;
pub(crate) use link::{SiteState, authorize_url, escape, site_url};
pub(crate) use pages::{owner, wants};
pub(crate) use redeem::{NotRedeemed, Redeemable};
pub(crate) use state::{Nonce, NotOurs};
