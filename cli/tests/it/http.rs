//! The least HTTP that JSON-RPC takes, for tests on loopback.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
};

/// Reads one request or response; gives its first line and its body. `None` if
/// the other side closed before it.
pub(crate) fn receive(stream: &TcpStream) -> Option<(String, String)> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok().filter(|length| *length > 0)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim().to_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((first, String::from_utf8(body).unwrap()))
}

/// Answers with `status`, claiming `length` bytes of body. The client may have
/// gone away, which is its business.
pub(crate) fn answer(mut stream: &TcpStream, status: &str, length: usize, body: &str) {
    // In one piece: small ones would wait for each other's acknowledgement.
    let text = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    let _ = stream.write_all(text.as_bytes());
}

/// Posts `body` to a port on loopback; gives the response's body, or `None` if
/// nobody answers there.
pub(crate) fn post(port: u16, body: &str) -> Option<String> {
    post_with(port, "", body).map(|(_, body)| body)
}

/// The same with more header lines, each with its end; gives the status line as
/// well.
pub(crate) fn post_with(port: u16, headers: &str, body: &str) -> Option<(String, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    let text = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n{headers}\r\n{body}",
        body.len()
    );
    stream.write_all(text.as_bytes()).ok()?;
    receive(&stream)
}
