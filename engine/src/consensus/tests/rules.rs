//! Each rule by itself: a block that satisfies all of them, spoiled in one
//! place.

use crate::{
    block::{Block, Receipt, Transaction},
    chain_spec::ChainSpec,
    consensus::{
        Ancestor, BodyError, HeaderError, OmmerError, OutputError, receipts_root_and_bloom,
        validate_body, validate_header, validate_ommers, validate_output, validate_state_root,
    },
    output::BlockOutput,
};
use alloy_consensus::{
    BlockBody, Header, SignableTransaction, TxEip2930, TxEip4844, TxLegacy,
    constants::{EMPTY_ROOT_HASH, EMPTY_WITHDRAWALS},
    proofs::{calculate_ommers_root, calculate_transaction_root},
};
use alloy_eip7928::{AccountChanges, compute_block_access_list_hash};
use alloy_eips::eip7685::{EMPTY_REQUESTS_HASH, Requests};
use alloy_hardforks::EthereumHardfork as Fork;
use alloy_primitives::{Address, B64, B256, Bloom, Bytes, Log, Signature, U256, bytes, keccak256};

const BLOB: u64 = 131_072;

fn spec(network: &str) -> ChainSpec {
    ChainSpec::for_network(network, 1, None).unwrap()
}

/// A proof-of-stake header with every field of Amsterdam, and its valid child.
fn amsterdam() -> (Header, Header) {
    let parent = Header {
        number: 41,
        timestamp: 1000,
        gas_limit: 30_000_000,
        gas_used: 15_000_000,
        // So low that EIP-7918 does not bite.
        base_fee_per_gas: Some(10),
        withdrawals_root: Some(EMPTY_WITHDRAWALS),
        blob_gas_used: Some(14 * BLOB),
        excess_blob_gas: Some(3 * BLOB),
        parent_beacon_block_root: Some(B256::ZERO),
        requests_hash: Some(EMPTY_REQUESTS_HASH),
        block_access_list_hash: Some(compute_block_access_list_hash(&[])),
        slot_number: Some(7),
        ..Header::default()
    };
    let parent_hash = parent.hash_slow();
    let child = Header { parent_hash, number: 42, timestamp: 1012, ..parent.clone() };
    (parent, child)
}

/// A proof-of-work header of `gas_limit` and difficulty 2^22, and its child
/// `elapsed` seconds later.
fn proof_of_work(number: u64, elapsed: u64) -> (Header, Header) {
    let parent = Header {
        number: number - 1,
        timestamp: 1000,
        gas_limit: 8_000_000,
        difficulty: U256::from(1 << 22),
        ..Header::default()
    };
    let parent_hash = parent.hash_slow();
    let child = Header { parent_hash, number, timestamp: 1000 + elapsed, ..parent.clone() };
    (parent, child)
}

/// What is wrong with Amsterdam's child once `spoil` has been at it.
#[track_caller]
fn spoiled(spoil: impl FnOnce(&mut Header)) -> HeaderError {
    let (parent, mut child) = amsterdam();
    spoil(&mut child);
    validate_header(&spec("Amsterdam"), &child, &parent, parent.hash_slow()).unwrap_err()
}

#[test]
fn a_valid_child_passes() {
    let (parent, child) = amsterdam();
    assert_eq!(validate_header(&spec("Amsterdam"), &child, &parent, parent.hash_slow()), Ok(()));
}

#[test]
fn position_follows_from_the_parent() {
    let (parent, _) = amsterdam();
    let expected = parent.hash_slow();
    assert_eq!(
        spoiled(|header| header.parent_hash = B256::ZERO),
        HeaderError::ParentHash { got: B256::ZERO, expected }
    );
    assert_eq!(spoiled(|header| header.number = 43), HeaderError::Number { got: 43, expected: 42 });
    assert_eq!(
        spoiled(|header| header.timestamp = 1000),
        HeaderError::Timestamp { got: 1000, parent: 1000 }
    );
    let last = Header { number: u64::MAX, ..Header::default() };
    let child = Header { parent_hash: last.hash_slow(), ..Header::default() };
    assert_eq!(
        validate_header(&spec("Frontier"), &child, &last, last.hash_slow()),
        Err(HeaderError::ParentOutOfRange { field: "number" })
    );
}

