//! Where an upstream listens.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    str::FromStr,
};

/// An upstream's base URL: `http://host[:port][/prefix]`.
///
/// The host is an IP address or `localhost` (taken as 127.0.0.1). Other names are refused: a resolver would be a way
/// out of the simulated world, and inside a TEE an upstream that is not on the same machine has no business being
/// reached without attested TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    authority: String,
    address: SocketAddr,
    prefix: String,
}

/// Why a text is not a usable base URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BaseUrlError {
    /// Not a URL at all, or without a host.
    #[error("not a URL")]
    Syntax,
    /// Only plain HTTP is spoken to an upstream.
    #[error("the scheme must be http")]
    Scheme,
    /// The host is a name that only DNS could resolve.
    #[error("the host must be an IP address or localhost")]
    Name,
    /// User name and password are not part of a base URL.
    #[error("a base URL carries no user name")]
    UserInfo,
    /// A query string cannot be a prefix.
    #[error("a base URL carries no query")]
    Query,
}

impl BaseUrl {
    /// Where to connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Value of the `Host` header.
    pub fn authority(&self) -> &str {
        &self.authority
    }

    /// Request target of `path`: always a path, even where `path` looks like another host's URL.
    pub(crate) fn target(&self, path: &str) -> String {
        format!("{}/{}", self.prefix, path.trim_start_matches('/'))
    }
}

impl FromStr for BaseUrl {
    type Err = BaseUrlError;

    fn from_str(text: &str) -> Result<Self, BaseUrlError> {
        let uri: hyper::Uri = text.parse().map_err(|_| BaseUrlError::Syntax)?;
        match uri.scheme_str() {
            Some("http") => {}
            Some(_) => return Err(BaseUrlError::Scheme),
            None => return Err(BaseUrlError::Syntax),
        }
        let authority = uri.authority().ok_or(BaseUrlError::Syntax)?;
        if authority.as_str().contains('@') {
            return Err(BaseUrlError::UserInfo);
        }
        if uri.query().is_some() {
            return Err(BaseUrlError::Query);
        }
        let host = authority.host();
        let ip = if host.eq_ignore_ascii_case("localhost") {
            IpAddr::V4(Ipv4Addr::LOCALHOST)
        } else {
            let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
            bare.unwrap_or(host).parse().map_err(|_| BaseUrlError::Name)?
        };
        let port = match authority.port() {
            Some(port) => port.as_u16(),
            // "host:" and "host:99999" have a port part that is no port.
            None if authority.as_str() != host => return Err(BaseUrlError::Syntax),
            None => 80,
        };
        Ok(Self {
            authority: authority.as_str().to_owned(),
            address: SocketAddr::new(ip, port),
            prefix: uri.path().trim_end_matches('/').to_owned(),
        })
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.authority, self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<(String, String), BaseUrlError> {
        let url: BaseUrl = text.parse()?;
        Ok((url.address().to_string(), url.target("/v1/models")))
    }

    #[test]
    fn addresses_ports_and_prefixes() {
        let accepted = [
            ("http://127.0.0.1:8000", "127.0.0.1:8000", "/v1/models"),
            ("http://127.0.0.1", "127.0.0.1:80", "/v1/models"),
            ("http://LocalHost:1/", "127.0.0.1:1", "/v1/models"),
            ("http://[::1]:8000/", "[::1]:8000", "/v1/models"),
            ("http://[::1]", "[::1]:80", "/v1/models"),
            ("http://10.0.0.7:30000/engine//", "10.0.0.7:30000", "/engine/v1/models"),
        ];
        for (text, address, target) in accepted {
            assert_eq!(parse(text), Ok((address.to_owned(), target.to_owned())), "{text}");
        }
    }

    #[test]
    fn what_is_no_base_url_is_refused_with_the_reason() {
        let refused = [
            ("", BaseUrlError::Syntax),
            ("127.0.0.1:8000", BaseUrlError::Syntax),
            ("http://", BaseUrlError::Syntax),
            ("http://127.0.0.1:", BaseUrlError::Syntax),
            ("http://127.0.0.1:99999", BaseUrlError::Syntax),
            ("http://127.0.0.1:80 80", BaseUrlError::Syntax),
            ("https://127.0.0.1:8000", BaseUrlError::Scheme),
            ("unix://127.0.0.1", BaseUrlError::Scheme),
            ("http://gpu-7.internal:8000", BaseUrlError::Name),
            ("http://127.0.0.1.example:8000", BaseUrlError::Name),
            ("http://localhost.:8000", BaseUrlError::Name),
            ("http://me:secret@127.0.0.1:8000", BaseUrlError::UserInfo),
            ("http://127.0.0.1:8000/?key=1", BaseUrlError::Query),
        ];
        for (text, reason) in refused {
            assert_eq!(parse(text), Err(reason), "{text}");
        }
    }

    #[test]
    fn a_target_is_a_path_whatever_it_looks_like() {
        let url: BaseUrl = "http://127.0.0.1:8000".parse().unwrap();
        assert_eq!(url.target("v1/models"), "/v1/models");
        assert_eq!(url.target("//10.0.0.1/v1"), "/10.0.0.1/v1");
        assert_eq!(url.target("http://10.0.0.1/v1"), "/http://10.0.0.1/v1");
    }

    #[test]
    fn shown_as_it_was_written_but_for_the_last_slash() {
        let url: BaseUrl = "http://[::1]:8000/a/".parse().unwrap();
        assert_eq!(url.to_string(), "http://[::1]:8000/a");
        assert_eq!(url.to_string().parse(), Ok(url));
    }
}
