//! Codes with what is translated of them.

use super::{desk::Desk, draft::Rules, translation::Translation};
use alloy_primitives::{B256, map::B256Map};
use revm::bytecode::Bytecode;
use std::cell::RefCell;

thread_local! {
    pub(super) static ATLAS: RefCell<Atlas> = RefCell::new(Atlas::new());
}

/// All translations of a thread.
///
/// They stay from block to block, as revm's analysis of code does, and like that
/// they depend on nothing but the code. When there are too many, or the rules
/// change, it starts over.
#[derive(Debug)]
pub(super) struct Atlas {
    codes: Vec<Translation>,
    by_hash: B256Map<usize>,
    /// The one that was asked for last.
    last: usize,
    rules: Option<Rules>,
    pub(super) desk: Desk,
}

impl Atlas {
    /// Passages that a thread keeps, some 150 bytes each with all that belongs to
    /// them.
    const MAX_PASSAGES: usize = 1 << 17;
    /// Codes that it keeps, translated or not, with a quarter of their length to
    /// count visits.
    const MAX_CODES: usize = 1 << 12;

    fn new() -> Self {
        Self {
            codes: Vec::new(),
            by_hash: B256Map::default(),
            last: 0,
            rules: None,
            desk: Desk::new(),
        }
    }

    /// The translation of `code`, whose hash that is said to be.
    #[inline(always)]
    pub(super) fn of(
        &mut self,
        hash: B256,
        code: &Bytecode,
        rules: Rules,
    ) -> (&mut Translation, &mut Desk) {
        let is_last = self.codes.get(self.last).is_some_and(|last| last.is_of(code));
        if !is_last || self.rules != Some(rules) {
            self.last = self.number_of(hash, code, rules);
        }
        (&mut self.codes[self.last], &mut self.desk)
    }

    fn is_full(&self) -> bool {
        self.desk.n_passages > Self::MAX_PASSAGES || self.codes.len() > Self::MAX_CODES
    }

    #[inline(never)]
    fn number_of(&mut self, hash: B256, code: &Bytecode, rules: Rules) -> usize {
        if self.rules != Some(rules) || self.is_full() {
            self.codes.clear();
            self.by_hash.clear();
            self.desk.n_passages = 0;
            self.rules = Some(rules);
        }
        let Self { codes, by_hash, desk, .. } = self;
        let number = *by_hash.entry(hash).or_insert_with(|| {
            codes.push(Translation::new(code, desk.patience));
            codes.len() - 1
        });
        let known = &mut codes[number];
        if !known.is_of(code) {
            // A copy, or other code whose hash somebody has made up.
            if known.is_same(code) {
                known.is_now_of(code);
            } else {
                *known = Translation::new(code, desk.patience);
            }
        }
        number
    }
}
