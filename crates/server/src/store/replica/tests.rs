//! The store of a replica, with a real Redis.
