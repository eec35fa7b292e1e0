//! Whole blocks, sequential and parallel.
//!
//! Without a filter a few workloads of each kind are measured; one that the
//! filter names is measured whichever it is:
//! `cargo bench -p blockloom-benches --bench block -- nft_mint`.

use blockloom_benches::{Engines, Workload};
use blockloom_engine::Mode;
use blockloom_fixtures::{
    mainnet::MainnetSet,
    workload::{Parameters, catalogue},
};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::{
    env,
    io::Write,
    path::{Path, PathBuf},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const WORKERS: [usize; 2] = [1, 2];

/// Independent work, one hot account, a long chain, tokens, swaps, and a mix.
const GENERATED: [&str; 8] = [
    "independent_transfers",
    "same_recipient",
    "transfer_chain",
    "hot_slot",
    "erc20_independent",
    "amm_many_pools",
    "amm_one_pool",
    "mix_mainnet",
];

/// Real blocks with different shapes: transfers only, one long chain, tokens
/// and swaps, one transaction that dominates, the largest of the set.
const MAINNET: [u64; 6] = [4_330_482, 11_814_555, 12_459_406, 15_274_915, 19_932_148, 24_476_008];

fn measure(criterion: &mut Criterion, engines: &Engines, workload: &Workload) {
    let Workload { name, spec, block, base, .. } = workload;
    let mut group = criterion.benchmark_group(format!("block/{name}"));
    group.throughput(Throughput::Elements(workload.gas()));
    let sequential = || engines.sequential().execute_sequential(spec, block, base);
    let expected = sequential().expect("the workload is valid").output;
    workload.check(&expected).expect("the result is the known answer");
    // Criterion drops what a routine returns outside of the timer.
    group.bench_function("sequential", |bencher| {
        bencher.iter_batched(|| (), |()| sequential(), BatchSize::PerIteration);
    });
    for engine in engines.parallel() {
        let parallel = || engine.execute(spec, block, base);
        group.bench_function(BenchmarkId::new("parallel", engine.workers()), |bencher| {
            bencher.iter_batched(|| (), |()| parallel(), BatchSize::PerIteration);
        });
        let output = parallel().expect("the workload is valid").output;
        assert_eq!(output, expected, "{name} at {} workers", engine.workers());
    }
    group.finish();
}

/// Whether `name` is one of the `usual`, or in the filter on the command line.
fn is_wanted(name: &str, is_usual: bool) -> bool {
    let is_named = |arg: String| {
        arg.split('|').any(|part| part.trim_start_matches("block/").starts_with(name))
    };
    is_usual || env::args().skip(1).any(is_named)
}

fn generated(criterion: &mut Criterion, engines: &Engines) {
    for recipe in catalogue() {
        if is_wanted(recipe.name(), GENERATED.contains(&recipe.name())) {
            let parameters = Parameters::default();
            let workload = Workload::generated(recipe, &parameters, engines.sequential())
                .expect("the workload is valid");
            measure(criterion, engines, &workload);
        }
    }
}

fn mainnet(criterion: &mut Criterion, engines: &Engines) {
    let data = env::var_os("BLOCKLOOM_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"),
        PathBuf::from,
    );
    let folder = data.join("mainnet");
    if !folder.exists() {
        let message = format!("SKIPPED mainnet blocks: no test data at {}\n", folder.display());
        std::io::stderr().write_all(message.as_bytes()).expect("stderr can be written");
        return;
    }
    let set = MainnetSet::open(&folder).expect("the set of mainnet blocks is readable");
    for number in set.numbers() {
        if is_wanted(&format!("mainnet_{number}"), MAINNET.contains(number)) {
            let file = set.load(*number).expect("the block is readable");
            measure(criterion, engines, &Workload::mainnet(file));
        }
    }
}

fn blocks(criterion: &mut Criterion) {
    // Forced: the choice of a path is not what is measured here.
    let engines = Engines::new(&WORKERS, Mode::Parallel).expect("threads can be started");
    generated(criterion, &engines);
    mainnet(criterion, &engines);
}

criterion_group!(benches, blocks);
criterion_main!(benches);
