//! One request as libcurl makes it for pg_net: the same bytes on the wire, redirects and all, the same error texts.

use std::time::{Duration, Instant};

use bytes::Bytes;
use hyper::Uri;
use serde_json::{Map, Value};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Of an answer so much is kept; the real one would run out of memory.
const MOST_KEPT: usize = 16 << 20;
const MOST_HEADERS: usize = 128;

/// What stood in the queue.
pub struct Request {
    pub method: String,
    pub url: String,
    /// `Name: value`, unchecked.
    pub headers: Vec<String>,
    pub body: Option<Bytes>,
    /// 0: without limit.
    pub timeout_ms: u64,
}

/// What stands in the responses.
pub enum Outcome {
    Answer(Answer),
    Failure { timed_out: bool, message: String },
}

/// The last answer of a chain of redirects.
pub struct Answer {
    pub status: u16,
    pub headers: Map<String, Value>,
    pub content_type: Option<String>,
    /// Up to the first NUL; nothing if empty.
    pub content: Option<Vec<u8>>,
}

/// A failure is a constant text of libcurl's.
type Curl<T> = Result<T, &'static str>;

/// Performs it, redirects included, within its time.
pub async fn perform(request: Request) -> Outcome {
    let mut clock = Clock::new();
    let limit = request.timeout_ms;
    let done = if limit == 0 {
        Some(chain(request, &mut clock).await)
    } else {
        tokio::time::timeout(Duration::from_millis(limit), chain(request, &mut clock))
            .await
            .ok()
    };
    match done {
        Some(Ok(answer)) => Outcome::Answer(answer),
        Some(Err(message)) => Outcome::Failure {
            timed_out: false,
            message: message.to_owned(),
        },
        None => Outcome::Failure {
            timed_out: true,
            message: clock.time_out(limit),
        },
    }
}

/// Where the time of a request went.
struct Clock {
    start: Instant,
    resolved: Option<Duration>,
    connected: Option<Duration>,
}

impl Clock {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            resolved: None,
            connected: None,
        }
    }

    fn time_out(&self, limit: u64) -> String {
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        let total = self.start.elapsed();
        let resolved = self.resolved.unwrap_or(total);
        let connected = self.connected.unwrap_or(total);
        format!(
            "Timeout of {limit} ms reached. Total time: {:.6} ms (DNS time: {:.6} ms, TCP/SSL handshake time: {:.6} ms, HTTP Request/Response time: {:.6} ms)",
            ms(total),
            ms(resolved),
            ms(connected.saturating_sub(resolved)),
            ms(total.saturating_sub(connected))
        )
    }
}

async fn chain(mut request: Request, clock: &mut Clock) -> Curl<Answer> {
    // libcurl of that age follows redirects without a limit; the request's time is the only one.
    loop {
        let target = Target::parse(&request.url)?;
        let stream = connect(&target, clock).await?;
        let (status, headers, body) = exchange(stream, &request, &target).await?;
        let location = (300..400)
            .contains(&status)
            .then(|| find(&headers, "location"))
            .flatten();
        let Some(location) = location else {
            return Ok(answer(status, headers, &body));
        };
        let next = target.resolve(&location);
        if matches!(status, 301..=303) && request.method == "POST" {
            request.method = "GET".to_owned();
            request.body = None;
        }
        if Target::parse(&next)?.origin() != target.origin() {
            request
                .headers
                .retain(|line| !is_named(line, "authorization") && !is_named(line, "cookie"));
        }
        request.url = next;
    }
}

struct Target {
    uri: Uri,
}

impl Target {
    fn parse(url: &str) -> Curl<Self> {
        // libcurl guesses http where no scheme is given.
        let with_scheme = if url.contains("://") {
            url.to_owned()
        } else {
            format!("http://{url}")
        };
        const BAD: &str = "URL using bad/illegal format or missing URL";
        let uri: Uri = with_scheme.parse().map_err(|_| BAD)?;
        let port = uri.authority().and_then(|authority| {
            let (_, port) = authority.as_str().rsplit_once(':')?;
            (!port.contains(']')).then_some(port)
        });
        if port.is_some_and(|port| port.parse::<u16>().is_err()) {
            return Err(BAD);
        }
        match uri.scheme_str() {
            Some("http") => Ok(Self { uri }),
            // The real one speaks https, too.
            _ => Err("Unsupported protocol"),
        }
    }

    fn host(&self) -> &str {
        self.uri.host().unwrap_or_default().trim_matches(['[', ']'])
    }

    fn port(&self) -> u16 {
        self.uri.port_u16().unwrap_or(80)
    }

    fn origin(&self) -> (String, u16) {
        (self.host().to_ascii_lowercase(), self.port())
    }

    fn path(&self) -> &str {
        self.uri.path_and_query().map_or("/", |path| path.as_str())
    }

    fn resolve(&self, location: &str) -> String {
        let authority = self.uri.authority().map_or("", |authority| authority.as_str());
        if location.contains("://") {
            location.to_owned()
        } else if let Some(rest) = location.strip_prefix("//") {
            format!("http://{rest}")
        } else if location.starts_with('/') {
            format!("http://{authority}{location}")
        } else {
            let folder = self.uri.path().rsplit_once('/').map_or("", |(folder, _)| folder);
            format!("http://{authority}{folder}/{location}")
        }
    }
}

async fn connect(target: &Target, clock: &mut Clock) -> Curl<TcpStream> {
    let addresses = tokio::net::lookup_host((target.host(), target.port())).await;
    let addresses: Vec<_> = addresses.map_err(|_| "Couldn't resolve host name")?.collect();
    clock.resolved = Some(clock.start.elapsed());
    for address in addresses {
        if let Ok(stream) = TcpStream::connect(address).await {
            clock.connected = Some(clock.start.elapsed());
            let _ = stream.set_nodelay(true);
            return Ok(stream);
        }
    }
    Err("Couldn't connect to server")
}

