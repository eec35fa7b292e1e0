//! The engine against stock sequential revm.

mod mainnet;
mod property;
mod support;
mod traps;
