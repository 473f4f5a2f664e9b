use std::net::SocketAddr;

use s3_double::{Fault, Rule};

use crate::client::{Seen, double, send};

fn ask(address: SocketAddr, line: &str, authorization: &str, body: &str) -> Seen {
    let length = body.len();
    let head = format!("{line} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n{authorization}\r\n");
    send(address, format!("{head}{body}").as_bytes())
}

#[test]
fn the_same_objects_with_a_password_or_a_token() {
    let (double, s3) = double(|settings| {
        settings.webdav_basic = vec!["user:pass:all".parse().unwrap()];
        settings.webdav_bearer = vec!["reader:t0ken:read".parse().unwrap()];
    });
    let basic = "Authorization: Basic dXNlcjpwYXNz\r\n"; // user:pass
    let bearer = "Authorization: Bearer t0ken\r\n";
    let ask = |line: &str, authorization: &str, body: &str| ask(s3.address, line, authorization, body);
    assert_eq!(ask("PUT /dav/o/1", basic, "12345").status, 201);
    assert_eq!(ask("PUT /dav/o/1", basic, "1234567").status, 204);
    assert_eq!(s3.get("/b/o/1").body, b"1234567");
    assert_eq!(ask("GET /dav/o/1", bearer, "").body, b"1234567");
    assert_eq!(ask("GET /dav/o/1", &format!("{bearer}Range: bytes=1-2\r\n"), "").body, b"23");
    assert_eq!([ask("PUT /dav/o/1", bearer, "x").status, ask("DELETE /dav/o/1", bearer, "").status], [403, 403]);
    for wrong in ["", "Authorization: Basic dXNlcjpwYXN0\r\n", "Authorization: Bearer token\r\n"] {
        assert_eq!(ask("GET /dav/o/1", wrong, "").status, 401, "{wrong}");
    }
    assert_eq!([ask("MKCOL /dav/o", basic, "").status, ask("HEAD /dav/o/1", basic, "").status], [405, 405]);
    double.add_rule(Rule { method: None, name: None, times: Some(1), fault: Fault::FullDisk });
    assert_eq!(ask("PUT /dav/o/2", basic, "x").status, 507);
    assert_eq!([ask("DELETE /dav/o/1", basic, "").status, ask("DELETE /dav/o/1", basic, "").status], [204, 404]);
    assert_eq!(double.requests()[0].key.as_deref(), Some("user"));
    assert_eq!(double.requests()[2].name, double.requests()[3].name);
}
