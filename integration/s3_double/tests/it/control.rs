use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::client::{Client, Seen, double, read, send};

fn ask(address: SocketAddr, method: &str, path: &str, body: &str) -> Seen {
    let head = format!("{method} /-/{path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
    send(address, format!("{head}{body}").as_bytes())
}

#[test]
fn rules_are_set_shown_and_removed() {
    let (_double, client) = double(|_| {});
    let rule = r#"{"name": "o", "times": 2, "fault": {"kind": "status", "status": 503, "code": "SlowDown"}}"#;
    assert_eq!(ask(client.address, "POST", "faults", &format!(" [{rule}, {rule}]")).status, 204);
    assert_eq!(ask(client.address, "POST", "faults", rule).status, 204);
    assert_eq!(client.get("/b/o").status, 503);
    let rules: Value = serde_json::from_slice(&ask(client.address, "GET", "faults", "").body).unwrap();
    let times: Vec<_> = rules.as_array().unwrap().iter().map(|rule| rule["times"].as_u64().unwrap()).collect();
    assert_eq!(times, [1, 2, 2]);
    assert_eq!(ask(client.address, "POST", "faults", r#"{"fault": {"kind": "hangs"}}"#).status, 400);
    assert_eq!(ask(client.address, "DELETE", "faults", "").status, 204);
    assert_eq!(client.get("/b/o").status, 404);
}

#[test]
fn the_log_is_complete_and_can_be_emptied() {
    let (_double, client) = double(|_| {});
    client.put("/b/o/1", b"12345");
    Client::new(client.address).with("range", "bytes=0-2").get("/b/o/1");
    client.get("/b?list-type=2&prefix=o%2F");
    Client { region: "there", ..Client::new(client.address) }.get("/b/o/1");
    let log = ask(client.address, "GET", "requests", "").text();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let field = |name: &str| lines.iter().map(|line| line[name].clone()).collect::<Vec<_>>();
    assert_eq!(field("method"), ["PUT", "GET", "GET", "GET"]);
    assert_eq!(field("name"), ["o/1", "o/1", "?o/", "o/1"]);
    assert_eq!(field("status"), [200, 206, 200, 400]);
    assert_eq!(field("key"), [Value::from("k"), "k".into(), "k".into(), Value::Null]);
    assert_eq!((&lines[0]["bytes_up"], &lines[1]["bytes_down"]), (&Value::from(5), &Value::from(3)));
    assert_eq!(lines[1]["range"], "bytes=0-2");
    ask(client.address, "DELETE", "requests", "");
    let totals: Value = serde_json::from_slice(&ask(client.address, "GET", "totals", "").body).unwrap();
    assert_eq!((&totals["requests"], &totals["bytes_up"]), (&Value::from(0), &Value::from(0)));
}

#[test]
fn another_address_may_not_set_faults() {
    use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
    let (_double, client) = double(|settings| settings.listen = "0.0.0.0:0".parse().unwrap());
    let to = SocketAddr::from(([127, 0, 0, 1], client.address.port()));
    let from = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&from, &SocketAddr::from(([127, 0, 0, 2], 0))).unwrap();
    connect(&from, &to).unwrap();
    let mut stream = TcpStream::from(from);
    stream.write_all(b"DELETE /-/faults HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert_eq!(read(&mut stream).error(), (403, "AccessDenied".to_owned()));
    assert_eq!(ask(to, "DELETE", "faults", "").status, 204);
}

/// A process that ends with the test, also when that fails.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        drop(self.0.kill()); // it has ended already
        drop(self.0.wait());
    }
}

#[test]
fn the_executable_prints_its_address_keeps_objects_and_ends_by_sigterm() {
    let dir = tempfile::tempdir().unwrap();
    let run = |test: &dyn Fn(Client)| {
        let child = Command::new(env!("CARGO_BIN_EXE_s3-double"))
            .args(["--bucket", "b", "--region", "here", "--key", "k:s:all", "--dir"])
            .arg(dir.path())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = Killed(child.unwrap());
        let mut line = String::new();
        BufReader::new(child.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        test(Client::new(line.trim_end().parse().unwrap()));
        let pid = rustix::process::Pid::from_child(&child.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert_eq!(child.0.wait().unwrap().signal(), Some(15));
    };
    run(&|client| assert_eq!(client.put("/b/o", b"kept").status, 200));
    run(&|client| {
        assert_eq!(client.get("/b/o").body, b"kept");
        let now = |text: &str| serde_json::from_str::<Value>(text).unwrap()["unix_seconds"].as_u64().unwrap();
        let before = now(&ask(client.address, "GET", "clock", "").text());
        assert_eq!(ask(client.address, "POST", "clock", r#"{"advance_seconds": 86400}"#).status, 204);
        assert!(now(&ask(client.address, "GET", "clock", "").text()) >= before + 86_400);
        assert_eq!(ask(client.address, "POST", "clock", r#"{"advance_seconds": -172800}"#).status, 204);
        assert!(now(&ask(client.address, "GET", "clock", "").text()) < before);
    });
    let refused =
        Command::new(env!("CARGO_BIN_EXE_s3-double")).args(["--memory", "--bucket", "b", "--key", "k:s:reed"]).output();
    let refused = refused.unwrap();
    assert!(!refused.status.success() && String::from_utf8_lossy(&refused.stderr).contains("unknown right \"reed\""));
}
