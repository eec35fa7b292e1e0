//! One block, all it needs, and what it must come to.

use blockloom_engine::{
    BlockError, BlockOutput, ChainSpec, Engine, OutputError, RecoveredBlock, validate_output,
};
use blockloom_fixtures::{
    mainnet::MainnetBlock,
    workload::{self, Mismatch, ParameterError, Parameters, Recipe},
};
use blockloom_state::MemoryState;

/// One block and all it needs, ready to execute any number of times.
#[derive(Debug)]
pub struct Workload {
    /// What the results are filed under.
    pub name: String,
    /// The rules that hold for it.
    pub spec: ChainSpec,
    /// The block with its senders. Its header says what gas it uses, as that
    /// of a block a node receives does.
    pub block: RecoveredBlock,
    /// The state it runs on.
    pub base: MemoryState,
    /// Whether its transactions carry signatures, so that recovering senders
    /// means something.
    pub is_signed: bool,
    /// What the generator's model says; `None` for a block whose header, sealed
    /// by the network, is the known answer.
    model: Option<workload::Answer>,
}

/// Why there is no workload.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkloadError {
    /// The parameters make no block.
    #[error("workload {name}")]
    Parameters {
        /// The recipe's name.
        name: String,
        /// What is wrong with them.
        source: ParameterError,
    },
    /// The generated block does not execute.
    #[error("workload {name}: the sequential run failed")]
    Refused {
        /// The recipe's name.
        name: String,
        /// The engine's reason.
        source: BlockError,
    },
}

/// A result that is not the known answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WrongAnswer {
    /// It breaks a promise of the header.
    #[error(transparent)]
    Header(#[from] OutputError),
    /// It differs from what the generator's model says.
    #[error(transparent)]
    Model(Box<Mismatch>),
}

impl Workload {
    /// The block that `recipe` makes of `parameters`.
    ///
    /// The generator does not know what gas the block will use, and engines
    /// look that up in the header to choose a path; so the block runs here
    /// once, sequentially, to complete the header.
    ///
    /// # Errors
    ///
    /// If the parameters make no block, or the block is not valid.
    pub fn generated(
        recipe: &Recipe,
        parameters: &Parameters,
        engine: &Engine,
    ) -> Result<Self, WorkloadError> {
        let name = recipe.name().to_owned();
        let workload::Workload { mut block, senders, base, answer, .. } = recipe
            .build(parameters)
            .map_err(|source| WorkloadError::Parameters { name: name.clone(), source })?;
        let spec = ChainSpec::mainnet();
        let hash = block.header.hash_slow();
        let recovered = RecoveredBlock { hash, block: block.clone(), senders };
        let executed = engine
            .execute_sequential(&spec, &recovered, &base)
            .map_err(|source| WorkloadError::Refused { name: name.clone(), source })?;
        block.header.gas_used = executed.output.gas_used;
        let hash = block.header.hash_slow();
        let block = RecoveredBlock { hash, block, senders: recovered.senders };
        Ok(Self { name, spec, block, base, is_signed: false, model: Some(answer) })
    }

    /// A mainnet block on its own pre-state, named `mainnet_<number>`.
    #[must_use]
    pub fn mainnet(file: MainnetBlock) -> Self {
        let MainnetBlock { number, hash, block, senders, pre_state, .. } = file;
        Self {
            name: format!("mainnet_{number}"),
            spec: ChainSpec::mainnet(),
            block: RecoveredBlock { hash, block, senders },
            base: pre_state,
            is_signed: true,
            model: None,
        }
    }

    /// Transactions in the block.
    #[must_use]
    pub const fn n_txs(&self) -> usize {
        self.block.senders.len()
    }

    /// Gas the block uses.
    #[must_use]
    pub const fn gas(&self) -> u64 {
        self.block.header().gas_used
    }

    /// Holds `output` against the known answer. For a generated block this
    /// copies the base state to apply the changes.
    ///
    /// # Errors
    ///
    /// The first thing found that is wrong.
    pub fn check(&self, output: &BlockOutput) -> Result<(), WrongAnswer> {
        let Some(model) = &self.model else {
            return Ok(validate_output(&self.spec, self.block.header(), output)?);
        };
        let succeeded: Vec<_> = output.receipts.iter().map(|receipt| receipt.success).collect();
        let mut after = self.base.clone();
        after.apply(&output.changes);
        model.check(&succeeded, &after).map_err(|mismatch| WrongAnswer::Model(Box::new(mismatch)))
    }
}
