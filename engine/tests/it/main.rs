//! The engine against stock sequential revm.

mod client;
mod factory;
mod faults;
mod mainnet;
mod property;
mod support;
mod traps;
mod workloads;
