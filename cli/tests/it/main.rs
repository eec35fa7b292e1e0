//! The program as users run it: exit statuses, messages, output, and what it
//! leaves on disk.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bad_input;
mod bench;
mod cancel;
mod conformance;
mod crash;
mod data;
mod disk;
mod faults;
mod fuzz;
mod http;
mod inspect;
mod memory;
mod node;
mod pipeline;
mod program;
mod reorg;
mod replay;
mod serve;
mod shadow;
mod store;
mod verify;
mod witness;
