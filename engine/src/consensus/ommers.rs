//! Ommers against the block's ancestors.

use super::{OmmerError, validate_header};
use crate::{block::Block, chain_spec::ChainSpec};
use alloy_consensus::Header;
use alloy_hardforks::EthereumHardforks;
use alloy_primitives::B256;

/// Most ommers of one block.
const MAX_OMMERS: usize = 2;

/// Generations back at which an ommer may branch off.
const MAX_GENERATIONS: usize = 7;

/// A block the one being checked descends from.
#[derive(Clone, Copy, Debug)]
pub struct Ancestor<'a> {
    /// Its header.
    pub header: &'a Header,
    /// The header's hash.
    pub hash: B256,
    /// The ommers it included.
    pub ommers: &'a [Header],
}

/// Checks the ommers of `block`. `ancestors` are its own, parent first; seven
/// of them, or all there are down to genesis.
///
/// An ommer is a valid child of an ancestor of the second to seventh
/// generation, is no ancestor itself, and was not included before.
///
/// Free for a block without ommers. Otherwise hashes them and those of the
/// ancestors, 16 headers at most, and checks each as [`validate_header`] does.
///
/// # Errors
///
/// The first rule broken: number of ommers, then for each ommer in block order
/// repetition, kinship, and its header.
pub fn validate_ommers(
    spec: &ChainSpec,
    block: &Block,
    ancestors: &[Ancestor<'_>],
) -> Result<(), OmmerError> {
    let ommers = &block.body.ommers;
    if ommers.is_empty() {
        return Ok(());
    }
    if spec.is_paris_active_at_block(block.header.number) {
        return Err(OmmerError::AfterMerge { got: ommers.len() });
    }
    if ommers.len() > MAX_OMMERS {
        return Err(OmmerError::TooMany { got: ommers.len(), max: MAX_OMMERS });
    }
    let ancestors = &ancestors[..ancestors.len().min(MAX_GENERATIONS)];
    let included: Vec<B256> =
        ancestors.iter().flat_map(|ancestor| ancestor.ommers).map(Header::hash_slow).collect();
    let hashes: Vec<B256> = ommers.iter().map(Header::hash_slow).collect();
    for (position, (ommer, hash)) in ommers.iter().zip(hashes.iter().copied()).enumerate() {
        if hashes[..position].contains(&hash) {
            return Err(OmmerError::Duplicate { hash });
        }
        if included.contains(&hash) {
            return Err(OmmerError::AlreadyIncluded { hash });
        }
        let parent = parent_of(ommer, hash, ancestors)?;
        validate_header(spec, ommer, parent.header, parent.hash)
            .map_err(|source| OmmerError::Header { hash, source })?;
    }
    Ok(())
}

/// The ancestor that `ommer` is a child of.
fn parent_of<'a>(
    ommer: &Header,
    hash: B256,
    ancestors: &[Ancestor<'a>],
) -> Result<Ancestor<'a>, OmmerError> {
    if ancestors.iter().any(|ancestor| ancestor.hash == hash) {
        return Err(OmmerError::IsAncestor { hash });
    }
    let generation = ancestors.iter().position(|ancestor| ancestor.hash == ommer.parent_hash);
    match generation {
        Some(0) => Err(OmmerError::Sibling { hash }),
        Some(generation) => Ok(ancestors[generation]),
        None => Err(OmmerError::UnknownParent { hash, parent: ommer.parent_hash }),
    }
}
