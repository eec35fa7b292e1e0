//! One mainnet block against what an independent executor and the chain say.

use super::{
    difference::{Difference, Differences, between_logs, between_states},
    engines::Engines,
    verdict::{BlockName, Finding, Verdict},
};
use crate::{chain_of_causes, rejection::check_body_without_ommers};
use alloy_consensus::constants::ETH_TO_WEI;
use alloy_eips::eip7685::Requests;
use alloy_evm::eth::dao_fork::{DAO_HARDFORK_ACCOUNTS, DAO_HARDFORK_BENEFICIARY};
use alloy_primitives::{Address, Bytes, KECCAK256_EMPTY, U256, keccak256};
use blockloom_engine::{
    BlockOutput, ChainSpec, ChainSpecError, RecoveredBlock, receipts_root_and_bloom, validate_body,
    validate_output, validate_state_root,
};
use blockloom_fixtures::mainnet::{Expected, ExpectedAccount, MainnetBlock, Witness};
use blockloom_state::{AccountBasics, AccountChange, BlockChanges, MemoryState, WitnessState};
use std::{collections::BTreeMap, error::Error};

/// First blocks of the forks that changed what is expected here: the clearing
/// of empty accounts, the proof-of-work reward, and proof of stake, which pays
/// none.
const SPURIOUS_DRAGON: u64 = 2_675_000;
const BYZANTIUM: u64 = 4_370_000;
const CONSTANTINOPLE: u64 = 7_280_000;
const PARIS: u64 = 15_537_394;
/// Where the DAO's balances moved (EIP-779).
const DAO_FORK: u64 = 1_920_000;

/// Runs `block` on every engine and compares all there is to compare.
pub(crate) fn verify(block: &MainnetBlock, engines: &Engines) -> Verdict {
    let mut report = Report { number: block.number, findings: Vec::new() };
    let spec = match spec_of(block) {
        Ok(spec) => spec,
        Err(error) => return report.failed("chain", &error, "a fork schedule that makes a chain"),
    };
    let recovered = match engines.any().recover(block.block.clone()) {
        Ok(recovered) => recovered,
        Err(error) => return report.failed("senders", &error, "every signature is valid"),
    };
    report.add(between_identities(&recovered, block));
    let body = if block.ommer_hashes.is_empty() {
        validate_body(&spec, &block.block)
    } else {
        check_body_without_ommers(&spec, &block.block)
    };
    if let Err(error) = body {
        return report.failed("body", &error, "the body its header commits to");
    }
    let before = state_before(block);
    let runs = engines.run(&spec, &recovered, &before);
    for (workers, difference) in runs.departures {
        report.push(Some(workers), difference);
    }
    let output = match runs.sequential {
        Ok(output) => output,
        Err(error) => return report.failed("execution", &error, "a valid block"),
    };
    report.add(between_expected(&output, &block.expected));
    let mut state = before.clone();
    state.apply(&output.changes);
    if let Some(expected) = expected_state(block, before) {
        report.add(between_states(&state, &expected));
    }
    if let Err(error) = validate_output(&spec, recovered.header(), &output) {
        return report.failed("result", &error, "what the header commits to");
    }
    if let Some(witness) = &block.witness
        && let Err(error) = check_witness(&recovered, witness, &output)
    {
        return report.failed("state root", &*error, "the header's state root");
    }
    Verdict::of(report.findings)
}

/// The rules of the chain `block` is from.
pub(crate) fn spec_of(block: &MainnetBlock) -> Result<ChainSpec, ChainSpecError> {
    block
        .config
        .as_ref()
        .map_or_else(|| Ok(ChainSpec::mainnet()), |config| ChainSpec::from_genesis(config))
}

