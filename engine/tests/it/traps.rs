//! What other parallel executors have got wrong, each as a test of its own.
//!
//! Where an order of events is needed for the mistake, the test forces it: see
//! [`Gate`](crate::support::gate::Gate).

mod admission;
mod beneficiary;
mod creation;
mod delegation;
mod destruction;
mod drift;
mod faults;
mod nonce;
mod system;
mod transfers;
