//! The wxtoken server as a library: fetches, keeps and hands out WeChat credentials.

mod byte_set;
pub mod clock;
pub mod config;
pub mod gateway;
pub mod http;
pub mod jssdk;
pub mod keeper;
pub mod redis;
pub mod relay;
pub mod sdk;
pub mod services;
pub mod sink;
pub mod store;
pub mod survey;
pub mod telemetry;
pub mod users;
pub mod wechat;

pub use wxtoken_core::words;