/// Hash and senders against what the file says.
fn between_identities(recovered: &RecoveredBlock, block: &MainnetBlock) -> Vec<Difference> {
    let mut found = Differences::default();
    found.check("block hash", &recovered.hash, &block.hash);
    found.check("number of senders", &recovered.senders.len(), &block.senders.len());
    for (tx_idx, (got, expected)) in recovered.senders.iter().zip(&block.senders).enumerate() {
        found.check_at(Some(tx_idx), || "sender".into(), got, expected);
    }
    found.into_vec()
}

/// Compares `output` with the independent executor's, the state aside.
fn between_expected(output: &BlockOutput, expected: &Expected) -> Vec<Difference> {
    let mut found = Differences::default();
    found.check("number of receipts", &output.receipts.len(), &expected.receipts.len());
    for (tx_idx, (got, expected)) in output.receipts.iter().zip(&expected.receipts).enumerate() {
        let at = Some(tx_idx);
        // Before Byzantium a receipt does not say whether its transaction
        // succeeded.
        if let Some(succeeded) = expected.succeeded {
            found.check_at(at, || "receipt status".into(), &got.success, &succeeded);
        }
        let (gas, expected_gas) = (got.cumulative_gas_used, expected.cumulative_gas_used);
        found.check_at(at, || "receipt cumulative gas".into(), &gas, &expected_gas);
        between_logs(tx_idx, &got.logs, &expected.logs, &mut found);
    }
    found.check("gas used", &output.gas_used, &expected.gas_used);
    let (receipts_root, logs_bloom) = receipts_root_and_bloom(&output.receipts);
    found.check("logs bloom", &logs_bloom, &expected.logs_bloom);
    if let Some(expected) = expected.receipts_root {
        found.check("receipts root", &receipts_root, &expected);
    }
    if let Some(requests) = &expected.requests {
        let expected = Requests::new(requests.clone());
        if output.requests != expected {
            let (got, expected) = (format!("{:?}", output.requests), format!("{expected:?}"));
            found.push(None, "requests".to_owned(), got, expected);
        }
    }
    if let Some(expected) = expected.requests_hash {
        found.check("requests hash", &output.requests.requests_hash(), &expected);
    }
    between_access_lists(output, expected, &mut found);
    found.into_vec()
}

/// Compares the block access list, byte for byte, where one is expected.
fn between_access_lists(output: &BlockOutput, expected: &Expected, found: &mut Differences) {
    let Some(expected_rlp) = &expected.block_access_list else { return };
    let Some(list) = &output.access_list else {
        found.check("block access list", "none", "one");
        return;
    };
    let rlp = Bytes::from(alloy_rlp::encode(list));
    found.check("block access list", &rlp, expected_rlp);
    if let Some(expected) = expected.block_access_list_hash {
        found.check("block access list hash", &keccak256(&rlp), &expected);
    }
}

/// The pre-state, without accounts that are listed as empty although none can
/// be: from Spurious Dragon on (EIP-161) that means they were looked at.
fn state_before(block: &MainnetBlock) -> MemoryState {
    let mut state = block.pre_state.clone();
    if block.number < SPURIOUS_DRAGON {
        return state;
    }
    let empty = AccountBasics { balance: U256::ZERO, nonce: 0, code_hash: KECCAK256_EMPTY };
    let absent = AccountChange { after: None, wiped: true, slots: BTreeMap::new() };
    let accounts = block
        .pre_state
        .accounts()
        .filter(|(_, account)| account.basics() == empty)
        .map(|(address, _)| (address, absent.clone()))
        .collect();
    state.apply(&BlockChanges { accounts, ..BlockChanges::default() });
    state
}

