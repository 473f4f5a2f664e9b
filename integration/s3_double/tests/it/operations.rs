use std::time::Duration;

use s3_double::hash::sha256_hex;
use s3_double::{Behavior, Existing};

use crate::client::{Client, cut_off, double, send};

#[test]
fn objects_come_and_go_in_both_styles() {
    let (double, path) = double(|_| {});
    let host = Client { host: "b.localhost:80".to_owned(), ..Client::new(double.address()) };
    assert_eq!(path.put("/b/o/1", b"first").status, 200);
    assert_eq!(host.get("/o/1").body, b"first");
    assert_eq!(host.put("/o/1", b"second").status, 200);
    assert_eq!(path.get("/b/o/1").body, b"second");
    assert_eq!(path.ask("DELETE", "/b/o/1", b"").status, 204);
    assert_eq!(path.ask("DELETE", "/b/o/1", b"").status, 204);
    assert_eq!(path.get("/b/o/1").error(), (404, "NoSuchKey".to_owned()));
    assert_eq!(path.get("/c/o/1").error(), (404, "NoSuchBucket".to_owned()));
    let other = Client { host: "c.localhost".to_owned(), ..Client::new(double.address()) };
    assert_eq!(other.get("/o/1").error(), (404, "NoSuchBucket".to_owned()));
}

#[test]
fn a_range_is_served_and_others_are_refused() {
    let (_double, client) = double(|_| {});
    client.put("/b/o", b"0123456789");
    let range = |range: &str| {
        let seen = Client::new(client.address).with("range", range).get("/b/o");
        let line = seen.head.lines().find_map(|line| line.strip_prefix("Content-Range: ").map(str::to_owned));
        (seen.status, line.unwrap_or_default())
    };
    assert_eq!(range("bytes=2-4"), (206, "bytes 2-4/10".to_owned()));
    assert_eq!(range("bytes=-3"), (206, "bytes 7-9/10".to_owned()));
    assert_eq!(range("bytes=10-"), (416, "bytes */10".to_owned()));
    assert_eq!(range("bytes=0-1,4-5").0, 501);
}

#[test]
fn a_list_has_pages() {
    let (_double, client) = double(|_| {});
    for name in ["a", "o/1", "o/2", "o/3", "p/1"] {
        client.put(&format!("/b/{name}"), b"x");
    }
    let names = |text: &str| -> Vec<String> {
        let keys = text.split("<Key>").skip(1);
        keys.map(|rest| rest.split_once('<').unwrap().0.to_owned()).collect()
    };
    let page = client.get("/b?list-type=2&max-keys=2&prefix=o%2F").text();
    assert_eq!(names(&page), ["o/1", "o/2"]);
    let token = page.split_once("<NextContinuationToken>").unwrap().1.split_once('<').unwrap().0;
    let rest = client.get(&format!("/b?continuation-token={token}&list-type=2&prefix=o%2F")).text();
    assert_eq!(names(&rest), ["o/3"]);
    assert!(rest.contains("<IsTruncated>false</IsTruncated>"));
    for (query, status) in [
        ("continuation-token=x&list-type=2", 400),
        ("list-type=2&max-keys=x", 400),
        ("delimiter=%2F&list-type=2", 501),
        ("list-type=1", 501),
        ("encoding-type=x&list-type=2", 400),
    ] {
        assert_eq!(client.get(&format!("/b?{query}")).status, status, "{query}");
    }
}

#[test]
fn a_page_may_have_fewer_names_than_are_asked_for() {
    let (_double, client) = double(|settings| settings.behavior.page_names = std::num::NonZeroU16::new(1));
    for name in ["o/1", "o/2"] {
        client.put(&format!("/b/{name}"), b"x");
    }
    let page = client.get("/b?list-type=2&max-keys=1000").text();
    assert!(page.contains("<Key>o/1</Key>") && !page.contains("<Key>o/2</Key>"), "{page}");
    assert!(page.contains("<IsTruncated>true</IsTruncated>"));
}

