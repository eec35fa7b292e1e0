//! Bodies and ommers spoiled in one place.

use super::samples::{BLOB, amsterdam, proof_of_work, spec};
use crate::{
    block::{Block, Transaction},
    consensus::{Ancestor, BodyError, OmmerError, validate_body, validate_ommers},
};
use alloy_consensus::{
    BlockBody, Header, SignableTransaction, TxEip2930, TxEip4844, TxLegacy,
    constants::{EMPTY_ROOT_HASH, EMPTY_WITHDRAWALS},
    proofs::{calculate_ommers_root, calculate_transaction_root},
};
use alloy_hardforks::EthereumHardfork as Fork;
use alloy_primitives::{Address, B256, Signature, U256};
use blockloom_scheduler::TxIdx;

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
    let tx = TxIdx::new(1);
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
