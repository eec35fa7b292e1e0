//! The file of a recorded case.

use super::Settings;
use crate::{CliError, verify::Difference};
use alloy_consensus::{BlockBody, Header};
use alloy_eips::{
    eip2718::{Decodable2718, Encodable2718},
    eip4895::{Withdrawal, Withdrawals},
};
use alloy_genesis::ChainConfig;
use alloy_primitives::{Address, B256, Bytes, U256};
use blockloom_engine::{Block, ChainSpec, RecoveredBlock, Transaction};
use blockloom_fixtures::{Allocation, allocate, allocation_of, handmade::Key};
use blockloom_state::MemoryState;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// What names of such files end with; `blockloom verify` knows them by it.
pub(crate) const SUFFIX: &str = ".case.json";

/// First field of every file: what it is, and which version of it.
const FORMAT: &str = "blockloom-case-1";

/// A block on which parallel and sequential execution differed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RecordedCase {
    format: String,
    /// Where it comes from: a command that finds it again, if there is one.
    pub origin: String,
    /// How the parallel run was set up.
    pub settings: Settings,
    /// The first location at which the two differed.
    pub difference: RecordedDifference,
    config: ChainConfig,
    block: RecordedBlock,
    /// State before the block, as far as it was read.
    pre: Allocation,
    block_hashes: BTreeMap<u64, B256>,
    /// Accounts as the parallel run was told of them, where that was not the
    /// same. The fault is then the base state's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    told_otherwise: Allocation,
    /// Locations that could not be read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    broken: Vec<Location>,
}

/// Where two results part ways.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RecordedDifference {
    transaction: Option<usize>,
    location: String,
    parallel: String,
    sequential: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RecordedBlock {
    hash: B256,
    header: Header,
    transactions: Vec<Sent>,
    ommers: Vec<Header>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    withdrawals: Option<Vec<Withdrawal>>,
}

/// A transaction as the network encodes it, and its sender: the signature may
/// be nobody's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Sent {
    sender: Address,
    raw: Bytes,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Location {
    address: Address,
    /// A slot; absent for the account itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    slot: Option<U256>,
}

/// What an execution was told by its base state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told<'a> {
    /// The sequential run.
    pub sequential: &'a MemoryState,
    /// The parallel run, if it need not be the same.
    pub parallel: Option<&'a MemoryState>,
    /// Locations that could not be read.
    pub broken: &'a [Key],
}

impl RecordedCase {
    /// The case of `block` under `spec`, on what the base state told.
    pub(crate) fn new(
        origin: String,
        settings: Settings,
        spec: &ChainSpec,
        block: &RecoveredBlock,
        told: Told<'_>,
        difference: &Difference,
    ) -> Self {
        let pre = allocation_of(told.sequential);
        let mut told_otherwise = told.parallel.map(allocation_of).unwrap_or_default();
        told_otherwise.retain(|address, account| pre.get(address) != Some(account));
        let broken = told.broken.iter().map(|key| match *key {
            Key::Account(address) => Location { address, slot: None },
            Key::Slot(address, slot) => Location { address, slot: Some(slot) },
        });
        Self {
            format: FORMAT.to_owned(),
            origin,
            settings,
            difference: RecordedDifference {
                transaction: difference.transaction,
                location: difference.location.clone(),
                parallel: difference.got.clone(),
                sequential: difference.expected.clone(),
            },
            config: spec.to_config(),
            block: RecordedBlock::of(block),
            pre,
            block_hashes: told.sequential.block_hashes().collect(),
            told_otherwise,
            broken: broken.collect(),
        }
    }

    /// Reads the case at `path`.
    ///
    /// # Errors
    ///
    /// [`CliError`] if the file cannot be read or is no recorded case.
    pub(crate) fn load(path: &Path) -> Result<Self, CliError> {
        let text = fs::read(path).map_err(|source| CliError::read(path, source))?;
        let bad = |reason: String| CliError::BadCase { path: path.to_owned(), reason };
        let case: Self = serde_json::from_slice(&text).map_err(|error| bad(error.to_string()))?;
        if case.format != FORMAT {
            return Err(bad(format!("it is {:?}, not {FORMAT:?}", case.format)));
        }
        case.block().map_err(bad)?;
        Ok(case)
    }

    /// Writes the case into `folder`, under a name of its own.
    ///
    /// # Errors
    ///
    /// [`CliError`] if the file cannot be written.
    pub(crate) fn save(&self, folder: &Path, name: &str) -> Result<PathBuf, CliError> {
        let path = folder.join(format!("{name}{SUFFIX}"));
        let failed = |source| CliError::Save { path: path.clone(), source };
        let text = serde_json::to_vec_pretty(self).map_err(|error| failed(error.into()))?;
        fs::create_dir_all(folder).map_err(failed)?;
        fs::write(&path, text).map_err(failed)?;
        Ok(path)
    }

    /// The rules of the block.
    ///
    /// # Errors
    ///
    /// If they are none.
    pub(crate) fn spec(&self) -> Result<ChainSpec, String> {
        ChainSpec::from_genesis(&self.config).map_err(|error| error.to_string())
    }

    /// The block itself.
    ///
    /// # Errors
    ///
    /// If a transaction does not decode.
    pub(crate) fn block(&self) -> Result<RecoveredBlock, String> {
        let RecordedBlock { hash, header, transactions, ommers, withdrawals } = self.block.clone();
        let senders = transactions.iter().map(|sent| sent.sender).collect();
        let decode = |(position, sent): (usize, Sent)| {
            Transaction::decode_2718_exact(&sent.raw)
                .map_err(|error| format!("transaction {position}: {error}"))
        };
        let transactions =
            transactions.into_iter().enumerate().map(decode).collect::<Result<_, _>>()?;
        let withdrawals = withdrawals.map(Withdrawals::new);
        let block = Block { header, body: BlockBody { transactions, ommers, withdrawals } };
        Ok(RecoveredBlock { hash, block, senders })
    }

    /// What the sequential run and the parallel one were told.
    pub(crate) fn states(&self) -> (MemoryState, MemoryState) {
        let with_hashes = |allocation: &Allocation| {
            let mut state = allocate(allocation);
            for (number, hash) in &self.block_hashes {
                state.set_block_hash(*number, *hash);
            }
            state
        };
        let mut otherwise = self.pre.clone();
        otherwise.extend(self.told_otherwise.clone());
        (with_hashes(&self.pre), with_hashes(&otherwise))
    }

    /// Locations that cannot be read.
    pub(crate) fn broken(&self) -> Vec<Key> {
        let key = |location: &Location| match location.slot {
            Some(slot) => Key::Slot(location.address, slot),
            None => Key::Account(location.address),
        };
        self.broken.iter().map(key).collect()
    }
}

impl RecordedBlock {
    fn of(block: &RecoveredBlock) -> Self {
        let body = &block.block.body;
        let sent = |(transaction, sender): (&Transaction, &Address)| Sent {
            sender: *sender,
            raw: transaction.encoded_2718().into(),
        };
        Self {
            hash: block.hash,
            header: block.header().clone(),
            transactions: body.transactions.iter().zip(&block.senders).map(sent).collect(),
            ommers: body.ommers.clone(),
            withdrawals: body.withdrawals.clone().map(Withdrawals::into_inner),
        }
    }
}
