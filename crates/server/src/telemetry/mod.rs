//! What can be seen of the program from outside: its log and its metrics.
//!
//! Owns: how lines are written, which metrics exist, the wrappers that count. Must not know: what the numbers mean, and
//! any secret: nothing secret is ever given to this module.
//!
//! # Fields of log lines
//!
//! The same thing has the same name everywhere; a message reads alone, its values are fields as well.
//!
//! | field | holds |
//! |---|---|
//! | `app.id` | an AppID |
//! | `app.name` | the name the configuration gives it |
//! | `credential.kind` | `access_token`, `jsapi_ticket`, `card_ticket` |
//! | `lane` | `classic`, `stable` |
//! | `generation` | of the credential handed out |
//! | `valid_for_s` | seconds a credential has left |
//! | `endpoint` | WeChat's endpoint: `token`, `stable_token`, `ticket`, `probe` |
//! | `errcode`, `rid`, `seen_ip` | what WeChat answered, its name for the call, the address it saw |
//! | `host` | the upstream host a call went to |
//! | `alarm` | an alarm's stable name |
//! | `caller` | the name of a caller, never its key |
//! | `request.id` | the id given to a request |
//! | `peer` | the address a request came from |
//! | `path` | a file, or the path of a request without its query |
//! | `error` | an error and its causes in one line |
//! | `method`, `status` | of a forwarded call |
//! | `replayed` | whether a forwarded call was made again |
//! | `upstream_ms` | milliseconds WeChat took for a forwarded call |
//! | `store.trouble`, `lasted_ms` | what is wrong with the shared store, by its stable name; how long it was |
//! | `took_ms` | milliseconds something took |

mod calls;
mod census;
mod gather;
mod json;
mod log;
mod metered;
mod metrics;
mod moment;
mod outlet;
mod process;
mod sharing;
mod users;

pub use calls::Forwarded;
pub use census::{Census, State};
pub use gather::last_lines;
pub(crate) use gather::{flush, flush_due, gather};
pub use log::{AlreadySet, init, subscriber};
pub use metered::{MeteredSource, MeteredStore};
pub use metrics::{CONTENT_TYPE, Metrics};
pub use sharing::Sharing;