#[test]
fn objects_are_dated_by_a_clock_that_tests_move_back_too() {
    let (double, client) = double(|_| {});
    let date = |seen: &crate::client::Seen| {
        seen.head.lines().find_map(|line| line.strip_prefix("Date: ")).unwrap()[..16].to_owned()
    };
    let today = date(&client.get("/b/o"));
    double.put_back(Duration::from_hours(24 * 31));
    assert_ne!(date(&client.put("/b/o", b"x")), today);
    double.advance(Duration::from_hours(24 * 31));
    let list = client.get("/b?list-type=2");
    assert_eq!(date(&list), today);
    let text = list.text();
    let time = text.split_once("<LastModified>").unwrap().1.split_once('<').unwrap().0;
    let age = std::time::SystemTime::now().duration_since(humantime::parse_rfc3339(time).unwrap()).unwrap();
    assert_eq!(age.as_secs() / 86_400, 31);
}

#[test]
fn keys_have_rights_and_prefixes() {
    let (_double, all) = double(|settings| {
        settings
            .keys
            .extend(["r:s:read:o/", "w:s:write:o/", "l:s:list:o/", "d:s:delete:o/"].map(|key| key.parse().unwrap()));
        settings.behavior = Behavior { missing_is_denied: true, ..Behavior::default() };
    });
    for name in ["o/1", "p/1"] {
        assert_eq!(all.put(&format!("/b/{name}"), b"x").status, 200);
    }
    let statuses = |key| {
        let client = Client { key, ..Client::new(all.address) };
        let list = |prefix: &str| client.get(&format!("/b?list-type=2&prefix={prefix}")).status;
        let objects = |prefix: &str| {
            let name = format!("/b/{prefix}/1");
            [client.get(&name).status, client.put(&name, b"x").status]
        };
        let delete = client.ask("DELETE", "/b/o/x", b"").status;
        (objects("o"), objects("p"), [list("o%2F"), list(""), delete])
    };
    assert_eq!(statuses("r"), ([200, 403], [403, 403], [403, 403, 403]));
    assert_eq!(statuses("w"), ([403, 200], [403, 403], [403, 403, 403]));
    assert_eq!(statuses("l"), ([403, 403], [403, 403], [200, 403, 403]));
    assert_eq!(statuses("d"), ([403, 403], [403, 403], [403, 403, 204]));
    assert_eq!(Client { key: "r", ..Client::new(all.address) }.get("/b/o/none").status, 403);
    assert_eq!(all.get("/b/o/none").status, 404);
    let (_double, honest) = double(|settings| settings.keys = vec!["r:s:read".parse().unwrap()]);
    assert_eq!(Client { key: "r", ..honest }.get("/b/o/none").status, 404);
}

#[test]
fn another_region_is_named() {
    let wrong = |region_redirect| {
        let (double, _) = double(|settings| settings.behavior.region_redirect = region_redirect);
        Client { region: "there", ..Client::new(double.address()) }.get("/b/o")
    };
    let malformed = wrong(false);
    assert_eq!(malformed.error(), (400, "AuthorizationHeaderMalformed".to_owned()));
    assert!(malformed.text().contains("<Region>here</Region>"));
    let moved = wrong(true);
    assert_eq!(moved.error(), (301, "PermanentRedirect".to_owned()));
    assert!(moved.head.contains("x-amz-bucket-region: here"));
}

#[test]
fn tokens_expire_and_objects_do_by_a_clock_that_tests_move() {
    let (double, client) = double(|settings| {
        settings.sessions = vec!["k:token:3600".parse().unwrap()];
        settings.keys.push("old:s:all".parse().unwrap());
        settings.expire_days = Some(7);
    });
    let with_token = |token| Client::new(client.address).with("x-amz-security-token", token);
    assert_eq!(with_token("token").put("/b/o", b"x").status, 200);
    assert_eq!(client.get("/b/o").error(), (403, "InvalidAccessKeyId".to_owned()));
    assert_eq!(with_token("other").get("/b/o").error(), (400, "InvalidToken".to_owned()));
    double.advance(Duration::from_secs(3600));
    assert_eq!(with_token("token").get("/b/o").error(), (400, "ExpiredToken".to_owned()));
    let lasting = Client { key: "old", ..Client::new(client.address) };
    assert_eq!(lasting.get("/b/o").status, 200);
    double.advance(Duration::from_hours(24 * 7));
    assert_eq!(lasting.get("/b/o").status, 404);
}

