//! `up` and `tunnel` as they are shipped: a streamed answer through client, proxy and worker on loopback, and what
//! ordinary TLS tools see of the attested connections.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

/// A command that stays until it is dropped; its first line of data is read.
struct Lasting {
    child: Child,
    first_line: serde_json::Value,
}

impl Lasting {
    fn start(words: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_chrysalis"))
            .args(words)
            .args(["--json", "--quiet"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let first_line = serde_json::from_str(&line).unwrap();
        Self { child, first_line }
    }

    fn text(&self, pointer: &str) -> &str {
        self.first_line.pointer(pointer).unwrap().as_str().unwrap()
    }
}

impl Drop for Lasting {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What an endpoint answers to a request for a stream; the body as it comes, chunk marks included.
#[expect(clippy::disallowed_methods, reason = "a user outside, on a real socket")]
fn streamed_answer(endpoint: &str) -> String {
    let body = r#"{"model":"tiny-nano","stream":true,"max_tokens":5,"messages":[{"role":"user","content":"Hello"}]}"#;
    let mut socket = TcpStream::connect(endpoint).unwrap();
    write!(
        socket,
        "POST /v1/chat/completions HTTP/1.1\r\nhost: chrysalis\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

fn has_openssl() -> bool {
    Command::new("openssl").arg("version").output().is_ok()
}

/// What `openssl s_client` says of a port; it sends nothing and waits for the other side.
fn s_client(address: &str) -> String {
    let output = Command::new("openssl")
        .args(["s_client", "-connect", address, "-tls1_3", "-ign_eof"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// The text form of the certificate that `openssl s_client` printed.
fn certificate(session: &str) -> String {
    let begin = session.find("-----BEGIN CERTIFICATE-----").expect("a certificate");
    let mut child = Command::new("openssl")
        .args(["x509", "-noout", "-text"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(&session.as_bytes()[begin..])
        .unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap()
}

#[test]
fn a_network_that_is_up_streams_an_answer() {
    let up = Lasting::start(&["up"]);
    let answer = streamed_answer(up.text("/clients/0/1"));
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.contains("content-type: text/event-stream"), "{answer}");
    assert!(answer.matches("\"delta\":{\"content\"").count() >= 5, "{answer}");
    assert!(answer.contains("\"completion_tokens\":5"), "{answer}");
    assert!(answer.contains("data: [DONE]"), "{answer}");
}

#[test]
#[expect(clippy::print_stderr, reason = "says what it could not show")]
fn ordinary_tls_tools_see_the_certificate_and_are_refused() {
    if !has_openssl() {
        eprintln!("openssl is not installed here: nothing shown");
        return;
    }
    let up = Lasting::start(&["up"]);
    for port in ["/proxies/0/1", "/proxies/0/2"] {
        let tunnel = Lasting::start(&["tunnel", up.text(port)]);
        let session = s_client(tunnel.text("/tunnel"));
        assert!(session.contains("TLSv1.3"), "{session}");
        let certificate = certificate(&session);
        assert!(certificate.contains("ED25519"), "{certificate}");
        // The extension that holds a TDX quote (spec §3.4).
        assert!(certificate.contains("1.3.6.1.4.1.12345.1"), "{certificate}");
        // The proxy asks for a certificate with evidence; openssl has none.
        assert!(session.contains("alert"), "{session}");
    }
}
