//! WeChat, played on loopback.
