//! The seed corpus of the fuzz targets is what this version makes. `UPDATE_CORPUS=1` writes it anew.

use chrysalis_attest::{
    Attester, Identity, SimTdxAttester, TdMeasurements,
    anchors::AnchorKind,
    appraise::Policy,
    certificate::IdentityKey,
    gpu::Architecture,
    mutate::{Lab, lab::Subject},
    sim_pki::SimPki,
    snp::Product,
    tdx::QuoteForm,
};
use std::{env, fs, path::PathBuf, sync::Arc};

const START: u64 = 1_790_000_000;

#[test]
fn the_seed_corpus_is_current() {
    let pki = SimPki::new(7, START);
    let attester = SimTdxAttester::new(Arc::new(pki.platform(1)), TdMeasurements::of_image("fuzz"));
    let key = || IdentityKey::from_seed([0x42; 32]);
    let attested = Identity::attested(key(), &attester, START, [1; 16]).unwrap();
    let short = Identity::with_evidence(key(), &[0x42; 64], START, [1; 16]).unwrap();
    let plain = Identity::plain(key(), START, [1; 16]);
    let genuine = |subject| Lab::new(subject, 7).genuine();
    let (td, guest, gpu) = (
        genuine(Subject::Tdx(QuoteForm::V4)),
        genuine(Subject::Snp(Product::Genoa)),
        genuine(Subject::Gpu(Architecture::Hopper)),
    );
    let strict = serde_json::to_vec(&Policy::strict(AnchorKind::Vendor)).unwrap();
    let files = [
        ("report/genuine", guest.evidence),
        ("chain/genuine", guest.certificates[0].clone()),
        ("measurements/genuine", gpu.evidence),
        ("manifest/driver", gpu.manifests[0].clone()),
        ("event_log/genuine", td.event_log.unwrap()),
        ("policy/strict", strict),
        ("policy/of_a_td", serde_json::to_vec(&td.policy).unwrap()),
        ("quote/genuine", attester.quote(&[0x42; 64]).unwrap()),
        ("quote/fake", vec![0x42; 64]),
        ("certificate/attested", attested.certificate_der().to_vec()),
        ("certificate/short", short.certificate_der().to_vec()),
        ("certificate/plain", plain.certificate_der().to_vec()),
        ("collateral/genuine", pki.collateral(START).to_json().unwrap()),
    ];
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for (name, bytes) in files {
        let file = folder.join(name);
        if env::var_os("UPDATE_CORPUS").is_some() {
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, &bytes).unwrap();
        }
        assert!(
            fs::read(&file).unwrap() == bytes,
            "{name} is not what this version makes: run with UPDATE_CORPUS=1"
        );
    }
}
