//! Multi-version memories between blocks.

use blockloom_state::MultiVersionMemory;
use parking_lot::Mutex;
use std::sync::Arc;

/// Memories kept at most: one in use by each of two callers, and one that is
/// being cleaned for each.
const MAX_KEPT: usize = 4;

/// Memories as good as new, which need not be allocated, page by page, anew.
#[derive(Debug, Default)]
pub(crate) struct Memories {
    clean: Arc<Mutex<Vec<MultiVersionMemory>>>,
}

impl Memories {
    /// A memory for a block of `transactions` transactions.
    pub(crate) fn take(&self, transactions: usize) -> MultiVersionMemory {
        let kept = self.clean.lock().pop();
        match kept {
            Some(mut memory) => {
                memory.fit(transactions);
                memory
            }
            None => MultiVersionMemory::new(transactions),
        }
    }

    /// Takes back a memory after its block, and has it cleaned on `pool`, off
    /// the caller's path.
    pub(crate) fn give_back(&self, mut memory: MultiVersionMemory, pool: &rayon::ThreadPool) {
        let clean = Arc::clone(&self.clean);
        pool.spawn(move || {
            memory.clear();
            let mut clean = clean.lock();
            if clean.len() < MAX_KEPT {
                clean.push(memory);
            }
        });
    }
}
