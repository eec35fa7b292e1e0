//! One call at a time, as often as it takes and as fast as is allowed.

use super::RpcError;
use crate::NodeArgs;
use alloy_rpc_client::RpcClient;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::{
    sync::{Mutex, Once, PoisonError},
    time::{Duration, Instant},
};
use tokio::runtime::{Builder, Runtime};

/// Longest pause between two attempts.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// A JSON-RPC client whose calls block, from any number of threads.
#[derive(Debug)]
pub(crate) struct Client {
    runtime: Runtime,
    rpc: RpcClient,
    retries: u32,
    pause: Duration,
    /// When the next request may leave, and the time between two; none if
    /// there is no limit.
    pace: Option<(Mutex<Instant>, Duration)>,
}

impl Client {
    /// A client of the endpoint at `url`. Nothing is sent yet.
    pub(crate) fn new(url: &str, args: &NodeArgs) -> Result<Self, RpcError> {
        static PROVIDER: Once = Once::new();
        PROVIDER.call_once(|| {
            // Fails only if somebody chose a provider before, which is as good.
            let _ = rustls::crypto::ring::default_provider().install_default();
        });
        let endpoint = reqwest::Url::parse(url)
            .map_err(|source| RpcError::Url { url: url.to_owned(), source: Box::new(source) })?;
        let http = reqwest::Client::builder()
            .timeout(args.timeout)
            .build()
            .map_err(|source| RpcError::Start(Box::new(source)))?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .map_err(|source| RpcError::Start(Box::new(source)))?;
        let interval = args.rate.map(|rate| Duration::from_secs(1).div_f64(rate));
        Ok(Self {
            runtime,
            rpc: RpcClient::new_http_with_client(http, endpoint),
            retries: args.retries,
            pause: args.retry_pause,
            pace: interval.map(|interval| (Mutex::new(Instant::now()), interval)),
        })
    }

    /// Calls `method`; where it fails in a way that may pass, calls it again
    /// after a pause that doubles each time, or that the server asks for.
    pub(crate) fn call<R: DeserializeOwned>(
        &self,
        method: &'static str,
        params: &Value,
    ) -> Result<R, RpcError> {
        let mut pause = self.pause;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let error = match self.attempt(method, params) {
                Ok(answer) => return Ok(answer),
                Err(error) if !error.is_transient() => return Err(error),
                Err(error) => error,
            };
            // Ends: attempts are counted.
            if attempt > self.retries {
                return Err(RpcError::GaveUp { attempts: attempt, source: Box::new(error) });
            }
            let asked = match &error {
                RpcError::Http { retry_after, .. } => retry_after.unwrap_or_default(),
                _ => Duration::ZERO,
            };
            std::thread::sleep(pause.max(asked).min(MAX_PAUSE));
            pause = pause.saturating_mul(2);
        }
    }

    fn attempt<R: DeserializeOwned>(
        &self,
        method: &'static str,
        params: &Value,
    ) -> Result<R, RpcError> {
        self.wait_for_turn();
        let answer: Value = self
            .runtime
            .block_on(async { self.rpc.request(method, params).await })
            .map_err(|error| RpcError::of_call(method, error))?;
        serde_json::from_value(answer)
            .map_err(|error| RpcError::Malformed { method, problem: error.to_string() })
    }

    /// Takes the next free moment and sleeps until then.
    fn wait_for_turn(&self) {
        let Some((next, interval)) = &self.pace else { return };
        let now = Instant::now();
        let turn = {
            let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
            let turn = (*next).max(now);
            *next = turn + *interval;
            turn
        };
        std::thread::sleep(turn - now);
    }
}
