//! GOPROXY: its separators, passwords and directories, and the HTTP proxies of the environment.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};

use crate::fake_upstream::{Behavior, Upstream};
use crate::{get, go_mod, settings, start, status, whole};

const MOD: &str = "a.test/@v/v1.0.0.mod";

#[test]
fn the_separator_decides_whether_the_next_entry_is_asked() {
    let good = || Upstream::with_files(&[(MOD, go_mod("a.test"))]);
    for (code, separator, goes_on) in
        [(404, ",", true), (410, ",", true), (403, ",", false), (500, ",", false), (403, "|", true), (500, "|", true)]
    {
        let dir = tempfile::tempdir().unwrap();
        let (first, second) = (Upstream::start(move |_| Behavior::Status(code)), good());
        let list = format!("{}{separator}{},direct", first.url(), second.url());
        let got = get(start(settings(&list, dir.path())), MOD);
        assert_eq!(status(&got), Some(if goes_on { 200 } else { code }), "{code}{separator}");
        assert_eq!(second.requests().len(), usize::from(goes_on), "{code}{separator}");
    }
    // Entries after `direct` or `off` are left to the go command.
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (Upstream::with_files(&[]), good());
    for word in ["direct", "off"] {
        let list = format!("{},{word},{}", first.url(), second.url());
        assert_eq!(status(&get(start(settings(&list, dir.path())), MOD)), Some(404));
    }
    assert!(second.requests().is_empty());
}

#[test]
fn a_file_of_one_entry_is_not_served_for_another_list() {
    let dir = tempfile::tempdir().unwrap();
    let second = Upstream::with_files(&[(MOD, go_mod("a.test"))]);
    let none = Upstream::with_files(&[]);
    let list = format!("{},{}", none.url(), second.url());
    let both = start(settings(&list, dir.path()));
    for _ in 0..2 {
        assert_eq!(get(both, MOD), whole(&go_mod("a.test")));
        std::thread::sleep(std::time::Duration::from_millis(200)); // it is cached after the response
    }
    assert_eq!((none.requests().len(), second.requests().len()), (1, 1));
    assert_eq!(status(&get(start(settings(&none.url(), dir.path())), MOD)), Some(404));
    assert_eq!(get(start(settings(&second.url(), dir.path())), MOD), whole(&go_mod("a.test")));
    assert_eq!(second.requests().len(), 2, "alone it may have another file");
}

#[test]
fn directories_are_asked_in_their_place_in_the_list() {
    let dir = tempfile::tempdir().unwrap();
    let tree = dir.path().join("tree/a.test/@v");
    std::fs::create_dir_all(&tree).unwrap();
    std::fs::write(tree.join("v1.0.0.mod"), go_mod("a.test")).unwrap();
    let list = format!("{},file://{}", Upstream::with_files(&[]).url(), dir.path().join("tree").display());
    let proxy = start(settings(&list, dir.path()));
    assert_eq!(get(proxy, MOD), whole(&go_mod("a.test")));
    assert_eq!(status(&get(proxy, "a.test/@v/v2.0.0.mod")), Some(404));
}

#[test]
fn invalid_paths_reach_no_upstream() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(|_| Behavior::Send(Vec::new()));
    let proxy = start(settings(&upstream.url(), dir.path()));
    for path in ["", "etc/passwd", "a.test/../x/@v/list", "%2e%2e/@v/list", "A.test/@v/list", "a.test/@v/x.zip"] {
        assert_eq!(status(&get(proxy, path)), Some(404), "{path}");
    }
    assert!(upstream.requests().is_empty());
}

/// A proxy as a process; it ends when this is dropped.
pub(crate) struct Serving(pub(crate) std::process::Child, pub(crate) std::net::SocketAddr);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn serve(list: &str, dir: &std::path::Path, variables: &[(&str, &str)]) -> Serving {
    let mut child = Command::new(env!("CARGO_BIN_EXE_modproxy"))
        .args(["serve", "--listen", "127.0.0.1:0", "--upstream", list, "--store"])
        .arg(dir.join("store"))
        .env_clear()
        .envs(variables.iter().copied())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line).unwrap();
    Serving(child, line.trim().strip_prefix("http://").unwrap().parse().unwrap())
}

