//! Which HTTP proxy to use for a host: `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` as the go command reads them
//! (golang.org/x/net/http/httpproxy); the HTTP library reads them differently. Pure.

use std::net::IpAddr;

/// The HTTP proxies of the environment.
#[derive(Debug, Clone, Default)]
pub struct HttpProxies {
    http: Option<String>,
    https: Option<String>,
    no_proxy: Vec<NoProxyRule>,
}

/// One element of `NO_PROXY`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum NoProxyRule {
    All,
    /// An address, the length of its prefix in bits, a port.
    Network(IpAddr, u32, Option<u16>),
    /// `.name`, whether it includes the name itself, a port.
    Domain(String, bool, Option<u16>),
}

impl HttpProxies {
    /// From the values of the variables; an empty value is an unset variable.
    pub(crate) fn new(http: &str, https: &str, no_proxy: &str) -> Self {
        let proxy = |text: &str| {
            let with_scheme = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
            (!text.is_empty()).then_some(with_scheme)
        };
        Self { http: proxy(http), https: proxy(https), no_proxy: no_proxy.split(',').filter_map(parse_rule).collect() }
    }

    /// The proxy for a host, if one is to be used.
    pub(crate) fn proxy_for(&self, is_https: bool, host: &str, port: u16) -> Option<&str> {
        let proxy = if is_https { &self.https } else { &self.http }.as_deref()?;
        let host = host.trim_matches(['[', ']']).trim_end_matches('.').to_ascii_lowercase();
        let address: Option<IpAddr> = host.parse().ok();
        let is_local = host == "localhost" || address.is_some_and(|address| address.is_loopback());
        let is_excluded = self.no_proxy.iter().any(|rule| rule.matches(&host, address, port));
        (!is_local && !is_excluded).then_some(proxy)
    }
}

fn parse_rule(text: &str) -> Option<NoProxyRule> {
    let text = text.trim().to_ascii_lowercase();
    if text == "*" {
        return Some(NoProxyRule::All);
    }
    if let Some((net, bits)) = text.split_once('/')
        && let (Ok(net), Ok(bits)) = (net.parse::<IpAddr>(), bits.parse())
    {
        return Some(NoProxyRule::Network(net, bits, None));
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port.parse().ok()?)),
        _ => (text.as_str(), None),
    };
    let host = host.trim_matches(['[', ']']);
    if let Ok(address) = host.parse::<IpAddr>() {
        return Some(NoProxyRule::Network(address, if address.is_ipv4() { 32 } else { 128 }, port));
    }
    let host = host.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(host);
    match host.strip_prefix('.') {
        _ if host.is_empty() => None,
        Some(_) => Some(NoProxyRule::Domain(host.to_owned(), false, port)),
        None => Some(NoProxyRule::Domain(format!(".{host}"), true, port)),
    }
}

impl NoProxyRule {
    fn matches(&self, host: &str, address: Option<IpAddr>, port: u16) -> bool {
        let is_port = |wanted: &Option<u16>| wanted.is_none_or(|wanted| wanted == port);
        match self {
            Self::All => true,
            Self::Network(net, bits, wanted) => is_port(wanted) && address.is_some_and(|a| is_in(a, *net, *bits)),
            Self::Domain(name, itself, wanted) => {
                is_port(wanted) && (host.ends_with(name.as_str()) || *itself && host == &name[1..])
            }
        }
    }
}

fn is_in(address: IpAddr, net: IpAddr, bits: u32) -> bool {
    match (address, net) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros() >= bits,
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits() ^ b.to_bits()).leading_zeros() >= bits,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_scheme_has_its_proxy() {
        let proxies = HttpProxies::new("plain.test:3128", "https://me:x@tls.test", "");
        assert_eq!(proxies.proxy_for(false, "a.test", 80), Some("http://plain.test:3128"));
        assert_eq!(proxies.proxy_for(true, "a.test", 443), Some("https://me:x@tls.test"));
        for local in ["localhost", "127.0.0.1", "127.9.9.9", "[::1]"] {
            assert_eq!(proxies.proxy_for(true, local, 443), None, "{local}");
        }
        assert_eq!(HttpProxies::new("plain.test", "", "").proxy_for(true, "a.test", 443), None);
    }

    #[test]
    fn no_proxy_is_read_as_the_go_command_reads_it() {
        let is_direct = |no_proxy: &str, host: &str, port| {
            HttpProxies::new("", "p.test", no_proxy).proxy_for(true, host, port).is_none()
        };
        for (no_proxy, host, port, expected) in [
            ("a.test", "a.test", 443, true),
            ("a.test", "sub.A.test", 443, true),
            ("a.test", "nota.test", 443, false),
            (".a.test", "a.test", 443, false),
            (".a.test", "sub.a.test", 443, true),
            ("*.a.test", "sub.a.test", 443, true),
            ("*", "b.test", 443, true),
            ("x, b.test:8443", "b.test", 8443, true),
            ("b.test:8443", "b.test", 443, false),
            ("10.0.0.0/8", "10.1.2.3", 443, true),
            ("10.0.0.0/8", "11.1.2.3", 443, false),
            ("10.1.2.3", "10.1.2.3", 443, true),
            ("fd00::/8,[fd01::1]:443", "[fd00::5]", 443, true),
            ("[2001:db8::1]:443", "2001:db8::1", 443, true),
            ("", "a.test", 443, false),
        ] {
            assert_eq!(is_direct(no_proxy, host, port), expected, "{no_proxy} {host}:{port}");
        }
    }
}
