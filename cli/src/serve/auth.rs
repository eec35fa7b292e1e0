//! Who may use the Engine API: bearers of a token made with the shared secret.
//!
//! As the Engine API's authentication document has it: HS256 over a secret of 32
//! bytes, and a claim `iat` within a minute of now. Tokens are checked here, with
//! RustCrypto's HMAC, because libraries for all of JWT bring all of its
//! algorithms.

use crate::CliError;
use alloy_primitives::hex;
use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use http::{StatusCode, header::AUTHORIZATION};
use jsonrpsee::{
    core::BoxError,
    server::{HttpBody, HttpRequest, HttpResponse},
};
use serde::Deserialize;
use sha2::Sha256;
use std::{
    fs,
    path::Path,
    pin::Pin,
    task::{Context, Poll},
    time::{SystemTime, UNIX_EPOCH},
};
use tower::{Layer, Service};

/// How far a token's time may be from ours, in seconds.
const MAX_DRIFT_S: u64 = 60;

/// The secret shared with the consensus client.
#[derive(Clone)]
pub(crate) struct Secret([u8; 32]);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// Why a token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenError {
    #[error("no bearer token")]
    Missing,
    #[error("the token is malformed")]
    Malformed,
    #[error("the token's algorithm is not HS256")]
    Algorithm,
    #[error("the token's signature is wrong")]
    Signature,
    #[error("the token was issued more than 60 seconds away from now")]
    Stale,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
}

#[derive(Deserialize)]
struct Claims {
    iat: u64,
}

impl Secret {
    /// Reads 32 bytes in hex, with or without 0x.
    pub(crate) fn load(path: &Path) -> Result<Self, CliError> {
        let text = fs::read_to_string(path).map_err(|source| CliError::read(path, source))?;
        let bytes = hex::decode_to_array(text.trim());
        bytes.map(Self).map_err(|_| CliError::JwtSecret { path: path.to_owned() })
    }

    /// Checks the value of an Authorization header at `now`, in seconds since
    /// 1970.
    fn check(&self, authorization: Option<&str>, now: u64) -> Result<(), TokenError> {
        let token = authorization.and_then(|value| value.strip_prefix("Bearer "));
        let token = token.ok_or(TokenError::Missing)?.trim();
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(TokenError::Malformed)?;
        let Header { alg } = part(header)?;
        if alg != "HS256" {
            return Err(TokenError::Algorithm);
        }
        let signature = BASE64_URL_SAFE_NO_PAD.decode(signature);
        let signature = signature.map_err(|_| TokenError::Malformed)?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).map_err(|_| TokenError::Signature)?;
        mac.update(signed.as_bytes());
        // In constant time.
        mac.verify_slice(&signature).map_err(|_| TokenError::Signature)?;
        let Claims { iat } = part(claims)?;
        if iat.abs_diff(now) > MAX_DRIFT_S { Err(TokenError::Stale) } else { Ok(()) }
    }
}

/// A part of a token: JSON in base64.
fn part<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, TokenError> {
    let json = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| TokenError::Malformed)?;
    serde_json::from_slice(&json).map_err(|_| TokenError::Malformed)
}

/// Answers requests without a good token with 401.
#[derive(Clone, Debug)]
pub(crate) struct Authenticated(pub(crate) Secret);

impl<S> Layer<S> for Authenticated {
    type Service = Guarded<S>;

    fn layer(&self, inner: S) -> Guarded<S> {
        Guarded { secret: self.0.clone(), inner }
    }
}

/// A service behind [`Authenticated`].
#[derive(Clone, Debug)]
pub(crate) struct Guarded<S> {
    secret: Secret,
    inner: S,
}

type Answer<E> = Pin<Box<dyn Future<Output = Result<HttpResponse, E>> + Send>>;

impl<S, B> Service<HttpRequest<B>> for Guarded<S>
where
    S: Service<HttpRequest<B>, Response = HttpResponse, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = HttpResponse;
    type Error = BoxError;
    type Future = Answer<BoxError>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: HttpRequest<B>) -> Self::Future {
        let value = request.headers().get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        // A clock before 1970 accepts nobody.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        match self.secret.check(value, now) {
            Ok(()) => Box::pin(self.inner.call(request)),
            Err(error) => {
                let mut response = HttpResponse::new(HttpBody::from(error.to_string()));
                *response.status_mut() = StatusCode::UNAUTHORIZED;
                Box::pin(std::future::ready(Ok(response)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000;

    fn token(secret: &Secret, header: &str, claims: &str) -> String {
        let encode = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
        let signed = format!("{}.{}", encode(header), encode(claims));
        let mut mac = Hmac::<Sha256>::new_from_slice(&secret.0).unwrap();
        mac.update(signed.as_bytes());
        let signature = BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        format!("Bearer {signed}.{signature}")
    }

    fn claims(iat: u64) -> String {
        format!("{{\"iat\":{iat},\"id\":\"cl\"}}")
    }

    #[test]
    fn a_token_of_this_minute_is_accepted_and_no_other() {
        let header = r#"{"typ":"JWT","alg":"HS256"}"#;
        let secret = Secret([7; 32]);
        let check = |token: &str| secret.check(Some(token), NOW);
        for iat in [NOW - 60, NOW, NOW + 60] {
            assert_eq!(check(&token(&secret, header, &claims(iat))), Ok(()), "{iat}");
        }
        for iat in [0, NOW - 61, NOW + 61, u64::MAX] {
            let stale = check(&token(&secret, header, &claims(iat)));
            assert_eq!(stale, Err(TokenError::Stale), "{iat}");
        }
        let other = token(&Secret([8; 32]), header, &claims(NOW));
        assert_eq!(check(&other), Err(TokenError::Signature));
        let good = token(&secret, header, &claims(NOW));
        assert_eq!(check(&good[..good.len() - 3]), Err(TokenError::Signature));
        let none = token(&secret, r#"{"alg":"none"}"#, &claims(NOW));
        assert_eq!(check(&none), Err(TokenError::Algorithm));
        assert_eq!(check(&token(&secret, header, "{}")), Err(TokenError::Malformed));
        for malformed in ["Bearer ", "Bearer a.b", "Bearer a.b.c", "Bearer ...", "Bearer é.é.é"]
        {
            assert_eq!(check(malformed), Err(TokenError::Malformed), "{malformed}");
        }
        assert_eq!(secret.check(None, NOW), Err(TokenError::Missing));
        assert_eq!(secret.check(Some("Basic x"), NOW), Err(TokenError::Missing));
    }
}
