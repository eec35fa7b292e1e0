//! Whole blocks, sequential and parallel.

use blockloom_benches::{Workload, default_data, mainnet, parallel_engine};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const WORKERS: [usize; 2] = [1, 2];

fn measure(criterion: &mut Criterion, workload: &Workload) {
    let Workload { name, spec, block, base } = workload;
    let engines = WORKERS.map(parallel_engine);
    let mut group = criterion.benchmark_group(format!("block/{name}"));
    group.throughput(Throughput::Elements(block.header().gas_used));
    let expected =
        engines[0].execute_sequential(spec, block, base).expect("the workload is valid").output;
    group.bench_function("sequential", |bencher| {
        bencher.iter_batched(
            || (),
            |()| engines[0].execute_sequential(spec, block, base),
            BatchSize::PerIteration,
        );
    });
    for engine in &engines {
        let id = BenchmarkId::new("parallel", engine.workers());
        group.bench_function(id, |bencher| {
            bencher.iter_batched(
                || (),
                |()| engine.execute(spec, block, base),
                BatchSize::PerIteration,
            );
        });
        let output = engine.execute(spec, block, base).expect("the workload is valid").output;
        assert_eq!(output, expected, "{name} at {} workers", engine.workers());
    }
    group.finish();
}

fn blocks(criterion: &mut Criterion) {
    for workload in mainnet(&default_data()) {
        measure(criterion, &workload);
    }
}

criterion_group!(benches, blocks);
criterion_main!(benches);
