//! What recorders are told.

use super::{
    chain::{Chain, ahead},
    recorder::Ledger,
};
use crate::support::{
    block::{Tx, block, header},
    code::Code,
    engine,
    forks::{Fork, spec},
    world::{World, contract, user},
};
use alloy_evm::{
    EvmFactory,
    block::{BlockExecutor, BlockExecutorFactory},
};
use blockloom_engine::{Mode, client::BlockPlan, describe_metrics};
use metrics::{
    Counter, CounterFn, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit, with_local_recorder,
};
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc};

/// One metric's sum and how often it was recorded.
#[derive(Debug, Default)]
struct Tally(Mutex<(u64, usize)>);

impl CounterFn for Tally {
    fn increment(&self, value: u64) {
        let mut tally = self.0.lock();
        *tally = (tally.0 + value, tally.1 + 1);
    }

    fn absolute(&self, value: u64) {
        self.0.lock().0 = value;
    }
}

impl HistogramFn for Tally {
    fn record(&self, value: f64) {
        assert!(value >= 0.0);
        self.0.lock().1 += 1;
    }
}

/// Keeps everything.
#[derive(Debug, Default)]
struct Notebook {
    tallies: Mutex<BTreeMap<String, Arc<Tally>>>,
    described: Mutex<Vec<String>>,
}

impl Notebook {
    fn tally(&self, key: &Key) -> Arc<Tally> {
        let labels: Vec<_> = key.labels().map(|label| label.value().to_owned()).collect();
        let name = [vec![key.name().to_owned()], labels].concat().join(":");
        Arc::clone(self.tallies.lock().entry(name).or_default())
    }

    fn sum(&self, name: &str) -> u64 {
        self.tallies.lock().get(name).map_or(0, |tally| tally.0.lock().0)
    }

    fn times(&self, name: &str) -> usize {
        self.tallies.lock().get(name).map_or(0, |tally| tally.0.lock().1)
    }
}

impl Recorder for Notebook {
    fn describe_counter(&self, key: KeyName, _unit: Option<Unit>, _meaning: SharedString) {
        self.described.lock().push(key.as_str().to_owned());
    }

    fn describe_gauge(&self, key: KeyName, _unit: Option<Unit>, _meaning: SharedString) {
        self.described.lock().push(key.as_str().to_owned());
    }

    fn describe_histogram(&self, key: KeyName, _unit: Option<Unit>, _meaning: SharedString) {
        self.described.lock().push(key.as_str().to_owned());
    }

    fn register_counter(&self, key: &Key, _metadata: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.tally(key))
    }

    fn register_gauge(&self, _key: &Key, _metadata: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, key: &Key, _metadata: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.tally(key))
    }
}

#[test]
fn a_recorder_is_told_what_the_statistics_say() {
    let world = World::new().contract(contract(1), &Code::new().count(1));
    let transactions = (0..40).map(|n| Tx::call(user(n % 10), contract(1))).collect();
    let block = block(header(Fork::Prague), &world, transactions);
    let chain = Chain { spec: spec(Fork::Prague), block, base: Arc::new(world.0) };
    let notebook = Notebook::default();
    let (stats, ahead_stats) = with_local_recorder(&notebook, || {
        describe_metrics();
        let engine = engine(2);
        let executed = engine.execute(&chain.spec, &chain.block, &*chain.base);
        let stats = executed.expect("the block is valid").stats;
        let sequential = engine.execute_sequential(&chain.spec, &chain.block, &*chain.base);
        assert!(sequential.is_ok());

        let factory = chain.wrapped_by(ahead(2, Mode::Parallel));
        let ledger = Ledger::new(&chain.base, usize::MAX);
        let evm = factory.evm_factory().create_evm(ledger, chain.env());
        let mut executor = factory.create_executor(evm, chain.ctx());
        executor.plan(BlockPlan::new(None, chain.transactions()));
        for transaction in chain.transactions() {
            executor.execute_transaction(transaction).expect("it is valid");
        }
        (stats, executor.stats())
    });
    let sum = |name: &str| notebook.sum(&format!("blockloom_{name}_total"));
    assert_eq!(notebook.sum("blockloom_blocks_total:parallel"), 1);
    assert_eq!(notebook.sum("blockloom_blocks_total:sequential"), 1);
    assert_eq!(sum("transactions"), 80);
    assert_eq!(sum("executions"), stats.executions as u64 + 40);
    assert_eq!(sum("re_executions"), stats.re_executions() as u64);
    assert_eq!(sum("aborts"), stats.aborts as u64);
    assert_eq!(sum("at_frontier"), stats.at_frontier as u64);
    assert_eq!(sum("ahead_planned"), 40);
    assert_eq!(sum("ahead_stood"), ahead_stats.stood as u64);
    assert_eq!(sum("ahead_at_frontier"), ahead_stats.at_frontier as u64);
    assert_eq!(notebook.times("blockloom_block_seconds"), 2);
    assert_eq!(notebook.times("blockloom_stage_seconds:close"), 2);
    let described = notebook.described.lock();
    for name in notebook.tallies.lock().keys() {
        let name = name.split(':').next().unwrap_or_default().to_owned();
        assert!(described.contains(&name), "{name} is described");
    }
}
