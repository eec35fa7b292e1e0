//! One block with the state it runs on.

use crate::{
    CliError, NodeArgs,
    rejection::{check_body_without_ommers, check_root},
    replay::{invalid, refused},
    rpc::{BlockHead, Client, Node, Read, Receipt, RpcError, RpcState},
    verify::spec_of,
};
use alloy_consensus::EMPTY_ROOT_HASH;
use alloy_genesis::ChainConfig;
use alloy_hardforks::EthereumHardfork;
use alloy_primitives::{Address, Bytes, keccak256};
use blockloom_engine::{
    BlockOutput, ChainSpec, Config, Engine, RecoveredBlock, validate_body, validate_output,
};
use blockloom_fixtures::{
    GenesisBlock,
    mainnet::{
        BlockDocument, Expected, ExpectedAccount, ExpectedReceipt, MainnetBlock, Witness,
        from_document,
    },
};
use blockloom_state::{AccountChange, BlockChanges};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::{Mutex, PoisonError},
};

/// A block that was fetched and executed, and agrees with its header.
#[derive(Clone, Debug)]
pub(crate) struct Fetched {
    /// Everything but the witness, as it is written.
    pub(crate) document: BlockDocument,
    /// The same, to be executed.
    pub(crate) block: MainnetBlock,
    /// The witness as it is written, where there is one.
    pub(crate) witness: Option<Value>,
}

/// Fetches blocks of one chain from one node.
#[derive(Debug)]
pub(crate) struct Fetcher {
    node: Node,
    source: String,
    config: Option<Box<ChainConfig>>,
    engine: Engine,
    proofs: bool,
    /// Methods the node turned out not to offer.
    missing: Mutex<BTreeSet<&'static str>>,
}

const TRACE: &str = "debug_traceBlockByNumber";
const WITNESS: &str = "debug_executionWitness";

impl Fetcher {
    /// Asks the node which chain it is on. Mainnet is known; the rules of any
    /// other chain are read from `genesis`.
    pub(crate) fn connect(
        url: &str,
        genesis: Option<&Path>,
        args: &NodeArgs,
    ) -> Result<Self, CliError> {
        let config = match genesis {
            Some(path) => Some(Box::new(GenesisBlock::load(path)?.config)),
            None => None,
        };
        if let (Some(path), Some(config)) = (genesis, &config) {
            ChainSpec::from_genesis(config)
                .map_err(|source| CliError::ChainSpec { path: path.to_owned(), source })?;
        }
        let node = Node::new(Client::new(url, args)?);
        let chain_id = node.chain_id()?;
        match &config {
            None if chain_id != 1 => return Err(CliError::ChainConfigNeeded { chain_id }),
            Some(config) if config.chain_id != chain_id => {
                return Err(CliError::OtherNode { chain_id, expected: config.chain_id });
            }
            _ => {}
        }
        let engine = Engine::new(Config { workers: 1, ..Config::default() })?;
        Ok(Self {
            node,
            source: format!("JSON-RPC, chain {chain_id}"),
            config,
            engine,
            proofs: args.proofs,
            missing: Mutex::default(),
        })
    }

    /// Chain id and forks, unless the chain is mainnet.
    pub(crate) fn config(&self) -> Option<&ChainConfig> {
        self.config.as_deref()
    }

    /// Block `number`, verified against its header and the node's receipts.
    pub(crate) fn fetch(&self, number: u64) -> Result<Fetched, CliError> {
        let (head, block) = self.node.block(number)?;
        let receipts = self.node.receipts(&head)?;
        let raw = self.document(&head, block, &receipts);
        let name = format!("block {number} of the node");
        let load = |document: BlockDocument| {
            from_document(document, self.config.clone(), Path::new(&name))
        };
        let loaded = load(raw.clone())?;
        let spec = spec_of(&loaded)
            .map_err(|source| CliError::ChainSpec { path: name.clone().into(), source })?;
        let recovered = self
            .engine
            .recover(loaded.block.clone())
            .map_err(|error| refused(number, loaded.hash, error))?;
        let check_body =
            if loaded.ommer_hashes.is_empty() { validate_body } else { check_body_without_ommers };
        check_body(&spec, &recovered.block).map_err(|error| invalid(&recovered, error.into()))?;
        let (read, output) = self.execute(&spec, &recovered, &head)?;
        check_receipts(&recovered, &output, &raw.expected.receipts)?;
        let witness = self.witness(&head, &read, &output)?;
        let mut expected = raw.expected.clone();
        if recovered.header().requests_hash.is_some() {
            expected.requests = Some(output.requests.iter().cloned().collect());
            expected.requests_hash = recovered.header().requests_hash;
        }
        let parsed = witness.as_ref().map(|(_, parsed)| parsed.clone());
        if let Some(parsed) = &parsed {
            check_witness(&recovered, parsed, &output)?;
            expected.post_state = Some(differences(&output.changes));
        }
        let document = BlockDocument {
            fork: fork(&spec, &recovered),
            block_hashes: read
                .block_hashes
                .iter()
                .map(|(n, hash)| (n.to_string(), *hash))
                .collect(),
            pre_state: read.accounts,
            codes: read.codes,
            expected,
            ..raw
        };
        let block = MainnetBlock { witness: parsed, ..load(document.clone())? };
        Ok(Fetched { document, block, witness: witness.map(|(written, _)| written) })
    }

