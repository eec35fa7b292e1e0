//! Executors that run ahead against the executors they wrap, call by call.

mod builder;
mod callers;
mod chain;
mod conformance;
mod contract;
mod custom;
mod drive;
mod faults;
mod mainnet;
mod recorder;
mod stream;
mod telemetry;