#[test]
fn extra_data_is_short_and_marks_the_dao_fork() {
    assert_eq!(
        spoiled(|header| header.extra_data = vec![0; 33].into()),
        HeaderError::ExtraDataTooLong { got: 33, max: 32 }
    );
    let spec = spec("HomesteadToDaoAt5");
    for (number, marked, fails) in [
        (4, false, false),
        (5, false, true),
        (5, true, false),
        (14, false, true),
        (15, false, false),
    ] {
        let (parent, mut child) = proof_of_work(number, 11);
        let mark = if marked { bytes!("64616f2d686172642d666f726b") } else { Bytes::new() };
        child.extra_data = mark.clone();
        let expected = if fails { Err(HeaderError::DaoExtraData { got: mark }) } else { Ok(()) };
        assert_eq!(
            validate_header(&spec, &child, &parent, parent.hash_slow()),
            expected,
            "{number} {marked}"
        );
    }
}

#[test]
fn gas_limit_moves_slowly() {
    let bound = 30_000_000 / 1024;
    for limit in [30_000_000 - bound, 30_000_000 + bound] {
        assert_eq!(
            spoiled(|header| header.gas_limit = limit),
            HeaderError::GasLimitStep { got: limit, from: 30_000_000, bound }
        );
    }
    let (parent, mut child) = amsterdam();
    child.gas_limit = 30_000_000 + bound - 1;
    assert_eq!(validate_header(&spec("Amsterdam"), &child, &parent, parent.hash_slow()), Ok(()));
    for got in [0, 4999, 1 << 63] {
        assert_eq!(
            spoiled(|header| header.gas_limit = got),
            HeaderError::GasLimit { got, min: 5000, max: (1 << 63) - 1 }
        );
    }
    assert_eq!(
        spoiled(|header| header.gas_used = 30_000_001),
        HeaderError::GasUsedAboveLimit { got: 30_000_001, limit: 30_000_000 }
    );
}

#[test]
fn london_doubles_the_gas_limit_and_sets_the_base_fee() {
    let spec = spec("BerlinToLondonAt5");
    let (parent, mut child) = proof_of_work(5, 9);
    child.gas_limit = 16_000_000;
    child.base_fee_per_gas = Some(1_000_000_000);
    assert_eq!(validate_header(&spec, &child, &parent, parent.hash_slow()), Ok(()));
    child.base_fee_per_gas = Some(999_999_999);
    let (got, expected) = (Some(999_999_999), Some(1_000_000_000));
    assert_eq!(
        validate_header(&spec, &child, &parent, parent.hash_slow()),
        Err(HeaderError::BaseFee { got, expected })
    );
    child.gas_limit = 8_000_000;
    assert_eq!(
        validate_header(&spec, &child, &parent, parent.hash_slow()),
        Err(HeaderError::GasLimitStep { got: 8_000_000, from: 16_000_000, bound: 15_625 })
    );
    let (parent, mut child) = proof_of_work(4, 9);
    child.base_fee_per_gas = got;
    assert_eq!(
        validate_header(&spec, &child, &parent, parent.hash_slow()),
        Err(HeaderError::BaseFee { got, expected: None })
    );
}

#[test]
fn base_fee_follows_the_parents_gas() {
    let cases = [
        // (parent's gas used, parent's base fee, base fee)
        (15_000_000, 100, Some(100)),
        (30_000_000, 100, Some(112)),
        (0, 100, Some(88)),
        // The least step up is one; the least step down is none.
        (15_000_001, 7, Some(8)),
        (14_999_999, 7, Some(7)),
        (30_000_000, u64::MAX, None),
    ];
    for (gas_used, base_fee, expected) in cases {
        let (mut parent, mut child) = amsterdam();
        parent.gas_used = gas_used;
        parent.base_fee_per_gas = Some(base_fee);
        // Keeps EIP-7918 out of it.
        parent.blob_gas_used = Some(0);
        parent.excess_blob_gas = Some(0);
        child.excess_blob_gas = Some(0);
        child.parent_hash = parent.hash_slow();
        child.base_fee_per_gas = expected;
        let expected = match expected {
            Some(_) => Ok(()),
            None => Err(HeaderError::ParentOutOfRange { field: "base fee" }),
        };
        let spec = spec("Amsterdam");
        assert_eq!(validate_header(&spec, &child, &parent, child.parent_hash), expected);
    }
    assert_eq!(
        spoiled(|header| header.base_fee_per_gas = None),
        HeaderError::BaseFee { got: None, expected: Some(10) }
    );
}

