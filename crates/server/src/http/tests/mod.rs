//! The doors as clients see them: a listener on loopback, bytes in and bytes out.

mod admin;
mod compat;
mod hostile;
mod listen;
mod native;
mod pool;
mod same_answers;
mod same_calls;
mod tls;
