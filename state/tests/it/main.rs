//! Integration tests of `blockloom-state`.

#[cfg(test)]
mod mainnet;
