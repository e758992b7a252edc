//! What WeChat SDKs keep in Redis: their keys and bytes, written, read back and recognised.
//!
//! Pure: values in, keys and bytes out. Must not know: Redis's client, when something is written, the configuration's form.
//!
//! [`Place`] is one credential as one SDK keeps it: its keys, what to write there ([`Place::entries`]), and what that SDK
//! sees in what is found there ([`Place::read`]). [`recognise`] goes the other way: from any key and its bytes to those who
//! may have written them. *Families* (`wxjava`, `easywechat`, …) know keys; `code` knows bytes.

mod code;
mod easywechat;
mod entry;
mod format;
mod key;
mod mask;
mod node;
mod own;
mod place;
mod powerwechat;
mod recognise;
mod senparc;
mod silenceper;
mod takeover;
mod template;
mod wechatpy;
mod wxjava;

#[cfg(test)]
mod tests;

pub use code::HashFields;
pub use entry::{Body, Content, Entry, Found, Held, Reading, Seen, Ttl, Value};
pub use format::{Format, Module, PhpCache};
pub use key::Key;
pub use mask::is_shown;
pub(crate) use mask::masked;
pub use place::{Place, Spec, Unfit};
pub use recognise::{Candidate, Kept, recognise};
pub use takeover::NotTakenOver;
pub use template::{InvalidTemplate, Template};