    /// What the node says of the block, without the state it runs on.
    fn document(&self, head: &BlockHead, block: Value, receipts: &[Receipt]) -> BlockDocument {
        let expected = Expected {
            gas_used: head.gas_used.to(),
            // Without a status the root is of receipts that hold state roots.
            receipts_root: receipts
                .iter()
                .all(|receipt| receipt.status.is_some())
                .then_some(head.receipts_root),
            logs_bloom: head.logs_bloom,
            receipts: receipts
                .iter()
                .map(|receipt| ExpectedReceipt {
                    succeeded: receipt.status.map(|status| !status.is_zero()),
                    cumulative_gas_used: receipt.cumulative_gas_used.to(),
                    logs: receipt.logs.clone(),
                })
                .collect(),
            post_state: None,
            requests: None,
            requests_hash: None,
            block_access_list: None,
            block_access_list_hash: None,
        };
        BlockDocument {
            source: self.source.clone(),
            fork: String::new(),
            number: head.number.to(),
            block,
            block_hashes: BTreeMap::new(),
            pre_state: BTreeMap::new(),
            codes: BTreeMap::new(),
            expected,
        }
    }

    /// Executes the block on the node's state; gives what it read and did.
    ///
    /// Tracers differ in what they leave out, so if the result with a trace's
    /// help is not the header's, it is tried without.
    fn execute(
        &self,
        spec: &ChainSpec,
        block: &RecoveredBlock,
        head: &BlockHead,
    ) -> Result<(Read, BlockOutput), CliError> {
        let traces = self.optional(TRACE, || self.node.prestates(head))?;
        if let Some(traces) = traces
            && let Ok(done) = self.execute_on(spec, block, |state| state.prefill(traces))
        {
            return Ok(done);
        }
        self.execute_on(spec, block, |_| {})
    }

