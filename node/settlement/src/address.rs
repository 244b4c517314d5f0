//! Account addresses and their text forms (§4.1).

use std::{fmt, str::FromStr};

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE},
};
use tycho_types::{
    cell::HashBytes,
    crc::crc_16,
    models::{IntAddr, StdAddr},
};

const TAG_BOUNCEABLE: u8 = 0x11;
const TAG_NON_BOUNCEABLE: u8 = 0x51;
const TAG_TESTNET: u8 = 0x80;

/// Characters of a friendly form: 36 bytes in base64.
const FRIENDLY_CHARS: usize = 48;

/// An account: workchain and 256-bit identifier. Text forms are parsed into this and compared as this, never as text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    workchain: i8,
    hash: [u8; 32],
}

/// Which network a friendly text form is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Network {
    /// The production network.
    #[default]
    Mainnet,
    /// A test network: the form carries a flag.
    Testnet,
}

impl Network {
    /// From a configuration's `is_testnet`.
    pub const fn from_is_testnet(is_testnet: bool) -> Self {
        if is_testnet { Self::Testnet } else { Self::Mainnet }
    }
}

/// A way to write an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddressForm {
    /// `0:` and 64 hexadecimal digits.
    Raw,
    /// 48 characters of base64 with flags and a checksum.
    Friendly {
        /// Whether coins sent to an account that refuses them should come back.
        bounceable: bool,
        /// Carries the testnet flag if [`Network::Testnet`].
        network: Network,
        /// `-` and `_` instead of `+` and `/`.
        url_safe: bool,
    },
}

impl AddressForm {
    /// The form that addresses have on the wire: friendly, URL-safe, not bounceable (§4.1).
    pub const fn wire(network: Network) -> Self {
        Self::Friendly {
            bounceable: false,
            network,
            url_safe: true,
        }
    }
}

/// Why a text is not an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Neither 48 characters nor a raw form.
    #[error("an address is 48 characters of base64 or a workchain, a colon and 64 hexadecimal digits")]
    Form,
    /// The part before the colon is not a number of 8 bits.
    #[error("the workchain of a raw address is not a number in -128..=127")]
    Workchain,
    /// The part after the colon is not 64 hexadecimal digits.
    #[error("the account of a raw address is not 64 hexadecimal digits")]
    Account,
    /// Not base64 of one alphabet.
    #[error("a friendly address is not base64")]
    Base64,
    /// The checksum does not match: a typing error.
    #[error("the checksum of a friendly address does not match")]
    Checksum,
    /// An unknown first byte.
    #[error("a friendly address has an unknown tag {tag:#04x}")]
    Tag {
        /// The first byte.
        tag: u8,
    },
}

impl Address {
    /// An address from its parts.
    pub const fn new(workchain: i8, hash: [u8; 32]) -> Self {
        Self { workchain, hash }
    }

    /// The workchain; contracts of this network live in 0.
    pub const fn workchain(&self) -> i8 {
        self.workchain
    }

    /// The identifier within the workchain: the hash of the initial state.
    pub const fn hash(&self) -> &[u8; 32] {
        &self.hash
    }

    /// The text form of the wire (§4.1).
    pub fn to_wire(&self, network: Network) -> String {
        self.to_text(AddressForm::wire(network))
    }

    /// Any text form.
    pub fn to_text(&self, form: AddressForm) -> String {
        let AddressForm::Friendly {
            bounceable,
            network,
            url_safe,
        } = form
        else {
            return format!("{}:{}", self.workchain, hex::encode(self.hash));
        };
        let tag = if bounceable { TAG_BOUNCEABLE } else { TAG_NON_BOUNCEABLE };
        let flag = if network == Network::Testnet { TAG_TESTNET } else { 0 };
        let mut bytes = [0; 36];
        bytes[0] = tag | flag;
        bytes[1] = self.workchain.to_be_bytes()[0];
        bytes[2..34].copy_from_slice(&self.hash);
        let checksum = crc_16(&bytes[..34]);
        bytes[34..].copy_from_slice(&checksum.to_be_bytes());
        if url_safe {
            BASE64_URL_SAFE.encode(bytes)
        } else {
            BASE64_STANDARD.encode(bytes)
        }
    }

    /// Parses any standard form and says which it was.
    ///
    /// # Errors
    /// A text in no standard form, or with a wrong checksum.
    pub fn parse_with_form(text: &str) -> Result<(Self, AddressForm), AddressError> {
        if let Some((workchain, account)) = text.split_once(':') {
            return Ok((Self::parse_raw(workchain, account)?, AddressForm::Raw));
        }
        if text.len() != FRIENDLY_CHARS {
            return Err(AddressError::Form);
        }
        // Most texts have none of the four characters that differ and count as URL-safe, as on the wire.
        let url_safe = !text.contains(['+', '/']);
        let alphabet = if url_safe { BASE64_URL_SAFE } else { BASE64_STANDARD };
        let mut bytes = [0; 36];
        match alphabet.decode_slice(text, &mut bytes) {
            Ok(36) => {}
            _ => return Err(AddressError::Base64),
        }
        let [tag, workchain, account @ .., checksum_high, checksum_low] = bytes;
        if crc_16(&bytes[..34]) != u16::from_be_bytes([checksum_high, checksum_low]) {
            return Err(AddressError::Checksum);
        }
        let bounceable = match tag & !TAG_TESTNET {
            TAG_BOUNCEABLE => true,
            TAG_NON_BOUNCEABLE => false,
            _ => return Err(AddressError::Tag { tag }),
        };
        let network = Network::from_is_testnet(tag & TAG_TESTNET != 0);
        let address = Self {
            workchain: i8::from_be_bytes([workchain]),
            hash: account,
        };
        Ok((
            address,
            AddressForm::Friendly {
                bounceable,
                network,
                url_safe,
            },
        ))
    }

