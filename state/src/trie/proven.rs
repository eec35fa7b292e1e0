//! A proven state as an executor reads it.

use super::{WitnessError, WitnessState};
use crate::{
    AccountBasics, BlockChanges,
    memory::{account_info, analyse},
};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use revm::{
    DatabaseRef,
    context_interface::DBErrorMarker,
    primitives::KECCAK_EMPTY,
    state::{AccountInfo, Bytecode},
};
use std::collections::BTreeMap;

/// A [`WitnessState`] with the code and the block hashes that came with it:
/// all that executing a block without a database takes.
///
/// What it was not given it does not know. An account or slot is absent only
/// where the witness proves so; everything else is an error that names it.
#[derive(Clone, Debug)]
pub struct ProvenState {
    state: WitnessState,
    code: BTreeMap<B256, Bytecode>,
    block_hashes: BTreeMap<u64, B256>,
}

impl ProvenState {
    /// A state that knows no code and no block hashes yet.
    #[must_use]
    pub const fn new(state: WitnessState) -> Self {
        Self { state, code: BTreeMap::new(), block_hashes: BTreeMap::new() }
    }

    /// Adds code; it is found under its own hash.
    pub fn insert_code(&mut self, code: Bytes) {
        self.code.insert(keccak256(&code), analyse(code));
    }

    /// Sets the hash BLOCKHASH gives for block `number`.
    pub fn set_block_hash(&mut self, number: u64, hash: B256) {
        self.block_hashes.insert(number, hash);
    }

    /// Root of the state after `changes`; the state stays what it is.
    ///
    /// # Errors
    ///
    /// As [`WitnessState::apply`].
    pub fn root_after(&self, changes: &BlockChanges) -> Result<B256, WitnessError> {
        self.state.clone().apply(changes)
    }
}

/// Why a [`ProvenState`] has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProvenStateError {
    /// The witness does not prove the account or slot, one way or the other.
    #[error(transparent)]
    Witness(#[from] WitnessError),
    /// Code was asked for that did not come along.
    #[error("the witness lacks the code with hash {0}")]
    MissingCode(B256),
    /// The hash of a block was asked for that did not come along.
    #[error("the witness lacks the hash of block {0}")]
    MissingBlockHash(u64),
}

impl DBErrorMarker for ProvenStateError {}

impl DatabaseRef for ProvenState {
    type Error = ProvenStateError;

    fn basic_ref(&self, address: Address) -> Result<Option<AccountInfo>, Self::Error> {
        let leaf = self.state.account(&address)?;
        Ok(leaf.map(|leaf| {
            let (balance, nonce, code_hash) = (leaf.balance, leaf.nonce, leaf.code_hash);
            account_info(&AccountBasics { balance, nonce, code_hash })
        }))
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, Self::Error> {
        if code_hash == KECCAK_EMPTY {
            return Ok(Bytecode::default());
        }
        self.code.get(&code_hash).cloned().ok_or(ProvenStateError::MissingCode(code_hash))
    }

    fn storage_ref(&self, address: Address, index: U256) -> Result<U256, Self::Error> {
        Ok(self.state.slot(&address, index)?)
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Self::Error> {
        self.block_hashes.get(&number).copied().ok_or(ProvenStateError::MissingBlockHash(number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MemoryState;

    #[test]
    fn what_is_not_proven_is_an_error_that_names_it() {
        let mut memory = MemoryState::new();
        let (someone, nobody) = (Address::repeat_byte(1), Address::repeat_byte(2));
        memory.insert_account(someone, AccountBasics { nonce: 7, ..AccountBasics::NOBODY });
        // A trie of one leaf: the leaf proves its account and the absence of all others.
        let leaf = {
            use alloy_trie::{HashBuilder, Nibbles, proof::ProofRetainer};
            let path = Nibbles::unpack(keccak256(someone));
            let mut builder =
                HashBuilder::default().with_proof_retainer(ProofRetainer::new(vec![path]));
            let account = alloy_trie::TrieAccount { nonce: 7, ..Default::default() };
            builder.add_leaf(path, &alloy_rlp::encode(account));
            assert_eq!(builder.root(), memory.root());
            builder.take_proof_nodes().into_nodes_sorted().remove(0).1
        };
        let state = ProvenState::new(WitnessState::new(memory.root(), [leaf]));
        assert_eq!(state.basic_ref(someone).unwrap().unwrap().nonce, 7);
        assert_eq!(state.basic_ref(nobody), Ok(None));
        assert_eq!(state.storage_ref(nobody, U256::ONE), Ok(U256::ZERO));
        let hash = B256::repeat_byte(3);
        assert_eq!(state.code_by_hash_ref(hash), Err(ProvenStateError::MissingCode(hash)));
        assert_eq!(state.block_hash_ref(9), Err(ProvenStateError::MissingBlockHash(9)));

        let bare = ProvenState::new(WitnessState::new(memory.root(), []));
        let error = bare.basic_ref(someone).unwrap_err();
        assert!(error.to_string().contains(&someone.to_string()), "{error}");
        let error = bare.storage_ref(someone, U256::ONE).unwrap_err();
        assert!(error.to_string().contains(&someone.to_string()), "{error}");
    }
}