    fn execute_on(
        &self,
        spec: &ChainSpec,
        block: &RecoveredBlock,
        prepare: impl FnOnce(&RpcState<'_>),
    ) -> Result<(Read, BlockOutput), CliError> {
        let header = block.header();
        let parent = header.number.saturating_sub(1);
        let state = RpcState::new(&self.node, parent, header.parent_hash);
        prepare(&state);
        // An engine of its own: one that remembers code from block to block
        // would not ask for it again, and the block's file would lack it.
        let engine = Engine::new(Config { workers: 1, ..Config::default() })?;
        let result = engine.execute_sequential(spec, block, &state);
        let read = state.read();
        let output = match result {
            Ok(executed) => executed.output,
            Err(error) => {
                return Err(state
                    .into_failure()
                    .map_or_else(|| refused(header.number, block.hash, error), CliError::from));
            }
        };
        validate_output(spec, header, &output).map_err(|error| invalid(block, error.into()))?;
        Ok((read, output))
    }

    /// The block's witness, as it is written and as it is used: the node's own
    /// where it offers one, else one made of proofs, if those are asked for.
    fn witness(
        &self,
        head: &BlockHead,
        read: &Read,
        output: &BlockOutput,
    ) -> Result<Option<(Value, Witness)>, CliError> {
        let number = head.number.to();
        let offered = self.optional(WITNESS, || self.node.execution_witness(number))?;
        if let Some(written) = offered {
            let name = format!("the node's witness of block {number}");
            let parsed =
                Witness::parse(written.clone(), Path::new(&name), number, head.parent_hash)?;
            return Ok(Some((written, parsed)));
        }
        if !self.proofs {
            return Ok(None);
        }
        let witness = self.prove(head, read)?;
        // Where a block clears slots or accounts, its root may need nodes that
        // are on nobody's path; no proof has them.
        let state = witness.clone().into_state([], []);
        if state.is_ok_and(|state| state.root_after(&output.changes).is_err()) {
            return Ok(None);
        }
        let written = json!({
            "number": number,
            "parentStateRoot": witness.parent_state_root,
            "nodes": witness.nodes,
        });
        Ok(Some((written, witness)))
    }

    /// A witness from the proofs of everything the block read.
    fn prove(&self, head: &BlockHead, read: &Read) -> Result<Witness, RpcError> {
        let parent = head.number.to::<u64>().saturating_sub(1);
        let parent_state_root = self.node.state_root(parent, head.parent_hash)?;
        let mut nodes: BTreeSet<Bytes> = BTreeSet::new();
        let accounts = read.accounts.iter().map(|(address, account)| {
            (*address, account.storage.keys().copied().collect::<Vec<_>>())
        });
        let absent = read.absent.iter().map(|address| (*address, Vec::new()));
        for (address, slots) in accounts.chain(absent) {
            let proof = self.node.proof(address, &slots, head.parent_hash)?;
            // Development nodes are known to make up the root of their first
            // block.
            let root = proof.account_proof.first().map_or(EMPTY_ROOT_HASH, keccak256);
            if root != parent_state_root {
                let problem = "the proofs are not of the parent's state root".to_owned();
                return Err(RpcError::Malformed { method: "eth_getProof", problem });
            }
            nodes.extend(proof.account_proof);
            nodes.extend(proof.storage_proof.into_iter().flat_map(|slot| slot.proof));
        }
        Ok(Witness {
            parent_state_root,
            nodes: nodes.into_iter().collect(),
            codes: Vec::new(),
            ancestors: Vec::new(),
        })
    }

    /// The answer to `method`, which the node need not offer; once it said
    /// that it does not, it is not asked again.
    fn optional<T>(
        &self,
        method: &'static str,
        ask: impl FnOnce() -> Result<T, RpcError>,
    ) -> Result<Option<T>, RpcError> {
        let missing = || self.missing.lock().unwrap_or_else(PoisonError::into_inner);
        if missing().contains(method) {
            return Ok(None);
        }
        match ask() {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if error.is_unsupported() => {
                missing().insert(method);
                Ok(None)
            }
            // Offered, but not for this block, or not in a shape known here.
            Err(error) if error.is_refusal() => {
                tracing::debug!("going on without {method}: {error}");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// Checks that the execution's receipts are the node's.
fn check_receipts(
    block: &RecoveredBlock,
    output: &BlockOutput,
    expected: &[ExpectedReceipt],
) -> Result<(), CliError> {
    let got = output.receipts.iter().map(|receipt| ExpectedReceipt {
        succeeded: Some(receipt.success),
        cumulative_gas_used: receipt.cumulative_gas_used,
        logs: receipt.logs.clone(),
    });
    let same = |got: &ExpectedReceipt, expected: &ExpectedReceipt| {
        let status_agrees = expected.succeeded.is_none() || got.succeeded == expected.succeeded;
        status_agrees
            && (got.cumulative_gas_used, &got.logs)
                == (expected.cumulative_gas_used, &expected.logs)
    };
    let differs = got.zip(expected).position(|(got, expected)| !same(&got, expected));
    let position = if output.receipts.len() == expected.len() {
        differs
    } else {
        Some(differs.unwrap_or_else(|| output.receipts.len().min(expected.len())))
    };
    position.map_or(Ok(()), |transaction| {
        let (number, hash) = (block.header().number, block.hash);
        Err(CliError::OtherReceipt { number, hash, transaction })
    })
}

/// Checks the state root after the block with the help of a witness.
fn check_witness(
    block: &RecoveredBlock,
    witness: &Witness,
    output: &BlockOutput,
) -> Result<(), CliError> {
    let number = block.header().number;
    let failed =
        |source: Box<dyn std::error::Error + Send + Sync>| CliError::Witness { number, source };
    let state = witness.clone().into_state([], []).map_err(|error| failed(Box::new(error)))?;
    let root = state.root_after(&output.changes).map_err(|error| failed(Box::new(error)))?;
    check_root(block, root).map_err(|error| invalid(block, error))
}

/// Changes as a block file lists them.
fn differences(changes: &BlockChanges) -> BTreeMap<Address, Option<ExpectedAccount>> {
    let account = |change: &AccountChange| {
        change.after.map(|after| ExpectedAccount {
            balance: Some(after.balance),
            nonce: Some(after.nonce),
            code_hash: Some(after.code_hash),
            storage: change.slots.clone(),
        })
    };
    changes.accounts.iter().map(|(address, change)| (*address, account(change))).collect()
}

/// Name of the newest fork in force.
fn fork(spec: &ChainSpec, block: &RecoveredBlock) -> String {
    let active = EthereumHardfork::VARIANTS.iter().rev();
    let mut active = active.filter(|fork| spec.is_active(**fork, block.header()));
    active.next().map_or_else(String::new, |fork| fork.name().to_owned())
}
