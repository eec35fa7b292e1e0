//! `blockloom serve` as a consensus client and everybody else meet it: a child
//! process, HTTP on loopback, tokens.

mod branch;
mod cast;
mod engine_api;
mod payload;
mod rpc_compat;
mod viem;

use crate::{
    http::post_with,
    program::{Finished, command},
};
use alloy_primitives::{B256, hex};
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use blockloom_engine::Block;
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};

const SECRET: [u8; 32] = [0x5e; 32];

/// An Authorization header made with `secret` now.
fn token(secret: &[u8]) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let encode = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
    let signed = format!(
        "{}.{}",
        encode(r#"{"alg":"HS256","typ":"JWT"}"#),
        encode(&json!({ "iat": now }).to_string())
    );
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    mac.update(signed.as_bytes());
    let signature = BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    format!("Authorization: Bearer {signed}.{signature}\r\n")
}

/// A running `serve`, killed when it goes out of scope.
struct Served {
    process: Child,
    stdout: BufReader<ChildStdout>,
    http: u16,
    engine: u16,
    /// What it said when it was up.
    listening: Value,
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Where a test keeps its store, genesis and secret.
struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    fn new(genesis: &[u8]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("genesis.json"), genesis).unwrap();
        fs::write(folder.path().join("jwt.hex"), hex::encode(SECRET)).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// `serve` on both ports, and with `more` arguments.
    fn command(&self, more: &[&str]) -> Command {
        let path = |name| self.path(name).to_str().unwrap().to_owned();
        let (db, genesis, jwt) = (path("db"), path("genesis.json"), path("jwt.hex"));
        let args = ["serve", "--db", &db, "--genesis", &genesis, "--http", "127.0.0.1:0", "--json"];
        let engine = ["--engine", "127.0.0.1:0", "--jwt", &jwt, "--workers", "2"];
        command(args.iter().chain(&engine).chain(more))
    }

    #[track_caller]
    fn serve(&self, more: &[&str]) -> Served {
        let mut process = self.command(more).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        // It says where it listens once it does, or ends.
        stdout.read_line(&mut line).unwrap();
        let listening: Value = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("serve does not say where it listens: {error}: {line}"));
        let port = |what: &str| {
            let address = listening[what].as_str().unwrap();
            address.rsplit_once(':').unwrap().1.parse().unwrap()
        };
        let (http, engine) = (port("http"), port("engine"));
        Served { process, stdout, http, engine, listening }
    }

    fn refused(&self, more: &[&str]) -> Finished {
        self.command(more).output().unwrap().into()
    }
}

impl Served {
    /// What the public port answers.
    #[track_caller]
    fn ask(&self, request: &Value) -> Value {
        let (_, answer) = post_with(self.http, "", &request.to_string()).expect("it answers");
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }

    /// A result from the public port.
    #[track_caller]
    fn call(&self, method: &str, params: &Value) -> Value {
        let answer = self.ask(&request(method, params));
        assert!(answer.get("error").is_none(), "{method} {params}: {answer}");
        answer["result"].clone()
    }

    /// What the Engine API answers to a good token.
    #[track_caller]
    fn tell(&self, method: &str, params: &Value) -> Value {
        let request = request(method, params).to_string();
        let (status, answer) =
            post_with(self.engine, &token(&SECRET), &request).expect("it answers");
        assert!(status.contains(" 200 "), "{method}: {status} {answer}");
        serde_json::from_str(&answer).unwrap()
    }

    /// Status and latest valid hash of a payload.
    #[track_caller]
    fn new_payload(&self, block: &Block, requests: &[alloy_primitives::Bytes]) -> Status {
        let (method, params) = payload::of(block, requests);
        Status::of(&self.tell(method, &params)["result"])
    }

    #[track_caller]
    fn choose(&self, head: B256) -> Status {
        let answer = self.tell("engine_forkchoiceUpdatedV3", &json!([forkchoice(head), null]));
        Status::of(&answer["result"]["payloadStatus"])
    }

    /// Asks for the end as Ctrl-C does, and waits for it.
    fn interrupt(mut self) -> (Option<i32>, String) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        let code = self.process.wait().unwrap().code();
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        (code, rest)
    }
}

fn request(method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
}

fn forkchoice(head: B256) -> Value {
    json!({
        "headBlockHash": head, "safeBlockHash": B256::ZERO, "finalizedBlockHash": B256::ZERO,
    })
}

/// What the Engine API says about a payload or a head.
#[derive(Debug, PartialEq, Eq)]
struct Status {
    status: String,
    latest_valid: Option<B256>,
    error: Option<String>,
}

impl Status {
    #[track_caller]
    fn of(value: &Value) -> Self {
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        let status = text("status").unwrap_or_else(|| panic!("no status in {value}"));
        let latest_valid = text("latestValidHash").map(|hash| hash.parse().unwrap());
        Self { status, latest_valid, error: text("validationError") }
    }

    fn valid(hash: B256) -> Self {
        Self { status: "VALID".to_owned(), latest_valid: Some(hash), error: None }
    }

    fn syncing() -> Self {
        Self { status: "SYNCING".to_owned(), latest_valid: None, error: None }
    }

    /// Checks that a block was refused, and for this reason.
    #[track_caller]
    fn assert_invalid(&self, latest_valid: Option<B256>, reason: &str) {
        assert_eq!(
            (self.status.as_str(), self.latest_valid),
            ("INVALID", latest_valid),
            "{self:?}"
        );
        let error = self.error.as_deref().unwrap_or_default();
        assert!(error.contains(reason), "{reason:?} is not in {error:?}");
    }
}

/// Every file below `folder` with this extension, sorted.
fn files_below(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(files_below(&path, extension));
        } else if path.extension().is_some_and(|found| found == extension) {
            files.push(path);
        }
    }
    files.sort();
    files
}