#[test]
fn proof_of_stake_leaves_no_seal() {
    assert_eq!(
        spoiled(|header| header.difficulty = U256::ONE),
        HeaderError::Difficulty { got: U256::ONE, expected: U256::ZERO }
    );
    let got = B64::with_last_byte(1);
    assert_eq!(spoiled(|header| header.nonce = got), HeaderError::Nonce { got });
    assert_eq!(
        spoiled(|header| header.ommers_hash = B256::ZERO),
        HeaderError::OmmersHash { got: B256::ZERO }
    );
}

#[test]
fn difficulty_follows_the_parents_age() {
    const STEP: i64 = 2048;
    let cases = [
        // (network, seconds since the parent, steps of a 2048th)
        ("Frontier", 12, 1),
        ("Frontier", 13, -1),
        ("Frontier", 5000, -1),
        ("Homestead", 9, 1),
        ("Homestead", 10, 0),
        ("Homestead", 35, -2),
        ("Homestead", 5000, -99),
        ("Byzantium", 8, 1),
        ("Byzantium", 9, 0),
        ("Byzantium", 5000, -99),
    ];
    for (network, elapsed, steps) in cases {
        let (parent, mut child) = proof_of_work(7, elapsed);
        child.difficulty = U256::from((1_i64 << 22) + steps * STEP);
        let outcome = validate_header(&spec(network), &child, &parent, parent.hash_slow());
        assert_eq!(outcome, Ok(()), "{network} after {elapsed} s");
        child.difficulty += U256::ONE;
        let (got, expected) = (child.difficulty, child.difficulty - U256::ONE);
        let outcome = validate_header(&spec(network), &child, &parent, parent.hash_slow());
        assert_eq!(outcome, Err(HeaderError::Difficulty { got, expected }), "{network}");
    }
    // With ommers, EIP-100 wants the difficulty up by one step more.
    let (mut parent, mut child) = proof_of_work(7, 9);
    parent.ommers_hash = B256::ZERO;
    child.parent_hash = parent.hash_slow();
    child.difficulty = U256::from((1 << 22) + STEP);
    assert_eq!(validate_header(&spec("Byzantium"), &child, &parent, child.parent_hash), Ok(()));
}

#[test]
fn the_bomb_ticks_from_each_forks_delay() {
    let cases = [
        ("Frontier", 0),
        ("Homestead", 0),
        ("Byzantium", 3_000_000),
        ("Constantinople", 5_000_000),
        ("Istanbul", 5_000_000),
        ("Berlin", 9_000_000),
        ("London", 9_700_000),
        ("ArrowGlacier", 10_700_000),
        ("GrayGlacier", 11_400_000),
    ];
    for (network, delay) in cases {
        // Periods 1 and 2 are the last without and the first with a bomb.
        for (since, bomb) in [(199_999, 0), (200_000, 1), (3_299_999, 1 << 30)] {
            let (mut parent, mut child) = proof_of_work(delay + since, 11);
            // A difficulty no step moves.
            let difficulty = U256::from(0x2_0000);
            parent.difficulty = difficulty;
            child.timestamp = parent.timestamp + 18;
            if network.ends_with("don") || network.ends_with("Glacier") {
                parent.base_fee_per_gas = Some(7);
                child.base_fee_per_gas = Some(7);
            }
            child.parent_hash = parent.hash_slow();
            child.difficulty = difficulty + U256::from(bomb);
            let outcome = validate_header(&spec(network), &child, &parent, child.parent_hash);
            assert_eq!(outcome, Ok(()), "{network} + {since}");
        }
    }
    // A number of any size is only a number.
    let (parent, child) = proof_of_work(u64::MAX, 11);
    assert!(matches!(
        validate_header(&spec("Frontier"), &child, &parent, parent.hash_slow()),
        Err(HeaderError::Difficulty { expected: U256::MAX, .. })
    ));
}

