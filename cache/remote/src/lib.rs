//! Files of a store that is served over HTTP or lies in S3, for [`ServedStore`](mctune_cache::ServedStore).
//!
//! A crate of its own, so that neither the store nor the engine is built with a web client. All of that is `object_store`'s;
//! here it is given a blocking face.

mod reader;

use std::fmt::Display;
use std::future::Future;
use std::io::{self, ErrorKind, Read};
use std::ops::Range;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use mctune_cache::{Part, Source};
use object_store::path::Path;
use object_store::{
    BackoffConfig, ClientOptions, GetOptions, GetRange, ObjectStore, ObjectStoreExt, RetryConfig, aws::AmazonS3Builder,
    http::HttpBuilder,
};
use reader::StreamReader;
use url::Url;

/// How long failed requests are tried again before a store counts as unreachable.
const PATIENCE: Duration = Duration::from_secs(20);
const RETRIES: usize = 6;

/// An address is none of a served store.
#[derive(Debug, thiserror::Error)]
#[error("`{address}` is not the address of a store: {why}")]
pub struct AddressError {
    address: String,
    why: String,
}

/// Files below an address.
pub struct Remote {
    name: String,
    client: Arc<dyn ObjectStore>,
    prefix: Path,
    /// Requests run here, so that whoever waits for one may be anywhere, also on another runtime.
    runtime: tokio::runtime::Runtime,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Whether this is an address, and not the name of a folder.
#[must_use]
pub fn is_address(text: &str) -> bool {
    ["http://", "https://", "s3://"].iter().any(|scheme| text.starts_with(scheme))
}

impl Remote {
    /// Files below `address`: `http://..`, `https://..`, or `s3://bucket/prefix` with the usual variables (`AWS_REGION`,
    /// `AWS_ACCESS_KEY_ID`, `AWS_ENDPOINT`, ..) in `variables`. Nothing is asked for yet.
    ///
    /// # Errors
    /// If it is no such address, or the variables contradict each other.
    pub fn new(address: &str, variables: impl IntoIterator<Item = (String, String)>) -> Result<Self, AddressError> {
        let wrong = |why: &dyn Display| AddressError { address: address.to_owned(), why: why.to_string() };
        let url = Url::parse(address).map_err(|error| wrong(&error))?;
        // The default provider of the process; another one that was chosen before serves as well.
        drop(rustls::crypto::ring::default_provider().install_default());
        let options = ClientOptions::new()
            .with_allow_http(true)
            .with_connect_timeout(Duration::from_secs(10))
            // Of a whole answer; large objects take their time.
            .with_timeout(Duration::from_secs(3600));
        let backoff = BackoffConfig { init_backoff: Duration::from_millis(50), ..BackoffConfig::default() };
        let retry = RetryConfig { max_retries: RETRIES, retry_timeout: PATIENCE, backoff };
        let (client, prefix): (Arc<dyn ObjectStore>, Path) = match url.scheme() {
            "http" | "https" => {
                let built = HttpBuilder::new()
                    .with_url(&url[..url::Position::BeforePath])
                    .with_client_options(options)
                    .with_retry(retry)
                    .build();
                let prefix = Path::from_url_path(url.path()).map_err(|error| wrong(&error))?;
                (Arc::new(built.map_err(|error| wrong(&error))?), prefix)
            }
            "s3" => {
                let mut builder = AmazonS3Builder::new();
                for (name, value) in variables {
                    let key = name.to_ascii_lowercase();
                    if let (true, Ok(key)) = (key.starts_with("aws_"), key.parse()) {
                        builder = builder.with_config(key, value);
                    }
                }
                let built = builder.with_url(address).with_client_options(options).with_retry(retry).build();
                let prefix = Path::from_url_path(url.path()).map_err(|error| wrong(&error))?;
                (Arc::new(built.map_err(|error| wrong(&error))?), prefix)
            }
            other => return Err(wrong(&format!("`{other}` is not http, https or s3"))),
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("fetching")
            .enable_all()
            .build()
            .map_err(|error| wrong(&error))?;
        Ok(Self { name: address.trim_end_matches('/').to_owned(), client, prefix, runtime })
    }

    fn path(&self, path: &str) -> Path {
        path.split('/').fold(self.prefix.clone(), Path::join)
    }

    /// Runs a request to its end, wherever the caller is.
    fn wait<T: Send + 'static>(&self, request: impl Future<Output = T> + Send + 'static) -> io::Result<T> {
        let (sender, receiver) = mpsc::sync_channel(1);
        self.runtime.spawn(async move {
            // Who no longer waits wants no answer.
            drop(sender.send(request.await));
        });
        receiver.recv().map_err(|_| io::Error::other("the request was broken off"))
    }
}

impl Source for Remote {
    fn name(&self) -> &str {
        &self.name
    }

    fn part(&self, path: &str, range: Range<u64>) -> io::Result<Part> {
        if range.is_empty() {
            return Ok(Part::Bytes(Vec::new()));
        }
        let (client, path) = (Arc::clone(&self.client), self.path(path));
        let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
        let answer = self.wait(async move { client.get_opts(&path, options).await?.bytes().await })?;
        match answer {
            Ok(bytes) => Ok(Part::Bytes(bytes.into())),
            Err(object_store::Error::NotFound { .. }) => Ok(Part::Absent),
            // The server gave the whole file where a part of it was asked for.
            Err(object_store::Error::NotSupported { .. }) => Ok(Part::WholeOnly),
            Err(error) => Err(io_error(&error)),
        }
    }

    fn open(&self, path: &str) -> io::Result<Option<Box<dyn Read + '_>>> {
        let (client, path) = (Arc::clone(&self.client), self.path(path));
        match self.wait(async move { client.get(&path).await })? {
            Ok(answer) => Ok(Some(Box::new(StreamReader::new(answer.into_stream(), self.runtime.handle())))),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(io_error(&error)),
        }
    }
}

fn causes(error: &object_store::Error) -> impl Iterator<Item = &dyn std::error::Error> {
    std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source())
}

/// The error as one line, without what its causes repeat.
fn io_error(error: &object_store::Error) -> io::Error {
    let mut text = error.to_string();
    for cause in causes(error).skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    let kind = match error {
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
            ErrorKind::PermissionDenied
        }
        _ => ErrorKind::Other,
    };
    io::Error::new(kind, text.split_whitespace().collect::<Vec<_>>().join(" "))
}
