//! The hot path and hyper must understand any bytes alike.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| wxtoken_server::http::hot::oracle::check(bytes));
