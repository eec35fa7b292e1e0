//! The engine against stock sequential revm.

mod mainnet;
mod support;
mod traps;
