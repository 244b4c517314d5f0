use super::{derive::reference_key, *};
use crate::{policy::SimulationOnly, tdx::TdMeasurements};
use proptest::prelude::*;
use std::collections::BTreeSet;

const SALT: [u8; 32] = [5; 32];

fn machine(number: u64, security_version: u16) -> SimMachineSecret {
    SimMachineSecret::new(SimulationOnly::accept_no_security(), 7, number, security_version)
}

fn identity(image: &str) -> SealingIdentity {
    SealingIdentity::of_td(&TdMeasurements::of_image(image)).unwrap()
}

fn key(role: KeyRole) -> PersistentKey {
    PersistentKey::current(&machine(1, 3), &identity("image"), role).unwrap()
}

fn open_as(record: &[u8], newest: Newest) -> Result<Opened, SealError> {
    let role = KeyRole::ProxyLedger;
    open(&machine(1, 3), &identity("image"), role, "ledger", record, newest)
}

/// Computed apart from this code: SHA-256 over 00..0f, 48 times 11, 48 times 22, and the SHA-256 of the name.
#[test]
fn the_reference_derivation_is_the_written_one() {
    let sealing_key: [u8; 16] = std::array::from_fn(|n| n as u8);
    let key = reference_key(&sealing_key, &[0x11; 48], &[0x22; 48], "disk");
    assert_eq!(hex::encode(key), REFERENCE_KEY);
    assert_ne!(key, reference_key(&sealing_key, &[0x11; 48], &[0x23; 48], "disk"));
}

const REFERENCE_KEY: &str = "3f62415904713d00a5bb56339d4dd665454812015162b6185f8502ae0d641be8";

/// Machine, image, features, role and security version each give another key.
#[test]
fn keys_depend_on_everything_that_a_guest_is() {
    let mut other_features = TdMeasurements::of_image("image");
    other_features.xfam[0] ^= 4;
    let other_features = SealingIdentity::of_td(&other_features).unwrap();
    let mut keys = BTreeSet::new();
    let mut count = 0;
    for (machine_number, version, identity) in [
        (1, 3, identity("image")),
        (2, 3, identity("image")),
        (1, 4, identity("image")),
        (1, 3, identity("another image")),
        (1, 3, other_features),
    ] {
        for role in KeyRole::ALL {
            let key = PersistentKey::current(&machine(machine_number, version), &identity, role).unwrap();
            assert_eq!(format!("{key:?}"), format!("PersistentKey({}, ..)", role.name()));
            keys.insert(*key.secret());
            count += 1;
        }
    }
    assert_eq!(keys.len(), count);
    let again = key(KeyRole::Disk);
    assert!(keys.contains(again.secret()), "the same guest gets the same key");
}

#[test]
fn a_guest_in_debug_mode_gets_none() {
    let td = TdMeasurements::of_image("image");
    // The image hash does not tell the two apart.
    assert_eq!(td.image_hash(), td.in_debug_mode().image_hash());
    assert_eq!(SealingIdentity::of_td(&td.in_debug_mode()), Err(NoKey::Debug));
    let mut profiled = td;
    profiled.td_attributes[0] |= 1 << 5;
    assert_eq!(SealingIdentity::of_td(&profiled), Err(NoKey::Debug));
}

#[test]
fn a_record_opens_for_whom_it_was_sealed_and_for_nobody_else() {
    let role = KeyRole::ProxyLedger;
    let record = seal(&key(role), "ledger", 9, b"content", SALT).unwrap();
    let opened = open_as(&record, Newest::Unknown).unwrap();
    assert_eq!((opened.number, opened.content.as_slice()), (9, b"content".as_slice()));
    assert!(!format!("{opened:?}").contains("99"), "content does not show in logs");

    let (one, image) = (machine(1, 3), identity("image"));
    let newest = Newest::Unknown;
    let refused = Err(SealError::NotGenuine);
    assert_eq!(open(&machine(2, 3), &image, role, "ledger", &record, newest), refused);
    assert_eq!(
        open(&one, &identity("another"), role, "ledger", &record, newest),
        refused
    );
    assert_eq!(open(&one, &image, role, "another", &record, newest), refused);
    let worker = KeyRole::Worker;
    let other_role = Err(SealError::OtherRole { role: worker });
    assert_eq!(open(&one, &image, worker, "ledger", &record, newest), other_role);
}

#[test]
fn a_record_that_was_put_back_is_seen_where_the_newest_is_known() {
    let old = seal(&key(KeyRole::ProxyLedger), "ledger", 4, b"old", SALT).unwrap();
    let rolled_back = SealError::RolledBack { found: 4, newest: 5 };
    assert_eq!(open_as(&old, Newest::AtLeast(5)), Err(rolled_back));
    assert!(open_as(&old, Newest::AtLeast(4)).is_ok());
    // The limit of sealing alone.
    assert!(open_as(&old, Newest::Unknown).is_ok());
}

/// An update of the machine keeps what was sealed; a rollback of the machine does not open what came after.
#[test]
fn updates_keep_records_and_machines_that_were_rolled_back_do_not_open_newer_ones() {
    let role = KeyRole::ProxyLedger;
    let record = seal(&key(role), "ledger", 1, b"content", SALT).unwrap();
    let open_at = |version| {
        let image = identity("image");
        open(&machine(1, version), &image, role, "ledger", &record, Newest::Unknown)
    };
    assert!(open_at(3).is_ok() && open_at(8).is_ok());
    let rolled_back = NoKey::MachineRolledBack { sealed: 3, machine: 2 };
    assert_eq!(open_at(2), Err(SealError::NoKey(rolled_back)));
}

/// A host that puts an old record back lets the guest seal the same number twice: two keys, not one twice.
#[test]
fn the_same_number_sealed_twice_has_two_keystreams() {
    let key = key(KeyRole::ProxyLedger);
    let one = seal(&key, "ledger", 5, &[0; 64], [1; 32]).unwrap();
    let two = seal(&key, "ledger", 5, &[0; 64], [2; 32]).unwrap();
    let body = |record: &[u8]| record[record.len() - 80..record.len() - 16].to_vec();
    assert_ne!(body(&one), body(&two));
}

proptest! {
    #[test]
    fn what_is_sealed_is_opened(content: Vec<u8>, number: u64, salt: [u8; 32]) {
        let record = seal(&key(KeyRole::ProxyLedger), "ledger", number, &content, salt).unwrap();
        prop_assert_eq!(open_as(&record, Newest::AtLeast(number)), Ok(Opened { number, content }));
    }

    #[test]
    fn nothing_that_was_changed_opens(at: prop::sample::Index, bit in 0..8, cut in 0_usize..90) {
        let record = seal(&key(KeyRole::ProxyLedger), "ledger", 3, b"some content", SALT).unwrap();
        let mut changed = record.clone();
        changed[at.index(record.len())] ^= 1_u8 << bit;
        prop_assert!(open_as(&changed, Newest::Unknown).is_err());
        let kept = cut % record.len();
        prop_assert!(open_as(&record[..kept], Newest::Unknown).is_err());
    }

    #[test]
    fn no_bytes_are_a_panic(bytes: Vec<u8>) {
        prop_assert!(open_as(&bytes, Newest::Unknown).is_err());
    }
}