/// The state the block must end in: its pre-state, the expected differences,
/// and what those leave out, the rewards of proof of work and the DAO's move.
///
/// A block with ommers is executed without them, since their headers are not
/// in the data; so the reward here has no share for including them.
///
/// `None` if the differences are not known. Those of a chain that is not
/// mainnet leave nothing out.
fn expected_state(block: &MainnetBlock, before: MemoryState) -> Option<MemoryState> {
    let mut state = before;
    let accounts = block.expected.post_state.as_ref()?;
    let change = |(address, expected): (&Address, &Option<ExpectedAccount>)| {
        (*address, expected_change(&state, address, expected.as_ref()))
    };
    let accounts = accounts.iter().map(change).collect();
    state.apply(&BlockChanges { accounts, ..BlockChanges::default() });
    if block.config.is_some() {
        return Some(state);
    }
    if block.number == DAO_FORK {
        move_dao_balances(&mut state);
    }
    let reward = U256::from(block_reward(block.number));
    if !reward.is_zero() {
        credit(&mut state, block.block.header.beneficiary, reward);
    }
    Some(state)
}

fn expected_change(
    before: &MemoryState,
    address: &Address,
    expected: Option<&ExpectedAccount>,
) -> AccountChange {
    let Some(expected) = expected else {
        return AccountChange { after: None, wiped: true, slots: BTreeMap::new() };
    };
    let basics = basics(before, address);
    let after = AccountBasics {
        balance: expected.balance.unwrap_or(basics.balance),
        nonce: expected.nonce.unwrap_or(basics.nonce),
        code_hash: expected.code_hash.unwrap_or(basics.code_hash),
    };
    AccountChange { after: Some(after), wiped: false, slots: expected.storage.clone() }
}

/// Basics of an account; those of an empty one if it does not exist.
fn basics(state: &MemoryState, address: &Address) -> AccountBasics {
    let absent = AccountBasics { balance: U256::ZERO, nonce: 0, code_hash: KECCAK256_EMPTY };
    state.account(address).map_or(absent, |account| account.basics())
}

fn credit(state: &mut MemoryState, address: Address, amount: U256) {
    let mut account = basics(state, &address);
    account.balance += amount;
    state.insert_account(address, account);
}

/// Moves the balance of every DAO account to the refund contract (EIP-779).
fn move_dao_balances(state: &mut MemoryState) {
    let mut moved = U256::ZERO;
    for address in DAO_HARDFORK_ACCOUNTS {
        let mut account = basics(state, &address);
        moved += account.balance;
        account.balance = U256::ZERO;
        // Setting a balance brings an account into being, and before EIP-161
        // an empty one stays.
        state.insert_account(address, account);
    }
    credit(state, DAO_HARDFORK_BENEFICIARY, moved);
}

/// What proof of work pays for block `number`, in wei: five ether, three from
/// Byzantium (EIP-649), two from Constantinople (EIP-1234).
const fn block_reward(number: u64) -> u128 {
    let ether = match number {
        ..BYZANTIUM => 5,
        BYZANTIUM..CONSTANTINOPLE => 3,
        CONSTANTINOPLE..PARIS => 2,
        _ => 0,
    };
    ether * ETH_TO_WEI
}

/// Applies the changes to the parent's state trie and checks the root.
fn check_witness(
    block: &RecoveredBlock,
    witness: &Witness,
    output: &BlockOutput,
) -> Result<(), Box<dyn Error>> {
    let mut state = WitnessState::new(witness.parent_state_root, witness.nodes.iter().cloned());
    let root = state.apply(&output.changes)?;
    Ok(validate_state_root(block.header(), root)?)
}

/// Findings about one block.
struct Report {
    number: u64,
    findings: Vec<Finding>,
}

impl Report {
    fn push(&mut self, workers: Option<usize>, difference: Difference) {
        let block = Some(BlockName { position: 0, number: Some(self.number) });
        self.findings.push(Finding { block, workers, difference });
    }

    fn add(&mut self, differences: Vec<Difference>) {
        differences.into_iter().for_each(|difference| self.push(None, difference));
    }

    /// Ends the report with an error.
    fn failed(mut self, location: &str, error: &dyn Error, expected: &str) -> Verdict {
        let difference = Difference {
            transaction: None,
            location: location.to_owned(),
            got: chain_of_causes(error),
            expected: expected.to_owned(),
        };
        self.push(None, difference);
        Verdict::Failed(self.findings)
    }
}
