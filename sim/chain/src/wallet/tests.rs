use super::*;

#[test]
fn codes_are_the_published_ones() {
    // Hashes by which explorers and APIs know these contracts.
    for (version, hash) in [
        (
            WalletVersion::V3R2,
            "84dafa449f98a6987789ba232358072bc0f76dc4524002a5d0918b9a75d2d599",
        ),
        (
            WalletVersion::V4R2,
            "feb5ff6820e2ff0d9483e7e0d62c817d846789fb4ae580c878866d959dabd5c0",
        ),
        (
            WalletVersion::V5R1,
            "20834b7b72b112147e1b2fb457b84e74d1a30f04f737d4f62a668e9552d2b72f",
        ),
    ] {
        let code = version.code().unwrap();
        assert_eq!(hex::encode(code.repr_hash()), hash);
        assert_eq!(WalletVersion::of_code(code.repr_hash()), Some(version));
    }
    assert_eq!(WalletVersion::of_code(&HashBytes::ZERO), None);
}

#[test]
fn addresses_are_those_of_an_independent_implementation() {
    use tonlib_core::wallet::mnemonic::KeyPair;
    use tonlib_core::wallet::ton_wallet::TonWallet;
    use tonlib_core::wallet::wallet_version::WalletVersion as Other;
    let seed = [7_u8; 32];
    for (ours, theirs) in [
        (WalletVersion::V3R2, Other::V3R2),
        (WalletVersion::V4R2, Other::V4R2),
        (WalletVersion::V5R1, Other::V5R1),
    ] {
        let wallet = Wallet::new(ours, &seed).unwrap();
        let public_key = wallet.public_key().0.to_vec();
        let secret_key = [&seed[..], &public_key[..]].concat();
        let other = TonWallet::new(theirs, KeyPair { public_key, secret_key }).unwrap();
        assert_eq!(wallet.address().to_string(), other.address.to_hex());
    }
}

#[test]
fn an_order_has_a_limit_of_messages() {
    let wallet = Wallet::new(WalletVersion::V4R2, &[1; 32]).unwrap();
    let transfer = Transfer::new(wallet.address().clone(), 1);
    assert!(wallet.order(1, u32::MAX, &vec![transfer.clone(); 4]).is_ok());
    assert_eq!(
        wallet.order(1, u32::MAX, &vec![transfer; 5]),
        Err(WalletError::TooManyMessages { given: 5, limit: 4 })
    );
}
