//! The block around a state test, and how to take it away again.

use super::{super::engines::Engines, basics_of};
use alloy_consensus::Header;
use alloy_eips::{
    eip2935::HISTORY_STORAGE_ADDRESS, eip4788::BEACON_ROOTS_ADDRESS, eip4895::Withdrawals,
    eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS,
    eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS,
};
use alloy_hardforks::EthereumHardfork as Fork;
use alloy_primitives::{Address, B256, Bytes, U256};
use blockloom_engine::{
    Block, BlockOutput, ChainSpec, ChainSpecError, RecoveredBlock, Transaction,
};
use blockloom_fixtures::state_test::StateTest;
use blockloom_state::{AccountBasics, AccountChange, BlockChanges, MemoryState};

/// Contracts without which a block since Prague is invalid.
const REQUIRED: [Address; 2] =
    [WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS, CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS];

/// Everything about the block of a state test but its transactions.
pub(super) struct Setting {
    pub(super) spec: ChainSpec,
    pub(super) header: Header,
}

impl Setting {
    /// # Errors
    ///
    /// [`ChainSpecError`] if the test's network is none we know.
    pub(super) fn of(test: &StateTest) -> Result<Self, ChainSpecError> {
        let spec = ChainSpec::for_network(&test.network, test.chain_id, None)?;
        let header = header(test, &spec);
        Ok(Self { spec, header })
    }

    /// Why `test` cannot be held against a block, if it cannot.
    pub(super) fn unverifiable(&self, test: &StateTest) -> Option<&'static str> {
        let is_there = |address: &Address| basics_of(&test.pre, address).is_some();
        let is_called = (self.since(Fork::Cancun) && is_there(&BEACON_ROOTS_ADDRESS))
            || (self.since(Fork::Prague) && is_there(&HISTORY_STORAGE_ADDRESS))
            || (self.since(Fork::Prague) && REQUIRED.iter().any(is_there));
        is_called.then_some("its state has a contract that a block calls and a state test does not")
    }

    fn since(&self, fork: Fork) -> bool {
        self.spec.is_active(fork, &self.header)
    }

    /// The state the block runs on: `pre`, and stand-ins that do nothing for
    /// contracts no block can do without.
    pub(super) fn state(&self, pre: &MemoryState) -> MemoryState {
        let mut state = pre.clone();
        if self.since(Fork::Prague) {
            // STOP.
            let code_hash = state.insert_code(Bytes::from_static(&[0]));
            for address in REQUIRED {
                let basics = AccountBasics { balance: U256::ZERO, nonce: 1, code_hash };
                state.insert_account(address, basics);
            }
        }
        state
    }

    /// A block of `transactions` with their senders.
    pub(super) fn block(
        &self,
        transactions: impl IntoIterator<Item = (Transaction, Address)>,
    ) -> RecoveredBlock {
        let mut block = Block { header: self.header.clone(), ..Block::default() };
        block.body.withdrawals = self.header.withdrawals_root.map(|_| Withdrawals::default());
        let senders;
        (block.body.transactions, senders) = transactions.into_iter().unzip();
        RecoveredBlock { hash: B256::ZERO, block, senders }
    }

    /// Whether the transactions changed a stand-in.
    pub(super) fn touches_stand_ins(&self, output: &BlockOutput) -> bool {
        let changed = &output.changes.accounts;
        self.since(Fork::Prague) && REQUIRED.iter().any(|address| changed.contains_key(address))
    }

    /// Takes what the block paid for itself from the beneficiary again.
    pub(super) fn take_reward(&self, state: &mut MemoryState, engines: &Engines) {
        let beneficiary = self.header.beneficiary;
        if let Some(basics) = basics_of(state, &beneficiary) {
            let balance = basics.balance.wrapping_sub(self.reward(engines));
            state.insert_account(beneficiary, AccountBasics { balance, ..basics });
        }
    }

    /// What a block without transactions adds to the beneficiary.
    fn reward(&self, engines: &Engines) -> U256 {
        if self.since(Fork::Paris) {
            return U256::ZERO;
        }
        let empty = self.block([]);
        let state = MemoryState::new();
        let Ok(executed) = engines.any().execute_sequential(&self.spec, &empty, &state) else {
            return U256::ZERO;
        };
        let change = executed.output.changes.accounts.get(&self.header.beneficiary);
        change.and_then(|change| change.after).map_or(U256::ZERO, |basics| basics.balance)
    }

    /// Removes what only the block needed.
    pub(super) fn take_stand_ins(&self, state: &mut MemoryState) {
        if self.since(Fork::Prague) {
            REQUIRED.into_iter().for_each(|address| remove(state, address));
        }
    }

    /// Touches the beneficiary, as the reward of zero does that state tests
    /// pay: before EIP-161 that brings it into being, afterwards it removes it
    /// if it is empty.
    pub(super) fn touch_beneficiary(&self, state: &mut MemoryState) {
        let beneficiary = self.header.beneficiary;
        match basics_of(state, &beneficiary) {
            None if !self.since(Fork::SpuriousDragon) => {
                state.insert_account(beneficiary, AccountBasics::NOBODY);
            }
            Some(basics) if self.since(Fork::SpuriousDragon) && basics.is_empty() => {
                remove(state, beneficiary);
            }
            _ => {}
        }
    }
}

fn header(test: &StateTest, spec: &ChainSpec) -> Header {
    let env = &test.env;
    let (number, timestamp) = (env.number.to(), env.timestamp.to());
    let place = Header { number, timestamp, ..Header::default() };
    let since = |fork: Fork| spec.is_active(fork, &place);
    Header {
        beneficiary: env.beneficiary,
        gas_limit: env.gas_limit.saturating_to(),
        difficulty: if since(Fork::Paris) { U256::ZERO } else { env.difficulty },
        mix_hash: env.random.unwrap_or_default().into(),
        base_fee_per_gas: env.base_fee.filter(|_| since(Fork::London)).map(|fee| fee.to()),
        withdrawals_root: since(Fork::Shanghai).then_some(B256::ZERO),
        blob_gas_used: since(Fork::Cancun).then_some(0),
        excess_blob_gas: since(Fork::Cancun).then(|| env.excess_blob_gas.map_or(0, |gas| gas.to())),
        parent_beacon_block_root: since(Fork::Cancun).then_some(B256::ZERO),
        requests_hash: since(Fork::Prague).then_some(B256::ZERO),
        ..place
    }
}

fn remove(state: &mut MemoryState, address: Address) {
    let gone = AccountChange { after: None, wiped: true, slots: Default::default() };
    let mut changes = BlockChanges::default();
    changes.accounts.insert(address, gone);
    state.apply(&changes);
}
