//! Certificates of the interoperable RA-TLS profile: samples of a format that carries quotes of SGX enclaves.

use super::certificates;
use chrysalis_attest::certificate::check;

/// None of them is a certificate of this network, whatever the time: other keys, other extensions, SGX inside.
#[test]
fn certificates_of_another_profile_are_refused() {
    for path in [
        "ratls/gramine-cert.pem",
        "ratls/intel-sgxsdk-cert.pem",
        "ratls/rats-tls-cert.pem",
    ] {
        let Some(found) = certificates(path) else { continue };
        for unix_s in [0, 1_650_000_000, 1_750_000_000] {
            assert!(check(&found[0], unix_s).is_err(), "{path} at {unix_s}");
        }
        // The extension 2.23.133.5.4.9 is there, so that these are what the index says.
        let id = [0x67, 0x81, 0x05, 0x05, 0x04, 0x09];
        assert!(found[0].windows(id.len()).any(|window| window == id), "{path}");
    }
}