#[test]
fn fields_come_with_their_forks() {
    let spoils: [(&str, Fork, fn(&mut Header)); 7] = [
        ("withdrawals root", Fork::Shanghai, |header| header.withdrawals_root = None),
        ("blob gas used", Fork::Cancun, |header| header.blob_gas_used = None),
        ("excess blob gas", Fork::Cancun, |header| header.excess_blob_gas = None),
        ("parent beacon block root", Fork::Cancun, |header| header.parent_beacon_block_root = None),
        ("requests hash", Fork::Prague, |header| header.requests_hash = None),
        ("block access list hash", Fork::Amsterdam, |header| header.block_access_list_hash = None),
        ("slot number", Fork::Amsterdam, |header| header.slot_number = None),
    ];
    for (field, fork, spoil) in spoils {
        assert_eq!(spoiled(spoil), HeaderError::MissingField { field, fork });
    }
    let early = [
        ("Paris", "withdrawals root", Fork::Shanghai),
        ("Shanghai", "blob gas used", Fork::Cancun),
        ("Cancun", "requests hash", Fork::Prague),
        ("BPO2", "block access list hash", Fork::Amsterdam),
    ];
    let (parent, child) = amsterdam();
    for (network, field, fork) in early {
        assert_eq!(
            validate_header(&spec(network), &child, &parent, child.parent_hash),
            Err(HeaderError::UnexpectedField { field, fork })
        );
    }
    let lists_only = spec("Amsterdam").with_access_lists_only();
    assert_eq!(
        validate_header(&lists_only, &child, &parent, child.parent_hash),
        Err(HeaderError::UnexpectedField { field: "slot number", fork: Fork::Amsterdam })
    );
}

#[test]
fn blob_gas_is_counted_in_blobs_and_carried_over() {
    assert_eq!(
        spoiled(|header| header.blob_gas_used = Some(BLOB + 1)),
        HeaderError::BlobGasUsedFraction { got: BLOB + 1, unit: BLOB }
    );
    assert_eq!(
        spoiled(|header| header.blob_gas_used = Some(22 * BLOB)),
        HeaderError::BlobGasUsedAboveLimit { got: 22 * BLOB, limit: 21 * BLOB }
    );
    assert_eq!(
        spoiled(|header| header.excess_blob_gas = Some(4 * BLOB)),
        HeaderError::ExcessBlobGas { got: 4 * BLOB, expected: 3 * BLOB }
    );
    // EIP-7918: where execution is dear, the target is discounted instead of
    // taken off. 14 blobs times (21 - 14) / 21 are 4 and two thirds.
    let (mut parent, mut child) = amsterdam();
    parent.base_fee_per_gas = Some(1_000_000);
    child.parent_hash = parent.hash_slow();
    child.base_fee_per_gas = Some(1_000_000);
    child.excess_blob_gas = Some(3 * BLOB + 14 * BLOB / 3);
    assert_eq!(validate_header(&spec("Amsterdam"), &child, &parent, child.parent_hash), Ok(()));
    // No parent is large enough to overflow the sum.
    parent.excess_blob_gas = Some(u64::MAX);
    child.parent_hash = parent.hash_slow();
    assert_eq!(
        validate_header(&spec("Amsterdam"), &child, &parent, child.parent_hash),
        Err(HeaderError::ParentOutOfRange { field: "blob gas" })
    );
}

/// A block of `header` and `transactions`, its roots filled in.
fn block(header: Header, transactions: Vec<Transaction>) -> Block {
    let transactions_root = calculate_transaction_root(&transactions);
    let withdrawals = header.withdrawals_root.map(|_| Vec::new().into());
    let header = Header { transactions_root, ..header };
    Block { header, body: BlockBody { transactions, ommers: Vec::new(), withdrawals } }
}

fn signature(s: U256) -> Signature {
    Signature::new(U256::ONE, s, false)
}

fn legacy(chain_id: Option<u64>, s: U256) -> Transaction {
    TxLegacy { chain_id, gas_limit: 21_000, ..TxLegacy::default() }.into_signed(signature(s)).into()
}

#[test]
fn bodies_are_the_headers() {
    let spec = spec("Osaka");
    let (_, header) = amsterdam();
    let header = Header { blob_gas_used: Some(0), ..header };
    let valid = block(header, vec![legacy(Some(1), U256::ONE)]);
    assert_eq!(validate_body(&spec, &valid), Ok(()));

    let mut other = valid.clone();
    other.body.transactions.clear();
    let expected = other.header.transactions_root;
    assert_eq!(
        validate_body(&spec, &other),
        Err(BodyError::TransactionsRoot { got: EMPTY_ROOT_HASH, expected })
    );
    let mut other = valid.clone();
    other.body.ommers.push(Header::default());
    let (got, expected) = (calculate_ommers_root(&other.body.ommers), other.header.ommers_hash);
    assert_eq!(validate_body(&spec, &other), Err(BodyError::OmmersHash { got, expected }));
    let mut other = valid;
    other.body.withdrawals = None;
    let (got, expected) = (None, Some(EMPTY_WITHDRAWALS));
    assert_eq!(validate_body(&spec, &other), Err(BodyError::WithdrawalsRoot { got, expected }));
}

