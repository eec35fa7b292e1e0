use super::*;
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc::{Sender, channel},
};

const CONFIG: PipelineConfig = PipelineConfig { threads: 3, ahead: 4, behind: 2 };

/// What goes wrong with which block, by stage.
#[derive(Clone, Copy, Debug, Default)]
struct Faults {
    read: Option<u64>,
    execute: Option<u64>,
    seal: Option<u64>,
    settle: Option<u64>,
    report: Option<u64>,
}

/// The end, or the block and stage that failed.
type End = Result<Ended, (u64, &'static str)>;

/// Blocks reported before the end, blocks sealed, and the end itself.
fn run(n_blocks: u64, faults: Faults) -> (Vec<u64>, Vec<u64>, End) {
    let fails = |fault: Option<u64>, block, stage| {
        if fault == Some(block) { Err((block, stage)) } else { Ok(()) }
    };
    let (mut reported, mut sealed) = (Vec::new(), Vec::new());
    let source = (0..n_blocks).map(move |block| fails(faults.read, block, "read").map(|()| block));
    let mut next = 0;
    let result = pipeline(
        &CONFIG,
        source,
        Stages {
            make_ready: |block: u64| (block, block * block),
            execute: |(block, square): (u64, u64), _| {
                assert_eq!((block, square), (next, next * next), "out of order");
                next += 1;
                fails(faults.execute, block, "execute").map(|()| block)
            },
            seal: |block| {
                fails(faults.seal, block, "seal")?;
                sealed.push(block);
                Ok(block)
            },
            settle: |blocks: &mut [u64]| {
                blocks.iter().try_for_each(|block| fails(faults.settle, *block, "settle"))
            },
            report: |block| {
                fails(faults.report, block, "report")?;
                reported.push(block);
                Ok(())
            },
            stop: || false,
        },
    );
    (reported, sealed, result)
}

#[test]
fn blocks_come_out_in_order() {
    for n_blocks in [0, 1, 3, 100] {
        let all: Vec<_> = (0..n_blocks).collect();
        let expected = (all.clone(), all, Ok(Ended::AtEnd));
        assert_eq!(run(n_blocks, Faults::default()), expected);
    }
}

#[test]
fn the_failure_of_the_lowest_block_counts() {
    for at in [0, 1, 7, 49] {
        let later = Some(at + 1);
        for (faults, stage) in [
            (Faults { read: Some(at), ..Faults::default() }, "read"),
            (Faults { execute: Some(at), read: later, ..Faults::default() }, "execute"),
            (Faults { seal: Some(at), execute: later, ..Faults::default() }, "seal"),
            (Faults { report: Some(at), seal: later, ..Faults::default() }, "report"),
        ] {
            let (reported, sealed, result) = run(50, faults);
            assert_eq!(result, Err((at, stage)), "{faults:?}");
            assert_eq!(reported, (0..at).collect::<Vec<_>>(), "{faults:?}");
            if stage != "report" {
                assert_eq!(sealed, reported, "{faults:?}");
            }
        }
    }
}

/// Those who make blocks ready leave when a report has failed, and then nobody
/// takes the job that the execution thread has begun to wait for.
#[test]
fn nobody_waits_for_a_block_that_is_not_made_ready_any_more() {
    let over = Over::default();
    let (turns, in_order) = sync_channel::<Turn<u64, ()>>(1);
    let (job, turn) = sync_channel(1);
    turns.send(Ok(turn)).unwrap();
    let stop = || {
        over.set();
        false
    };
    assert!(matches!(next_turn(&in_order, stop, &over), Next::End));
    drop(job);
}

#[test]
fn blocks_that_are_not_settled_are_not_reported() {
    let (reported, _, result) = run(50, Faults { settle: Some(20), ..Faults::default() });
    assert_eq!(result, Err((20, "settle")));
    assert!(reported.len() <= 20, "{reported:?}");
}

/// Whoever is behind stops the source: it never gets further ahead than the
/// queues are long.
#[test]
fn what_is_on_the_way_is_bounded() {
    let taken = std::sync::Arc::new(Mutex::new(0));
    let count = std::sync::Arc::clone(&taken);
    let source = (0..1000_usize).map(move |block| {
        *count.lock() += 1;
        Ok::<_, ()>(block)
    });
    // Places, the block each thread holds, and the queues of three stages.
    let most = CONFIG.ahead + 2 + 3 * (CONFIG.behind + 1) + MAX_SETTLED + 1;
    let stages = Stages {
        make_ready: |block| block,
        execute: |block, _| Ok(block),
        seal: Ok,
        settle: |_: &mut [usize]| Ok(()),
        report: |block: usize| {
            let ahead = *taken.lock() - block;
            assert!(ahead <= most, "{ahead} blocks on the way");
            Ok(())
        },
        stop: || false,
    };
    assert_eq!(pipeline(&CONFIG, source, stages), Ok(Ended::AtEnd));
}

#[test]
fn it_stops_while_the_source_has_nothing_to_say() {
    let (send, receive) = channel::<Result<u64, ()>>();
    for block in 0..5 {
        send.send(Ok(block)).unwrap();
    }
    let done = Mutex::new(0);
    let stages = Stages {
        make_ready: |block| block,
        execute: |block, _| Ok(block),
        seal: Ok,
        settle: |_: &mut [u64]| Ok(()),
        report: |_: u64| {
            *done.lock() += 1;
            Ok(())
        },
        stop: || *done.lock() == 5,
    };
    assert_eq!(pipeline(&CONFIG, receive.into_iter(), stages), Ok(Ended::Stopped));
    assert_eq!(*done.lock(), 5);
    drop(send);
}

#[test]
fn a_panic_in_any_stage_is_the_callers() {
    for stage in ["source", "ready", "execute", "seal", "settle"] {
        let at = move |here: &str, block: u64| {
            assert!(here != stage || block != 10, "panic in {stage}");
            block
        };
        let source = (0..50_u64).map(move |block| Ok::<_, ()>(at("source", block)));
        let stages = Stages {
            make_ready: |block| at("ready", block),
            execute: |block, _| Ok(at("execute", block)),
            seal: |block| Ok(at("seal", block)),
            settle: |blocks: &mut [u64]| {
                blocks.iter().for_each(|block| {
                    at("settle", *block);
                });
                Ok(())
            },
            report: |_| Ok(()),
            stop: || false,
        };
        let run = AssertUnwindSafe(|| pipeline(&CONFIG, source, stages));
        let panic = catch_unwind(run).unwrap_err();
        assert_eq!(*panic.downcast::<String>().unwrap(), format!("panic in {stage}"));
    }
}

/// What a source gives that never fails.
type Given = Result<u64, ()>;

/// A source that has given so many blocks and then nothing more, but does not
/// end as long as the sender is there.
fn silent_after(n_blocks: u64) -> (Sender<Given>, Receiver<Given>) {
    let (send, receive) = channel();
    for block in 0..n_blocks {
        send.send(Ok(block)).unwrap();
    }
    (send, receive)
}

#[test]
fn a_panic_in_any_stage_is_the_callers_while_the_source_is_silent() {
    for stage in ["ready", "execute", "seal", "settle", "report"] {
        for last in [0, 3] {
            let at = move |here: &str, block: u64| {
                if here == stage && block == last {
                    resume_unwind(Box::new(stage));
                }
                block
            };
            let (send, receive) = silent_after(last + 1);
            let stages = Stages {
                make_ready: |block| at("ready", block),
                execute: |block, _| Ok(at("execute", block)),
                seal: |block| Ok(at("seal", block)),
                settle: |blocks: &mut [u64]| {
                    blocks.iter().for_each(|block| {
                        at("settle", *block);
                    });
                    Ok(())
                },
                report: |block| {
                    at("report", block);
                    Ok(())
                },
                stop: || false,
            };
            let run = AssertUnwindSafe(|| pipeline(&CONFIG, receive.into_iter(), stages));
            let panic = catch_unwind(run).unwrap_err();
            assert_eq!(*panic.downcast::<&str>().unwrap(), stage);
            drop(send);
        }
    }
}

#[test]
fn a_fault_in_any_stage_ends_it_while_the_source_is_silent() {
    for stage in ["execute", "seal", "settle", "report"] {
        let at = move |here: &'static str, block: u64| {
            if here == stage && block == 3 { Err(here) } else { Ok(block) }
        };
        let (send, receive) = silent_after(4);
        let source = receive.into_iter().map(|block| block.map_err(|()| "read"));
        let mut reported = Vec::new();
        let stages = Stages {
            make_ready: |block| block,
            execute: |block, _| at("execute", block),
            seal: |block| at("seal", block),
            settle: |blocks: &mut [u64]| {
                blocks.iter().try_for_each(|block| at("settle", *block).map(drop))
            },
            report: |block| {
                reported.push(at("report", block)?);
                Ok(())
            },
            stop: || false,
        };
        assert_eq!(pipeline(&CONFIG, source, stages), Err(stage));
        // Those that were settled with it are not known to be.
        let is_prefix = reported.iter().copied().eq(0..reported.len() as u64);
        assert!(is_prefix && reported.len() <= 3, "{stage}: {reported:?}");
        assert!(stage == "settle" || reported.len() == 3, "{stage}: {reported:?}");
        drop(send);
    }
}

