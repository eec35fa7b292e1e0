//! Why a block is invalid, by what it was held against.

use alloy_hardforks::EthereumHardfork;
use alloy_primitives::{B64, B256, Bloom, Bytes, ChainId, U256};
use blockloom_scheduler::TxIdx;

/// Why a block breaks the rules of its chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConsensusError {
    /// The header does not follow from its parent.
    #[error("invalid header")]
    Header(#[from] HeaderError),
    /// The body is not the one the header commits to, or not allowed.
    #[error("invalid body")]
    Body(#[from] BodyError),
    /// An ommer is not one.
    #[error("invalid ommers")]
    Ommers(#[from] OmmerError),
    /// Execution does not give what the header promises.
    #[error("execution disagrees with the header")]
    Output(#[from] OutputError),
}

/// Why a header does not follow from its parent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// The header names another parent.
    #[error("parent hash is {got}, expected {expected}")]
    ParentHash {
        /// The header's parent hash.
        got: B256,
        /// The parent's hash.
        expected: B256,
    },
    /// The number is not the parent's plus one.
    #[error("number is {got}, expected {expected}")]
    Number {
        /// The header's number.
        got: u64,
        /// The parent's number plus one.
        expected: u64,
    },
    /// The timestamp is not later than the parent's.
    #[error("timestamp is {got}, not after the parent's {parent}")]
    Timestamp {
        /// The header's timestamp.
        got: u64,
        /// The parent's timestamp.
        parent: u64,
    },
    /// The gas limit is outside what the protocol allows at all.
    #[error("gas limit is {got}, expected {min} to {max}")]
    GasLimit {
        /// The header's gas limit.
        got: u64,
        /// Least gas limit of any block.
        min: u64,
        /// Greatest gas limit of any block.
        max: u64,
    },
    /// The gas limit moved too far in one block.
    #[error("gas limit is {got}, expected to differ from {from} by less than {bound}")]
    GasLimitStep {
        /// The header's gas limit.
        got: u64,
        /// The parent's gas limit, doubled at the London block.
        from: u64,
        /// A 1024th of it.
        bound: u64,
    },
    /// More gas is used than the limit allows.
    #[error("gas used is {got}, above the limit {limit}")]
    GasUsedAboveLimit {
        /// The header's gas used.
        got: u64,
        /// The header's gas limit.
        limit: u64,
    },
    /// The extra data is too long.
    #[error("extra data has {got} bytes, expected at most {max}")]
    ExtraDataTooLong {
        /// Bytes of extra data.
        got: usize,
        /// Most bytes allowed.
        max: usize,
    },
    /// One of the ten blocks from the DAO fork on lacks its mark (EIP-779).
    #[error("extra data is {got}, expected the DAO fork's mark")]
    DaoExtraData {
        /// The header's extra data.
        got: Bytes,
    },
    /// The base fee is wrong, missing, or there too early (EIP-1559).
    #[error("base fee is {got:?}, expected {expected:?}")]
    BaseFee {
        /// The header's base fee.
        got: Option<u64>,
        /// What follows from the parent; `None` before London.
        expected: Option<u64>,
    },
    /// The difficulty is not the one the parent calls for; zero after the merge.
    #[error("difficulty is {got}, expected {expected}")]
    Difficulty {
        /// The header's difficulty.
        got: U256,
        /// What follows from parent and timestamp.
        expected: U256,
    },
    /// A proof-of-stake block carries a nonce (EIP-3675).
    #[error("nonce is {got} after the merge, expected zero")]
    Nonce {
        /// The header's nonce.
        got: B64,
    },
    /// A proof-of-stake block commits to ommers (EIP-3675).
    #[error("ommers hash is {got} after the merge, expected that of no ommers")]
    OmmersHash {
        /// The header's ommers hash.
        got: B256,
    },
    /// A field the fork brings is not there.
    #[error("{field} is missing; {fork} is active")]
    MissingField {
        /// What is missing.
        field: &'static str,
        /// The fork that brings it.
        fork: EthereumHardfork,
    },
    /// A field is there before the fork that brings it.
    #[error("{field} is there; {fork} is not active")]
    UnexpectedField {
        /// What is there.
        field: &'static str,
        /// The fork that brings it.
        fork: EthereumHardfork,
    },
    /// The blob gas is no whole number of blobs.
    #[error("blob gas used is {got}, not a multiple of {unit}")]
    BlobGasUsedFraction {
        /// The header's blob gas used.
        got: u64,
        /// Blob gas of one blob.
        unit: u64,
    },
    /// More blobs than a block may hold.
    #[error("blob gas used is {got}, above the limit {limit}")]
    BlobGasUsedAboveLimit {
        /// The header's blob gas used.
        got: u64,
        /// Most blob gas of a block at this time.
        limit: u64,
    },
    /// The excess blob gas does not follow from the parent.
    #[error("excess blob gas is {got}, expected {expected}")]
    ExcessBlobGas {
        /// The header's excess blob gas.
        got: u64,
        /// What follows from the parent.
        expected: u64,
    },
    /// The parent's own numbers are so large that no child can follow.
    #[error("no child can follow: the parent's {field} leaves no room")]
    ParentOutOfRange {
        /// The parent's field.
        field: &'static str,
    },
}

/// Why a body is not the header's, or not allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// The header commits to other transactions.
    #[error("transactions root is {got}, header has {expected}")]
    TransactionsRoot {
        /// Root of the body's transactions.
        got: B256,
        /// The header's root.
        expected: B256,
    },
    /// The header commits to other ommers.
    #[error("ommers hash is {got}, header has {expected}")]
    OmmersHash {
        /// Hash of the body's ommers.
        got: B256,
        /// The header's hash.
        expected: B256,
    },
    /// The header commits to other withdrawals, or one of the two has none.
    #[error("withdrawals root is {got:?}, header has {expected:?}")]
    WithdrawalsRoot {
        /// Root of the body's withdrawals.
        got: Option<B256>,
        /// The header's root.
        expected: Option<B256>,
    },
    /// The block is too long on the wire (EIP-7934).
    #[error("block has {got} bytes, expected at most {max}")]
    BlockTooLong {
        /// Bytes of the RLP-encoded block.
        got: usize,
        /// Most bytes allowed.
        max: usize,
    },
    /// A transaction is of a type its fork does not have yet.
    #[error("transaction {tx} is of type {ty}; {fork} is not active")]
    TransactionType {
        /// The transaction.
        tx: TxIdx,
        /// Its EIP-2718 type.
        ty: u8,
        /// The fork that brings the type.
        fork: EthereumHardfork,
    },
    /// The header counts other blob gas than the transactions use.
    #[error("transactions use {got} blob gas, header has {expected:?}")]
    BlobGasUsed {
        /// Blob gas of the body's transactions.
        got: u64,
        /// The header's blob gas used.
        expected: Option<u64>,
    },
    /// A signature is the malleated twin of the valid one (EIP-2).
    #[error("transaction {tx} has a signature with s {s} in the upper half")]
    HighSignatureS {
        /// The transaction.
        tx: TxIdx,
        /// The signature's s.
        s: U256,
    },
    /// A transaction names a chain before signatures could (EIP-155).
    #[error("transaction {tx} names chain {chain_id}; Spurious Dragon is not active")]
    EarlyChainId {
        /// The transaction.
        tx: TxIdx,
        /// The chain id in its signature.
        chain_id: ChainId,
    },
}

/// Why an ommer is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OmmerError {
    /// A proof-of-stake block has ommers (EIP-3675).
    #[error("{got} ommers after the merge")]
    AfterMerge {
        /// Number of ommers.
        got: usize,
    },
    /// There are more ommers than allowed.
    #[error("{got} ommers, expected at most {max}")]
    TooMany {
        /// Number of ommers.
        got: usize,
        /// Most ommers of a block.
        max: usize,
    },
    /// The same ommer is there twice.
    #[error("ommer {hash} is listed twice")]
    Duplicate {
        /// The ommer.
        hash: B256,
    },
    /// The ommer is the block's ancestor.
    #[error("ommer {hash} is an ancestor of the block")]
    IsAncestor {
        /// The ommer.
        hash: B256,
    },
    /// An ancestor has included the ommer already.
    #[error("ommer {hash} was included before")]
    AlreadyIncluded {
        /// The ommer.
        hash: B256,
    },
    /// The ommer has the block's own parent.
    #[error("ommer {hash} is a sibling of the block")]
    Sibling {
        /// The ommer.
        hash: B256,
    },
    /// The ommer does not branch off within the last seven generations.
    #[error("ommer {hash} has parent {parent}, no ancestor of the last seven generations")]
    UnknownParent {
        /// The ommer.
        hash: B256,
        /// Its parent.
        parent: B256,
    },
    /// The ommer's header does not follow from its parent.
    #[error("ommer {hash} has an invalid header")]
    Header {
        /// The ommer.
        hash: B256,
        /// What is wrong with it.
        #[source]
        source: HeaderError,
    },
}