type Headers = Vec<(String, String)>;

async fn exchange(
    mut stream: TcpStream,
    request: &Request,
    target: &Target,
) -> Curl<(u16, Headers, Vec<u8>)> {
    stream
        .write_all(&on_the_wire(request, target))
        .await
        .map_err(|_| "Failed sending data to the peer")?;
    let mut buffer = Vec::new();
    loop {
        if let Some((status, headers, length)) = head(&buffer)? {
            buffer.drain(..length);
            // 100 Continue and its like come before the answer.
            if status >= 200 {
                let body = body(&mut stream, buffer, status, &headers).await?;
                return Ok((status, headers, body));
            }
        } else if read(&mut stream, &mut buffer).await? == 0 {
            return Err("Server returned nothing (no headers, no data)");
        }
    }
}

/// Line ends in a header's value go out as they are: whoever fills the queue injects what they like.
fn on_the_wire(request: &Request, target: &Target) -> Vec<u8> {
    let mut host = target.uri.host().unwrap_or_default().to_owned();
    if target.port() != 80 {
        host.push_str(&format!(":{}", target.port()));
    }
    let mut head = format!(
        "{} {} HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\n",
        request.method,
        target.path()
    );
    for line in &request.headers {
        // To libcurl a header without a value is one to leave out.
        if line
            .split_once(':')
            .is_some_and(|(_, value)| !value.trim().is_empty())
        {
            head.push_str(line);
            head.push_str("\r\n");
        }
    }
    head.push_str("User-Agent: pg_net/0.20.4\r\n");
    let body = request.body.as_deref().unwrap_or_default();
    // As a C string: it ends at a NUL.
    let body = body.split(|byte| *byte == 0).next().unwrap_or_default();
    if request.body.is_some() || request.method == "POST" {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        if !request.headers.iter().any(|line| is_named(line, "content-type")) {
            head.push_str("Content-Type: application/x-www-form-urlencoded\r\n");
        }
    }
    head.push_str("\r\n");
    let mut bytes = head.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

fn is_named(line: &str, name: &str) -> bool {
    line.split_once(':')
        .is_some_and(|(found, _)| found.trim().eq_ignore_ascii_case(name))
}

async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Curl<usize> {
    let mut part = [0; 16 << 10];
    let count = stream
        .read(&mut part)
        .await
        .map_err(|_| "Failure when receiving data from the peer")?;
    buffer.extend_from_slice(part.get(..count).unwrap_or_default());
    Ok(count)
}

/// Status, headers, and how many bytes they took; `None` until they are complete.
fn head(buffer: &[u8]) -> Curl<Option<(u16, Headers, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    match response.parse(buffer) {
        Ok(httparse::Status::Complete(length)) => {
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let headers = response.headers.iter();
            let headers = headers.map(|header| (header.name.to_owned(), text(header.value)));
            Ok(Some((response.code.unwrap_or(0), headers.collect(), length)))
        }
        Ok(httparse::Status::Partial) => Ok(None),
        Err(_) => Err("Weird server reply"),
    }
}

fn find(headers: &Headers, name: &str) -> Option<String> {
    let found = headers
        .iter()
        .rev()
        .find(|(found, _)| found.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.clone())
}

async fn body(stream: &mut TcpStream, mut buffer: Vec<u8>, status: u16, headers: &Headers) -> Curl<Vec<u8>> {
    const PARTIAL: &str = "Transferred a partial file";
    if matches!(status, 204 | 304) {
        return Ok(Vec::new());
    }
    if find(headers, "transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        return chunks(stream, buffer).await;
    }
    let length = find(headers, "content-length").and_then(|value| value.trim().parse::<usize>().ok());
    let mut dropped = 0;
    while length.is_none_or(|length| buffer.len() + dropped < length) {
        if read(stream, &mut buffer).await? == 0 {
            return if length.is_none() {
                Ok(buffer)
            } else {
                Err(PARTIAL)
            };
        }
        dropped += buffer.len().saturating_sub(MOST_KEPT);
        buffer.truncate(MOST_KEPT);
    }
    Ok(buffer)
}

async fn chunks(stream: &mut TcpStream, mut buffer: Vec<u8>) -> Curl<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let (start, size) = match httparse::parse_chunk_size(&buffer) {
            Ok(httparse::Status::Complete(found)) => found,
            Ok(httparse::Status::Partial) => {
                more(stream, &mut buffer).await?;
                continue;
            }
            Err(_) => return Err("Failure when receiving data from the peer"),
        };
        if size == 0 {
            return Ok(body);
        }
        let end = start + usize::try_from(size).unwrap_or(usize::MAX / 2);
        while buffer.len() < end + 2 {
            more(stream, &mut buffer).await?;
        }
        body.extend_from_slice(buffer.get(start..end).unwrap_or_default());
        body.truncate(MOST_KEPT);
        buffer.drain(..end + 2);
    }
}

async fn more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Curl<()> {
    match read(stream, buffer).await? {
        0 => Err("Transferred a partial file"),
        _ => Ok(()),
    }
}

fn answer(status: u16, headers: Headers, body: &[u8]) -> Answer {
    let content = body.split(|byte| *byte == 0).next().unwrap_or_default();
    Answer {
        status,
        content_type: find(&headers, "content-type"),
        content: (!content.is_empty()).then(|| content.to_vec()),
        headers: headers
            .into_iter()
            .map(|(name, value)| (name, Value::String(value)))
            .collect(),
    }
}
