//! Sinks in Redis: the rules with a clock moved by hand, then the whole against real servers.

mod real;
mod rules;
mod shadow;
mod world;