/// How execution disagrees with the header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OutputError {
    /// Gas used differs.
    #[error("gas used is {got}, header has {expected}")]
    GasUsed {
        /// What execution used.
        got: u64,
        /// The header's gas used.
        expected: u64,
    },
    /// Blob gas used differs.
    #[error("blob gas used is {got}, header has {expected}")]
    BlobGasUsed {
        /// What execution used.
        got: u64,
        /// The header's blob gas used.
        expected: u64,
    },
    /// Receipts differ (from Byzantium on).
    #[error("receipts root is {got}, header has {expected}")]
    ReceiptsRoot {
        /// Root of execution's receipts.
        got: B256,
        /// The header's root.
        expected: B256,
    },
    /// Logs differ.
    #[error("logs bloom is {got}, header has {expected}")]
    LogsBloom {
        /// Bloom of execution's logs.
        got: Box<Bloom>,
        /// The header's bloom.
        expected: Box<Bloom>,
    },
    /// Execution-layer requests differ (EIP-7685).
    #[error("requests hash is {got}, header has {expected}")]
    RequestsHash {
        /// Hash of execution's requests.
        got: B256,
        /// The header's hash.
        expected: B256,
    },
    /// Block access lists differ (EIP-7928); `None` if execution kept none.
    #[error("block access list hash is {got:?}, header has {expected}")]
    BlockAccessListHash {
        /// Hash of execution's list.
        got: Option<B256>,
        /// The header's hash.
        expected: B256,
    },
    /// The block access list has more items than the gas limit pays for
    /// (EIP-7928).
    #[error("block access list has {got} items, expected at most {max}")]
    BlockAccessListTooLong {
        /// Accounts and slots in the list.
        got: u64,
        /// Most items under the header's gas limit.
        max: u64,
    },
    /// The state after the block differs.
    #[error("state root is {got}, header has {expected}")]
    StateRoot {
        /// Root of execution's state.
        got: B256,
        /// The header's root.
        expected: B256,
    },
}