#[test]
fn puts_are_refused_unless_the_body_is_what_was_signed_and_has_a_length() {
    let (_double, client) = double(|_| {});
    let put = |header: &'static str, value: &str, body: &[u8]| {
        Client::new(client.address).with(header, value).put("/b/o", body).error()
    };
    let hash = |body: &[u8]| sha256_hex(body);
    assert_eq!(put("x-amz-content-sha256", &hash(b"y"), b"x"), (400, "XAmzContentSHA256Mismatch".to_owned()));
    assert_eq!(put("x-amz-content-sha256", "UNSIGNED-PAYLOAD", b"x").0, 403);
    let aws_chunked = put("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", b"x");
    assert_eq!(aws_chunked, (411, "MissingContentLength".to_owned()));
    assert_eq!(client.put("/b/o", b"").status, 411); // this client sends no length then
    assert_eq!(put("x-amz-checksum-crc32", "AAAAAA==", b"x").0, 501);
    let of_x = "LXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSIE=";
    assert_eq!(put("x-amz-checksum-sha256", of_x, b"x").0, 200);
    assert_eq!(put("x-amz-checksum-sha256", of_x, b"y"), (400, "BadDigest".to_owned()));
    let long =
        format!("PUT /b/o HTTP/1.1\r\nHost: b\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", (80 << 20) + 1);
    assert_eq!(cut_off(client.address, long.as_bytes()).error(), (400, "EntityTooLarge".to_owned()));
    let chunked = "PUT /b/o HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n";
    assert_eq!(send(client.address, chunked.as_bytes()).status, 411);
    let long = client.signed("PUT", "/b/cut", &[0; 5000]);
    assert_eq!(cut_off(client.address, &long[..long.len() - 1]).error(), (400, "IncompleteBody".to_owned()));
    assert_eq!(client.get("/b/cut").status, 404);
}

#[test]
fn flags_change_what_engines_do_differently() {
    let (lax, client) = double(|settings| {
        settings.behavior =
            Behavior { unsigned_payload: true, conditional_put: true, refuse_checksums: true, ..Behavior::default() };
    });
    let put = |header, value: &str| Client::new(client.address).with(header, value).put("/b/o", b"x").status;
    assert_eq!(put("x-amz-content-sha256", "UNSIGNED-PAYLOAD"), 200);
    assert_eq!(put("if-none-match", "*"), 412);
    assert_eq!(put("x-amz-checksum-sha256", "LXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSIE="), 501);
    assert_eq!(lax.requests().len(), 3);
    let (_strict, client) = double(|_| {});
    for _ in 0..2 {
        assert_eq!(Client::new(client.address).with("if-none-match", "*").put("/b/o", b"x").status, 200);
    }
}

#[test]
fn what_is_not_implemented_is_refused_and_counted() {
    let (double, client) = double(|_| {});
    assert_eq!(client.ask("HEAD", "/b/o", b"").status, 405);
    assert_eq!(client.put("/b/o?partNumber=1&uploadId=x", b"x").status, 501);
    assert_eq!(client.ask("POST", "/b/o?uploads=", b"").status, 501);
    assert_eq!(client.put("/b", b"x").status, 501);
    let copy = Client::new(client.address).with("x-amz-copy-source", "/b/other");
    assert_eq!(copy.put("/b/o", b"x").status, 501);
    assert_eq!(send(client.address, b"GET /b/o HTTP/1.1\r\nHost: b\r\n\r\n").error(), (403, "AccessDenied".to_owned()));
    let totals = double.totals();
    assert_eq!((totals.requests, totals.methods["HEAD"], totals.statuses[&501]), (6, 1, 4));
    let now = std::time::SystemTime::now();
    double.store().put("b/by hand", vec![1], now, Existing::Replace).unwrap();
    assert_eq!(client.get("/b/by%20hand").body, [1]);
    assert!(client.get("/b?encoding-type=url&list-type=2").text().contains("<Key>by%20hand</Key>"));
    client.put("/b/%01", b"x");
    assert!(client.get("/b?encoding-type=url&list-type=2").text().contains("<Key>%01</Key>"));
    assert_eq!(client.get("/b?list-type=2").status, 500, "XML cannot have this name");
}
