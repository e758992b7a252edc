//! What WeChat wants signed with a ticket or checked with a push token: pages for the JS-SDK, cards, the address for pushes.
//!
//! Pure: time, chance, tickets and tokens are parameters. Must not know: HTTP, where tickets come from, who may sign.

mod card;
mod nonce;
mod origin;
mod page;
mod push;
mod sign;

pub use card::{AddCard, ChooseCard, InvalidCard};
pub use nonce::Nonce;
pub use origin::{InvalidOrigin, Origin};
pub use page::{InvalidPageUrl, PageUrl};
pub use push::{Echo, InvalidEcho, PushCheck};
pub use sign::{Signature, page_signature};
