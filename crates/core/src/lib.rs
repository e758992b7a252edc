//! The rules of keeping WeChat credentials alive.