#[test]
fn blocks_fit_eight_mebibytes_from_osaka_on() {
    let (_, header) = amsterdam();
    let header = Header { blob_gas_used: Some(0), ..header };
    let input = vec![1; 8 * 1024 * 1024].into();
    let long = TxLegacy { input, ..TxLegacy::default() }.into_signed(signature(U256::ONE)).into();
    let block = block(header, vec![long]);
    assert_eq!(validate_body(&spec("Prague"), &block), Ok(()));
    assert!(matches!(
        validate_body(&spec("Osaka"), &block),
        Err(BodyError::BlockTooLong { got, max: 8_388_608 }) if got > 8_388_608
    ));
}

#[test]
fn transactions_fit_their_fork() {
    let (_, header) = proof_of_work(7, 9);
    let tx = blockloom_scheduler::TxIdx::new(1);
    let first = legacy(None, U256::ONE);
    let typed = TxEip2930 { chain_id: 1, ..TxEip2930::default() }.into_signed(signature(U256::ONE));
    let early = block(header.clone(), vec![first.clone(), typed.into()]);
    assert_eq!(
        validate_body(&spec("Istanbul"), &early),
        Err(BodyError::TransactionType { tx, ty: 1, fork: Fork::Berlin })
    );
    assert_eq!(validate_body(&spec("Berlin"), &early), Ok(()));

    let s = U256::MAX >> 1;
    let malleated = block(header.clone(), vec![first.clone(), legacy(None, s)]);
    assert_eq!(validate_body(&spec("Frontier"), &malleated), Ok(()));
    assert_eq!(
        validate_body(&spec("Homestead"), &malleated),
        Err(BodyError::HighSignatureS { tx, s })
    );

    let named = block(header, vec![first, legacy(Some(1), U256::ONE)]);
    assert_eq!(
        validate_body(&spec("EIP150"), &named),
        Err(BodyError::EarlyChainId { tx, chain_id: 1 })
    );
    assert_eq!(validate_body(&spec("EIP158"), &named), Ok(()));
}

#[test]
fn blobs_add_up_to_the_headers_blob_gas() {
    let (_, header) = amsterdam();
    let blobs = TxEip4844 {
        chain_id: 1,
        blob_versioned_hashes: vec![B256::ZERO; 3],
        ..TxEip4844::default()
    };
    let transactions = vec![blobs.into_signed(signature(U256::ONE)).into()];
    let right = Header { blob_gas_used: Some(3 * BLOB), ..header.clone() };
    assert_eq!(validate_body(&spec("Osaka"), &block(right, transactions.clone())), Ok(()));
    let expected = Some(2 * BLOB);
    let wrong = Header { blob_gas_used: expected, ..header };
    assert_eq!(
        validate_body(&spec("Osaka"), &block(wrong, transactions)),
        Err(BodyError::BlobGasUsed { got: 3 * BLOB, expected })
    );
}

#[test]
fn ommers_branch_off_behind_the_parent() {
    let (parent, header) = proof_of_work(7, 9);
    let ancestors = [Ancestor { header: &parent, hash: parent.hash_slow(), ommers: &[] }];
    let ommer = Header { beneficiary: Address::with_last_byte(1), ..header.clone() };
    let hash = ommer.hash_slow();
    let with = |ommers: Vec<Header>| Block {
        header: header.clone(),
        body: BlockBody { ommers, ..BlockBody::default() },
    };
    assert_eq!(
        validate_ommers(&spec("London"), &with(vec![ommer.clone()]), &ancestors),
        Err(OmmerError::Sibling { hash })
    );
    assert_eq!(
        validate_ommers(&spec("Paris"), &with(vec![ommer.clone()]), &ancestors),
        Err(OmmerError::AfterMerge { got: 1 })
    );
    assert_eq!(
        validate_ommers(&spec("London"), &with(vec![ommer.clone(); 3]), &ancestors),
        Err(OmmerError::TooMany { got: 3, max: 2 })
    );
    assert_eq!(
        validate_ommers(&spec("London"), &with(vec![ommer]), &[]),
        Err(OmmerError::UnknownParent { hash, parent: header.parent_hash })
    );
    assert_eq!(validate_ommers(&spec("London"), &with(Vec::new()), &[]), Ok(()));
}

