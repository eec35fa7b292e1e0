//! Integration tests of `blockloom-state`.

mod mainnet;
