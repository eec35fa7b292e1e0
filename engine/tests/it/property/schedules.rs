//! Random blocks on virtual workers: every step that workers share is a point
//! at which another may go first.

use super::{Built, any_block};
use blockloom_engine::{Config, Engine, Mode, Order, Sharing, Simulation};
use proptest::prelude::*;
use std::sync::LazyLock;

/// Blocks, each on one schedule of each way of sharing, unless
/// `PROPTEST_CASES` asks for more.
const BLOCKS: u32 = 400;

/// One worker of their own is enough: virtual ones come on top.
static ENGINES: LazyLock<Vec<Engine>> = LazyLock::new(|| {
    let kinds = [Sharing::News, Sharing::Memory]
        .into_iter()
        .flat_map(|sharing| [true, false].map(|access_list| (sharing, access_list)));
    let config = Config { workers: 1, mode: Mode::Parallel, ..Config::default() };
    kinds
        .map(|(sharing, access_list)| {
            Engine::new(Config { sharing, access_list, ..config }).expect("threads can be started")
        })
        .collect()
});

fn any_simulation() -> impl Strategy<Value = Simulation> {
    let order = prop_oneof![
        3 => Just(Order::Random),
        1 => Just(Order::Circle),
        2 => Just(Order::Priorities),
        1 => Just(Order::Late),
        1 => (0..8usize).prop_map(Order::Starve),
        1 => (1..8usize).prop_map(Order::Shifts),
    ];
    (2..=8usize, order, any::<u64>()).prop_map(|(workers, order, seed)| Simulation {
        workers,
        order,
        seed,
    })
}

proptest! {
    #![proptest_config(super::config(BLOCKS))]

    #[test]
    fn random_blocks_are_the_same_on_every_schedule(
        random in any_block(),
        simulation in any_simulation(),
    ) {
        let Built { spec, state, block, .. } = random.build();
        for engine in &*ENGINES {
            let expected = engine.execute_sequential(&spec, &block, &state);
            let expected = expected.map(|executed| executed.output).map_err(|e| format!("{e:?}"));
            let simulated = engine.simulate(&spec, &block, &state, &simulation);
            let actual = simulated.result.map(|executed| executed.output);
            prop_assert_eq!(actual.map_err(|e| format!("{e:?}")), expected);
        }
    }
}
