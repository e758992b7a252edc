//! The twelve rules of refreshing, one file each: every test's name is a promise.

#![cfg(test)]

mod bench;
mod parking;
mod rule_1;
mod rule_10;
mod rule_10_met;
mod rule_11;
mod rule_12;
mod rule_1_overlaps;
mod rule_2;
mod rule_3;
mod rule_4;
mod rule_5;
mod rule_6;
mod rule_7;
mod rule_8;
mod rule_9;
mod rule_9_taken_back;
mod shadow;
