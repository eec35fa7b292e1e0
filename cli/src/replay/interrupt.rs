//! Ctrl-C, and the polite request to end.

use signal_hook::{
    SigId,
    consts::{SIGINT, SIGTERM},
    flag, low_level,
};
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// Whether the user has asked for the end.
///
/// While one of these is alive, the first SIGINT or SIGTERM only sets it; a
/// second one ends the process as if nobody listened.
///
/// | call | by | ordering | pairs with |
/// | --- | --- | --- | --- |
/// | set | the signal handler | `SeqCst` | `is_requested`: a flag, nothing goes with it |
#[derive(Debug)]
pub(crate) struct Interrupt {
    requested: Arc<AtomicBool>,
    handlers: Vec<SigId>,
}

impl Interrupt {
    /// Listens from now on.
    pub(crate) fn listen() -> io::Result<Self> {
        let mut this = Self { requested: Arc::default(), handlers: Vec::new() };
        for signal in [SIGINT, SIGTERM] {
            // In this order: the first acts only if the flag was set before.
            let again = flag::register_conditional_default(signal, Arc::clone(&this.requested))?;
            this.handlers.push(again);
            this.handlers.push(flag::register(signal, Arc::clone(&this.requested))?);
        }
        Ok(this)
    }

    /// Whether the end has been asked for.
    pub(crate) fn is_requested(&self) -> bool {
        self.requested.load(Ordering::SeqCst)
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        self.handlers.drain(..).for_each(|handler| {
            low_level::unregister(handler);
        });
    }
}
