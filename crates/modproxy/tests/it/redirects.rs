//! Upstreams that send the proxy somewhere else.

use std::fs;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use modproxy::Proxy;
use modproxy::settings::{Settings, Timeouts};

use crate::fake_upstream::{Behavior, Upstream};
use crate::hostile_heads::{MOD, response_to};
use crate::{get, go_mod, settings, start, status, whole};

fn redirect(code: u16, to: &str) -> Behavior {
    Behavior::SendWith(code, format!("Location: {to}\r\n").leak(), Vec::new())
}

#[test]
fn a_redirect_to_a_file_or_to_another_protocol_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("secret"), "module a.test\n").unwrap();
    let file = format!("file://{}", dir.path().join("secret").display());
    for to in [
        &file,
        "data:,module%20a.test",
        "ftp://a.test/",
        "gopher://a.test/",
        "unix:/x",
        "http://",
        "http://[/",
        "\\\\x",
    ] {
        let to = to.to_owned();
        let got = response_to(MOD, Timeouts::default(), move |_| redirect(302, &to));
        assert_eq!(status(&got), Some(502), "{got:?}");
    }
}

#[test]
fn redirects_in_a_circle_end() {
    let dir = tempfile::tempdir().unwrap();
    let upstream = Upstream::start(|request| redirect(307, &format!("/{}", request.path)));
    let proxy = start(settings(&upstream.url(), dir.path()));
    assert_eq!(status(&get(proxy, MOD)), Some(502));
    assert_eq!(upstream.requests().len(), 10, "as many as the go command makes");
}

#[test]
fn all_kinds_of_redirects_are_followed() {
    for (code, to) in
        [(301, "/far/x"), (302, "//HOST/far/x?y=1"), (303, "http://HOST/far/x"), (307, "v.x"), (308, "?y")]
    {
        let dir = tempfile::tempdir().unwrap();
        let far = Upstream::start(|_| Behavior::Send(go_mod("a.test")));
        let to = to.replace("HOST", &far.address.to_string());
        let upstream = Upstream::start(move |request| match request.path.as_str() {
            MOD => redirect(code, &to),
            _ => Behavior::Send(go_mod("a.test")),
        });
        assert_eq!(get(start(settings(&upstream.url(), dir.path())), MOD), whole(&go_mod("a.test")), "{code}");
    }
}

#[test]
fn a_redirect_to_this_proxy_itself_times_out() {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let upstream = Upstream::start(move |request| redirect(302, &format!("http://{address}/{}", request.path)));
    let response = Duration::from_millis(500);
    let timeouts = Timeouts { response, read: response, ..Timeouts::default() };
    let proxy = Arc::new(Proxy::new(Settings { timeouts, ..settings(&upstream.url(), dir.path()) }).unwrap());
    std::thread::spawn(move || modproxy::server::serve(&listener, &proxy, "", None));
    let began = Instant::now();
    assert_eq!(status(&get(address, MOD)), Some(502));
    assert!(began.elapsed() < Duration::from_secs(20));
}