/// A header of Amsterdam, and an output that keeps its promises.
fn executed() -> (Header, BlockOutput) {
    let log = Log::new_unchecked(Address::ZERO, vec![keccak256(b"topic")], Bytes::new());
    let output = BlockOutput {
        receipts: vec![Receipt {
            success: true,
            cumulative_gas_used: 30_000,
            logs: vec![log],
            ..Receipt::default()
        }],
        requests: Requests::new(vec![bytes!("00ff")]),
        gas_used: 30_000,
        blob_gas_used: BLOB,
        changes: Default::default(),
        access_list: Some(vec![AccountChanges::new(Address::ZERO)]),
    };
    let (receipts_root, logs_bloom) = receipts_root_and_bloom(&output.receipts);
    let (_, header) = amsterdam();
    let header = Header {
        gas_used: 30_000,
        blob_gas_used: Some(BLOB),
        receipts_root,
        logs_bloom,
        requests_hash: Some(output.requests.requests_hash()),
        block_access_list_hash: output.access_list.as_deref().map(compute_block_access_list_hash),
        ..header
    };
    (header, output)
}

/// How the output disagrees with a header of `network` after `spoil`.
#[track_caller]
fn disagreement(network: &str, spoil: impl FnOnce(&mut Header, &mut BlockOutput)) -> OutputError {
    let (mut header, mut output) = executed();
    assert_eq!(validate_output(&spec(network), &header, &output), Ok(()));
    spoil(&mut header, &mut output);
    validate_output(&spec(network), &header, &output).unwrap_err()
}

#[test]
fn outputs_keep_the_headers_promises() {
    let (promise, output) = executed();
    assert_eq!(
        disagreement("Amsterdam", |_, output| output.gas_used = 1),
        OutputError::GasUsed { got: 1, expected: 30_000 }
    );
    assert_eq!(
        disagreement("Amsterdam", |_, output| output.blob_gas_used = 0),
        OutputError::BlobGasUsed { got: 0, expected: BLOB }
    );
    assert_eq!(
        disagreement("Amsterdam", |header, _| header.logs_bloom = Bloom::ZERO),
        OutputError::LogsBloom {
            got: Box::new(promise.logs_bloom),
            expected: Box::new(Bloom::ZERO)
        }
    );
    assert!(matches!(
        disagreement("Amsterdam", |_, output| output.receipts[0].success = false),
        OutputError::ReceiptsRoot { expected, .. } if expected == promise.receipts_root
    ));
    assert!(matches!(
        disagreement("Amsterdam", |_, output| output.receipts.push(Receipt::default())),
        OutputError::ReceiptsRoot { .. }
    ));
    assert_eq!(
        disagreement("Amsterdam", |_, output| output.requests = Requests::default()),
        OutputError::RequestsHash {
            got: EMPTY_REQUESTS_HASH,
            expected: output.requests.requests_hash()
        }
    );
    assert_eq!(validate_state_root(&promise, promise.state_root), Ok(()));
    assert_eq!(
        validate_state_root(&promise, B256::ZERO),
        Err(OutputError::StateRoot { got: B256::ZERO, expected: promise.state_root })
    );
}

#[test]
fn receipts_before_byzantium_have_no_known_root() {
    let (mut header, output) = executed();
    header.receipts_root = B256::ZERO;
    assert_eq!(validate_output(&spec("EIP158"), &header, &output), Ok(()));
    assert!(matches!(
        validate_output(&spec("Byzantium"), &header, &output),
        Err(OutputError::ReceiptsRoot { .. })
    ));
}

#[test]
fn access_lists_are_the_headers_and_paid_for() {
    let (promise, _) = executed();
    let expected = promise.block_access_list_hash.unwrap();
    assert_eq!(
        disagreement("Amsterdam", |_, output| output.access_list = None),
        OutputError::BlockAccessListHash { got: None, expected }
    );
    assert_eq!(
        disagreement("Amsterdam", |_, output| output.access_list = Some(Vec::new())),
        OutputError::BlockAccessListHash {
            got: Some(compute_block_access_list_hash(&[])),
            expected
        }
    );
    // One item costs 2,000 gas of the limit.
    assert_eq!(
        disagreement("Amsterdam", |header, _| header.gas_limit = 1999),
        OutputError::BlockAccessListTooLong { got: 1, max: 0 }
    );
}
