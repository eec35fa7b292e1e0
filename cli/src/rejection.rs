//! The way of one block from bytes to a checked result, and where it can end.

use alloy_consensus::{Header, constants::EMPTY_OMMER_ROOT_HASH};
use alloy_primitives::B256;
use blockloom_engine::{
    Ancestor, Block, BlockError, BlockOutput, BodyError, ChainSpec, ConsensusError, RecoveredBlock,
    validate_body, validate_header, validate_ommers, validate_output, validate_state_root,
};

/// Why a block is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Rejection {
    /// The bytes are not a block.
    #[error("the block does not decode")]
    Rlp(#[source] alloy_rlp::Error),
    /// The parent was never accepted.
    #[error("parent {parent} is unknown")]
    UnknownParent {
        /// Hash the header gives.
        parent: B256,
    },
    /// A rule about header, body, ommers or result is broken.
    #[error(transparent)]
    Consensus(#[from] ConsensusError),
    /// A transaction's signature or the execution is at fault.
    #[error(transparent)]
    Execution(#[from] BlockError),
}

/// One check of a block that needs no state.
pub(crate) type CheckBefore = fn(&Place<'_>, &Block) -> Result<(), ConsensusError>;

/// A block's place in its chain.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    /// Rules for a child of the parent.
    pub spec: &'a ChainSpec,
    /// The parent's header.
    pub parent: &'a Header,
    /// The parent's hash.
    pub parent_hash: B256,
    /// The parent and its ancestors, nearest first, as far as ommers reach.
    pub ancestors: &'a [Ancestor<'a>],
}

impl Place<'_> {
    /// Checks all of `block` that needs no state; gives the first rule broken.
    pub(crate) fn check_before(&self, block: &Block) -> Result<(), ConsensusError> {
        self.checks_before().iter().try_for_each(|check| check(self, block))
    }

    /// The checks that need no state, in the order they are made.
    pub(crate) fn checks_before(&self) -> [CheckBefore; 3] {
        [
            |place, block| {
                let (parent, hash) = (place.parent, place.parent_hash);
                Ok(validate_header(place.spec, &block.header, parent, hash)?)
            },
            |place, block| Ok(validate_body(place.spec, block)?),
            |place, block| Ok(validate_ommers(place.spec, block, place.ancestors)?),
        ]
    }

    /// Checks the result of `block` against its header, all but the state root.
    pub(crate) fn check_after(
        &self,
        block: &RecoveredBlock,
        output: &BlockOutput,
    ) -> Result<(), ConsensusError> {
        Ok(validate_output(self.spec, block.header(), output)?)
    }
}

/// Checks the root after `block`.
pub(crate) fn check_root(block: &RecoveredBlock, root: B256) -> Result<(), ConsensusError> {
    Ok(validate_state_root(block.header(), root)?)
}

/// Checks the body of a block whose ommers are known by hash only: all but the
/// header's commitment to them.
pub(crate) fn check_body_without_ommers(spec: &ChainSpec, block: &Block) -> Result<(), BodyError> {
    let mut block = block.clone();
    block.header.ommers_hash = EMPTY_OMMER_ROOT_HASH;
    validate_body(spec, &block)
}