/// The caller may want to stop while any stage is at any block: then what was
/// executed is sealed and reported, and nothing else.
#[test]
fn a_pipeline_can_be_cancelled_at_any_moment() {
    const BLOCKS: u64 = 12;
    for stage in ["ready", "execute", "seal", "settle", "report"] {
        for at in 0..BLOCKS {
            let cancelled = Mutex::new(false);
            let pass = |here: &str, block: u64| {
                if here == stage && block == at {
                    *cancelled.lock() = true;
                }
                block
            };
            let (mut executed, mut sealed, mut reported) = (0, 0, 0);
            let stages = Stages {
                make_ready: |block| pass("ready", block),
                execute: |block, _| {
                    executed += 1;
                    Ok(pass("execute", block))
                },
                seal: |block| {
                    sealed += 1;
                    Ok(pass("seal", block))
                },
                settle: |blocks: &mut [u64]| {
                    blocks.iter().for_each(|block| {
                        pass("settle", *block);
                    });
                    Ok(())
                },
                report: |block: u64| {
                    assert_eq!(block, reported, "in order");
                    reported += 1;
                    pass("report", block);
                    Ok(())
                },
                stop: || *cancelled.lock(),
            };
            let ended = pipeline(&CONFIG, (0..BLOCKS).map(Ok::<_, ()>), stages);
            let what = format!("{stage} at {at}: {executed} executed");
            assert_eq!((executed, executed), (sealed, reported), "{what}");
            match ended {
                Ok(Ended::Stopped) => {}
                Ok(Ended::AtEnd) => assert_eq!(executed, BLOCKS, "{what}"),
                Err(()) => panic!("{what}"),
            }
            if stage == "execute" {
                assert_eq!(executed, at + 1, "{what}");
            }
        }
    }
}
