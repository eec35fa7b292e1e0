//! Cases that start alike, as one block: every odd corner in conflict with its
//! neighbours.
//!
//! What such a block gives nobody has written down, so the parallel runs are
//! held against the sequential one only.

use super::{
    super::{
        engines::Engines,
        verdict::{Finding, Verdict},
    },
    basics_of,
    setting::Setting,
};
use alloy_consensus::{EthereumTxEnvelope, Signed, Transaction as _};
use alloy_primitives::{Address, U256};
use blockloom_engine::{BlockError, ChainSpecError, InvalidBlock, Transaction};
use blockloom_fixtures::state_test::StateTest;
use blockloom_state::MemoryState;
use std::{collections::BTreeMap, sync::Arc};

/// Transactions a block is brought to at least, by repeating cases.
const LEAST: usize = 4;

/// Most cases in one block.
const MOST: usize = 48;

/// How often a block is run again without the transaction it is invalid for.
const ATTEMPTS: usize = 6;

/// Cases that share a state, an environment and a network.
pub(in super::super) struct Group<'t>(Vec<&'t StateTest>);

/// `tests` in groups, each in the order of the file.
pub(in super::super) fn groups(tests: &[StateTest]) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for test in tests.iter().filter(|test| test.transaction.is_ok()) {
        match groups.iter_mut().rev().find(|group| group.takes(test)) {
            Some(group) => group.0.push(test),
            None => groups.push(Group(vec![test])),
        }
    }
    groups
}

impl Group<'_> {
    fn takes(&self, test: &StateTest) -> bool {
        let first = self.0[0];
        self.0.len() < MOST
            && Arc::ptr_eq(&first.pre, &test.pre)
            && (&first.network, first.chain_id) == (&test.network, test.chain_id)
            && first.env == test.env
    }

    /// What a report calls the block.
    pub(in super::super) fn name(&self) -> String {
        format!("{} and {} more in one block", self.0[0].name, self.0.len() - 1)
    }

    /// Runs the cases in one block on every engine; where that is invalid for
    /// one of them, again without it, a few times.
    ///
    /// # Errors
    ///
    /// [`ChainSpecError`] if the network is none we know.
    pub(in super::super) fn verify(&self, engines: &Engines) -> Result<Verdict, ChainSpecError> {
        let mut setting = Setting::of(self.0[0])?;
        let mut cases: Vec<_> =
            self.0.iter().copied().cycle().take(self.0.len().max(LEAST)).collect();
        let mut findings = Vec::new();
        for _ in 0..ATTEMPTS {
            let asked = cases.iter().filter_map(|test| test.transaction.as_ref().ok());
            let asked = asked.map(|(transaction, _)| transaction.gas_limit());
            setting.header.gas_limit =
                asked.fold(0, u64::saturating_add).max(setting.header.gas_limit);
            let (state, transactions) = line_up(&setting, &cases);
            let block = setting.block(transactions);
            let runs = engines.run(&setting.spec, &block, &state);
            findings.extend(runs.departures.into_iter().map(|(workers, difference)| Finding {
                block: None,
                workers: Some(workers),
                difference,
            }));
            let Err(error) = runs.sequential else { break };
            let Some(position) = culprit(&error).filter(|_| cases.len() > 1) else { break };
            cases.remove(position);
        }
        Ok(Verdict::of(findings))
    }
}

/// The transactions of `cases` one after another, and the state for them.
///
/// Every second one is sent by a double of its sender, so that they depend on
/// each other by what they do, and not by their nonces alone.
fn line_up(setting: &Setting, cases: &[&StateTest]) -> (MemoryState, Vec<(Transaction, Address)>) {
    let mut state = setting.state(&cases[0].pre);
    let mut sent = BTreeMap::<Address, u64>::new();
    let mut transactions = Vec::with_capacity(cases.len());
    for (position, test) in cases.iter().enumerate() {
        let Ok((transaction, original)) = &test.transaction else { continue };
        let sender = if position % 2 == 0 { *original } else { double(*original, position) };
        if let Some(mut basics) = basics_of(&test.pre, original) {
            basics.balance = basics.balance.saturating_mul(U256::from(LEAST));
            state.insert_account(sender, basics);
        }
        let earlier = sent.entry(sender).or_default();
        let nonce = transaction.nonce().wrapping_add(*earlier);
        *earlier += 1;
        transactions.push((with_nonce(transaction, nonce), sender));
    }
    (state, transactions)
}

/// Another account, for the transaction at `position`.
fn double(sender: Address, position: usize) -> Address {
    let mut double = sender;
    double[0] ^= 0xd0;
    double[1] ^= position.to_le_bytes()[0] % 8;
    double
}

/// `transaction` with another nonce; its signature is then nobody's.
fn with_nonce(transaction: &Transaction, nonce: u64) -> Transaction {
    macro_rules! renumbered {
        ($signed:expr) => {{
            let signature = *$signed.signature();
            let mut unsigned = $signed.tx().clone();
            unsigned.nonce = nonce;
            Signed::new_unhashed(unsigned, signature).into()
        }};
    }
    match transaction {
        EthereumTxEnvelope::Legacy(signed) => renumbered!(signed),
        EthereumTxEnvelope::Eip2930(signed) => renumbered!(signed),
        EthereumTxEnvelope::Eip1559(signed) => renumbered!(signed),
        EthereumTxEnvelope::Eip4844(signed) => renumbered!(signed),
        EthereumTxEnvelope::Eip7702(signed) => renumbered!(signed),
    }
}

/// The transaction a block is invalid for.
fn culprit(error: &BlockError) -> Option<usize> {
    match error.as_invalid()? {
        InvalidBlock::Transaction { index, .. } | InvalidBlock::BlockGasExhausted { index, .. } => {
            Some(*index)
        }
        _ => None,
    }
}
