//! Whoever started a replay stops it, or listens no more: it ends at a block,
//! and the next one goes on from there.

use crate::program::{Finished, command, run_ok};
use alloy_rlp::Encodable;
use blockloom_fixtures::demo::{DemoChain, DemoParams};
use blockloom_state::Store;
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    process::{Child, Command, Stdio},
};
use tempfile::{TempDir, tempdir};

/// Enough blocks that something is on its way at every moment.
const BLOCKS: u64 = 32;

/// A chain, in a folder of its own, and what a replay that nobody disturbs makes
/// of it.
pub(crate) struct Scene {
    folder: TempDir,
    chain: DemoChain,
    expected: String,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let params = DemoParams { blocks: BLOCKS, txs_per_block: 30, ..DemoParams::default() };
        let chain = DemoChain::generate(&params).expect("it can be made");
        let mut scene = Self { folder: tempdir().unwrap(), chain, expected: String::new() };
        fs::write(scene.path("chain.rlp"), scene.encoded(0, BLOCKS)).unwrap();
        let genesis = serde_json::to_vec(&scene.chain.genesis).unwrap();
        fs::write(scene.path("genesis.json"), genesis).unwrap();
        scene.expected = scene.complete("straight");
        scene
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    /// The blocks above `from`, up to number `to`.
    pub(crate) fn encoded(&self, from: u64, to: u64) -> Vec<u8> {
        let mut rlp = Vec::new();
        for block in &self.chain.blocks {
            if (from + 1..=to).contains(&block.header.number) {
                block.encode(&mut rlp);
            }
        }
        rlp
    }

    /// Arguments that replay `source` into the store `db`.
    pub(crate) fn args(&self, source: &str, db: &str) -> Vec<String> {
        let genesis = self.path("genesis.json");
        let args = ["replay", source, "--genesis", &genesis, "--db", &self.path(db), "--json"];
        args.map(str::to_owned).into()
    }

    /// Replays the chain to its end; what is in the store then.
    fn complete(&self, db: &str) -> String {
        run_ok(self.args(&self.path("chain.rlp"), db));
        run_ok(["db", "export", "--db", &self.path(db)]).stdout
    }

    /// Asserts that the store is whole, at a block not below `said`, and that a
    /// replay goes on to the right end; gives where it stood.
    #[track_caller]
    pub(crate) fn assert_resumes(&self, db: &str, said: Option<u64>, what: &str) -> Option<u64> {
        let path = self.path(db);
        let tip = if Store::is_vacant(&path).unwrap() {
            None
        } else {
            let store = Store::open(&path).unwrap();
            store.verify().unwrap();
            Some(store.tip().number)
        };
        assert!(said <= tip, "{what}: block {said:?} was committed, the tip is {tip:?}");
        assert_eq!(self.complete(db), self.expected, "{what}");
        tip
    }
}

/// The block that a record is about.
pub(crate) fn block_of(line: &str) -> Option<u64> {
    serde_json::from_str::<Value>(line).ok()?["block"].as_u64()
}

/// A replay of what comes on stdin, with the first blocks committed.
pub(crate) struct Begun {
    pub(crate) child: Child,
    pub(crate) lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Begun {
    /// Replays `source` and waits until `n_blocks` were reported.
    pub(crate) fn new(mut command: Command, first: &[u8], n_blocks: u64) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.as_mut().unwrap().write_all(first).unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for number in 1..=n_blocks {
            let line = lines.next().and_then(Result::ok).unwrap_or_default();
            assert_eq!(block_of(&line), Some(number), "{line}");
        }
        Self { child, lines }
    }

    /// Gives it the `rest`, which it may refuse, and waits for its end; the last
    /// block that it reported, if any.
    pub(crate) fn finish(mut self, rest: &[u8]) -> (Option<u64>, Finished) {
        // Whoever has ended reads no more.
        let _ = self.child.stdin.take().unwrap().write_all(rest);
        let lines = self.lines.map_while(Result::ok);
        let last = lines.filter_map(|line| block_of(&line)).last();
        let mut stderr = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        let code = self.child.wait().unwrap().code();
        (last, Finished { code, stdout: String::new(), stderr })
    }
}

#[test]
fn a_replay_cancelled_at_any_block_ends_at_a_block() {
    let scene = Scene::new();
    let mut n_cancelled = 0;
    for (n, mode) in [&[][..], &["--no-pipeline"], &["--durability", "3"]].iter().enumerate() {
        for at in [1, 2, 5, 11, 20] {
            let (db, what) = (format!("db-{n}-{at}"), format!("{mode:?}, block {at}"));
            let program = command(
                scene.args("-", &db).iter().map(String::as_str).chain(mode.iter().copied()),
            );
            // All of it, so that more is on its way when the signal comes.
            let begun = Begun::new(program, &scene.encoded(0, BLOCKS), at);
            let kill = Command::new("kill").args(["-INT", &begun.child.id().to_string()]).status();
            assert!(kill.unwrap().success());
            let (last, finished) = begun.finish(&[]);
            let said = last.unwrap_or(at);
            let tip = scene.assert_resumes(&db, Some(said), &what);
            if finished.code == Some(0) {
                assert_eq!(tip, Some(BLOCKS), "{what}: {finished:?}");
                continue;
            }
            let words = format!("interrupted: the state is that of block {said}");
            finished.assert_refused(2, &[&words]);
            assert_eq!(tip, Some(said), "{what}: what is in the store was reported");
            n_cancelled += 1;
        }
    }
    println!("{n_cancelled} of 15 were cancelled in time");
}

/// The callback that takes the records fails.
#[test]
fn a_fault_in_writing_results_ends_a_replay_at_a_block() {
    let scene = Scene::new();
    for (n, mode) in [&[][..], &["--no-pipeline"], &["--durability", "3"]].iter().enumerate() {
        for at in [0, 1, 7] {
            let (db, what) = (format!("db-{n}-{at}"), format!("{mode:?}, block {at}"));
            let program = command(
                scene.args("-", &db).iter().map(String::as_str).chain(mode.iter().copied()),
            );
            let mut begun = Begun::new(program, &scene.encoded(0, at), at);
            // Nobody listens any more; the next record has nowhere to go.
            let deaf = Command::new("true").stdout(Stdio::piped()).spawn().unwrap().stdout.take();
            begun.lines = BufReader::new(deaf.unwrap()).lines();
            let (_, finished) = begun.finish(&scene.encoded(at, BLOCKS));
            finished.assert_refused(2, &["writing results"]);
            scene.assert_resumes(&db, Some(at), &what);
        }
    }
}