#[test]
fn an_http_proxy_that_makes_no_connection_is_an_error() {
    for reply in [
        "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\nmodule a.test\n",
        "HTTP/1.1 302 Found\r\nLocation: http://b.test/\r\n\r\n",
        "SOCKS",
        "",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let proxy = Upstream::start(move |_| Behavior::RawThenClose(reply.into()));
        let serving = serve("http://far.test", dir.path(), &[("HTTP_PROXY", &proxy.url())]);
        assert_eq!(status(&get(serving.1, MOD)), Some(502), "{reply}");
        assert!(proxy.requests().iter().all(|path| path == "far.test:80"), "{:?}", proxy.requests());
    }
}

/// An HTTP proxy that connects every client to one address, and sends the head of each request.
fn http_proxy(to: std::net::SocketAddr) -> (String, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (send, requests) = std::sync::mpsc::sync_channel(100);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            send.send(String::from_utf8(head).unwrap()).unwrap();
            stream.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").unwrap();
            let upstream = TcpStream::connect(to).unwrap();
            let (mut from, mut into) = (stream.try_clone().unwrap(), upstream.try_clone().unwrap());
            std::thread::spawn(move || std::io::copy(&mut from, &mut into));
            std::thread::spawn(move || std::io::copy(&mut { upstream }, &mut { stream }));
        }
    });
    (format!("http://me:secret@{address}"), requests)
}

#[test]
fn http_proxies_of_the_environment_are_used_except_for_no_proxy_hosts() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::with_files(&[(MOD, go_mod("a.test"))]);
    let (proxy, requests) = http_proxy(upstream.address);
    let variables = [("HTTP_PROXY", proxy.as_str()), ("NO_PROXY", "other.test")];
    let serving = serve("http://far.test:8080/base", dir.path(), &variables);
    assert_eq!(status(&get(serving.1, MOD)), Some(404));
    let request = requests.recv().unwrap();
    assert!(request.starts_with("CONNECT far.test:8080 "), "{request}");
    assert!(request.contains("Proxy-Authorization: Basic bWU6c2VjcmV0\r\n"), "{request}");
    assert_eq!(upstream.requests(), [format!("base/{MOD}")]);
    // The upstream is on this machine: no HTTP proxy is used for it.
    assert_eq!(get(serve(&upstream.url(), dir.path(), &variables).1, MOD), whole(&go_mod("a.test")));
    assert!(requests.try_recv().is_err());
    drop(upstream.logins());
}

#[test]
fn an_http_proxy_whose_headers_have_no_end_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let head = b"HTTP/1.1 200 Connected\r\n".as_slice();
    let proxy = Upstream::start(|_| Behavior::RawWithoutEnd(head.to_vec(), b"X: y\r\n".repeat(100)));
    let serving = serve("http://far.test", dir.path(), &[("HTTP_PROXY", &proxy.url())]);
    assert_eq!(status(&get(serving.1, MOD)), Some(502));
}

/// The first host is on this machine and needs none.
#[test]
fn a_redirect_is_followed_by_the_http_proxy_of_its_own_host() {
    let dir = tempfile::tempdir().unwrap();
    let (far, (proxy, requests)) = {
        let far = Upstream::with_files(&[("far", go_mod("a.test"))]);
        let proxy = http_proxy(far.address);
        (far, proxy)
    };
    let to_far = || Behavior::SendWith(302, "Location: http://far.test:8080/far\r\n", b"<a>".to_vec());
    let near = Upstream::start(move |_| to_far());
    let serving = serve(&near.url(), dir.path(), &[("HTTP_PROXY", &proxy)]);
    assert_eq!(get(serving.1, MOD), whole(&go_mod("a.test")));
    assert!(requests.recv().unwrap().starts_with("CONNECT far.test:8080 "));
    assert_eq!(far.requests(), ["far"]);
}

#[test]
fn it_listens_on_loopback_only_and_refuses_itself_as_upstream() {
    let refused = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_modproxy")).arg("serve").args(args).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(refused(&["--listen", "0.0.0.0:0", "--upstream", "https://a.test"]).contains("from other machines"));
    assert!(refused(&["--listen", "127.0.0.1:0", "--upstream", "direct"]).contains("no server"));
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (listen, itself) = (format!("127.0.0.1:{port}"), format!("http://localhost:{port}|https://a.test"));
    assert!(refused(&["--listen", &listen, "--upstream", &itself]).contains("itself"));
}
