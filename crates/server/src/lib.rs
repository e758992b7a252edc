//! The wxtoken server as a library.