    fn parse_raw(workchain: &str, account: &str) -> Result<Self, AddressError> {
        // `parse` alone would also take a plus sign.
        let digits = workchain.strip_prefix('-').unwrap_or(workchain);
        if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(AddressError::Workchain);
        }
        let workchain = workchain.parse().map_err(|_| AddressError::Workchain)?;
        let mut hash = [0; 32];
        hex::decode_to_slice(account, &mut hash).map_err(|_| AddressError::Account)?;
        Ok(Self { workchain, hash })
    }

    pub(crate) const fn to_std(self) -> StdAddr {
        StdAddr::new(self.workchain, HashBytes(self.hash))
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        Self::parse_with_form(text).map(|(address, _)| address)
    }
}

impl fmt::Display for Address {
    /// The raw form: it depends on nothing but the account.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_text(AddressForm::Raw))
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Address> for StdAddr {
    fn from(address: Address) -> Self {
        address.to_std()
    }
}

impl From<Address> for IntAddr {
    fn from(address: Address) -> Self {
        Self::Std(address.to_std())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOUNCEABLE: &str = "EQCns7bYSp0igFvS1wpb5wsZjCKCV19MD5AVzI4EyxsnU73k";

    /// The two root addresses of §6.10: real texts with real checksums.
    #[test]
    fn known_addresses_parse_and_print_back() {
        let form = AddressForm::Friendly {
            bounceable: true,
            network: Network::Mainnet,
            url_safe: true,
        };
        for text in [BOUNCEABLE, "EQBcXvP9DUA4k5tqUapcilt4kZnBzF0Ts7OW0Yp5FI0aN7g0"] {
            let (address, parsed_form) = Address::parse_with_form(text).unwrap();
            assert_eq!(parsed_form, form);
            assert_eq!(address.workchain(), 0);
            assert_eq!(address.to_text(form), text);
        }
    }

    /// Our rendering against the library's, which was written by others.
    #[test]
    fn renders_as_tycho_does() {
        for workchain in [-1, 0, 5] {
            let address = Address::new(workchain, [0xfb; 32]);
            let std = StdAddr::from(address);
            for bounceable in [false, true] {
                let form = |url_safe| AddressForm::Friendly {
                    bounceable,
                    network: Network::Mainnet,
                    url_safe,
                };
                assert_eq!(
                    address.to_text(form(true)),
                    std.display_base64_url(bounceable).to_string()
                );
                assert_eq!(address.to_text(form(false)), std.display_base64(bounceable).to_string());
            }
            assert_eq!(address.to_string(), std.to_string());
        }
    }

    #[test]
    fn the_wire_form_is_url_safe_and_not_bounceable() {
        let address: Address = BOUNCEABLE.parse().unwrap();
        assert!(address.to_wire(Network::Mainnet).starts_with("UQ"));
        assert!(address.to_wire(Network::Testnet).starts_with("0Q"));
        assert_eq!(address.to_wire(Network::Mainnet).len(), FRIENDLY_CHARS);
    }

    #[test]
    fn everything_else_is_refused_with_a_reason() {
        let refused = |text: &str| Address::from_str(text).unwrap_err();
        assert_eq!(refused(""), AddressError::Form);
        assert_eq!(refused(&BOUNCEABLE[1..]), AddressError::Form);
        assert_eq!(refused(&BOUNCEABLE.replace('7', "8")), AddressError::Checksum);
        assert_eq!(refused(&BOUNCEABLE.replace('7', "*")), AddressError::Base64);
        assert_eq!(
            refused(&BOUNCEABLE.replace("7b", "-/")),
            AddressError::Base64,
            "two alphabets at once"
        );
        let hash = "ab".repeat(32);
        assert_eq!(refused(&format!("128:{hash}")), AddressError::Workchain);
        assert_eq!(refused(&format!("+0:{hash}")), AddressError::Workchain);
        assert_eq!(refused(&format!(":{hash}")), AddressError::Workchain);
        assert_eq!(refused(&format!("0:{hash}0")), AddressError::Account);
        assert_eq!(refused(&format!("0:{hash}:")), AddressError::Account);
        let mut bytes = [0; 36];
        bytes[0] = 0x31;
        let checksum = crc_16(&bytes[..34]);
        bytes[34..].copy_from_slice(&checksum.to_be_bytes());
        assert_eq!(refused(&BASE64_URL_SAFE.encode(bytes)), AddressError::Tag { tag: 0x31 });
    }

    proptest! {
        #[test]
        fn every_form_reads_back(workchain: i8, hash: [u8; 32], bounceable: bool, testnet: bool, url_safe: bool) {
            let address = Address::new(workchain, hash);
            let network = Network::from_is_testnet(testnet);
            for form in [AddressForm::Raw, AddressForm::Friendly { bounceable, network, url_safe }] {
                let text = address.to_text(form);
                let (parsed, parsed_form) = Address::parse_with_form(&text).unwrap();
                prop_assert_eq!(parsed, address);
                // A text without any of the four differing characters counts as URL-safe.
                match (form, parsed_form) {
                    (AddressForm::Friendly { .. }, AddressForm::Friendly { bounceable: b, network: n, .. }) => {
                        prop_assert_eq!((b, n), (bounceable, network));
                    }
                    _ => prop_assert_eq!(form, parsed_form),
                }
            }
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,80}|[-0-9]{0,4}:[0-9a-fg]{0,66}|[A-Za-z0-9+/_=-]{48}") {
            let _ = Address::from_str(&text);
        }
    }
}
