//! What the simulated vendor publishes (Intel PCS API v4: TCB info 3, TD_QE identity 2, revocation lists).

use super::{
    Issuer, SIM_FMSPC, SimPki, YEAR_S,
    keys::SignedBy,
    platform::{PCE_ID, PlatformTcb, QuotingEnclave, serial},
    x509,
};
use crate::{
    calendar::rfc3339,
    collateral::{Collateral, Fmspc},
    tdx::appraise::{TcbStatus, pem_of},
};
use dcap_qvl::{
    QeIdentity, QeTcb, QeTcbLevel, QuoteCollateralV3, Tcb, TcbComponents, TcbInfo, TcbLevel,
    tcb_info::{TdxModule, TdxModuleIdentity, TdxModuleTcb, TdxModuleTcbLevel},
};
use std::collections::BTreeSet;

/// Lifetime of Intel's TCB info, QE identity and PCK revocation list.
pub const COLLATERAL_LIFETIME_S: u64 = 30 * 86_400;

/// How far before the date of issue a TCB level was declared.
const TCB_DATE_BEFORE_ISSUE_S: u64 = 30 * 86_400;

/// What may differ between publications: a TCB recovery, a revocation, a rollback.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollateralOptions {
    /// Number of the vendor's evaluation; it grows with each TCB recovery.
    pub tcb_evaluation_number: u32,
    /// Number of both revocation lists.
    pub crl_number: u32,
    /// Processor family that it is for; all simulated machines are of [`SIM_FMSPC`].
    pub fmspc: Fmspc,
    /// Provisioning enclave that it is for.
    pub pce_id: [u8; 2],
    /// Status of machines with the default TCB. Anything but up to date means that a recovery has taken place: a
    /// higher level, which no default machine reaches, is then the current one.
    pub default_tcb_status: TcbStatus,
    /// Advisories that apply to machines with the default TCB.
    pub advisories: Vec<String>,
    /// Numbers of machines whose certificates are revoked.
    pub revoked_platforms: BTreeSet<u64>,
    /// The platform CA is revoked.
    pub platform_ca_revoked: bool,
    /// The TCB signer is revoked.
    pub tcb_signer_revoked: bool,
    /// How long TCB info, QE identity and PCK revocation list last.
    pub lifetime_s: u64,
}

impl Default for CollateralOptions {
    fn default() -> Self {
        Self {
            tcb_evaluation_number: 18,
            crl_number: 1,
            fmspc: SIM_FMSPC,
            pce_id: PCE_ID,
            default_tcb_status: TcbStatus::UpToDate,
            advisories: Vec::new(),
            revoked_platforms: BTreeSet::new(),
            platform_ca_revoked: false,
            tcb_signer_revoked: false,
            lifetime_s: COLLATERAL_LIFETIME_S,
        }
    }
}

pub(super) fn publish(pki: &SimPki, issue_unix_s: u64, options: &CollateralOptions) -> Collateral {
    let next_update_unix_s = issue_unix_s.saturating_add(options.lifetime_s);
    let tcb_info = json(&tcb_info(issue_unix_s, next_update_unix_s, options));
    let qe_identity = json(&qe_identity(issue_unix_s, next_update_unix_s, options));
    let revoked_platforms: Vec<_> = options.revoked_platforms.iter().copied().map(serial).collect();
    // Serials as `SimPki::new` gave them.
    let revoked_by_root: Vec<_> = [(options.platform_ca_revoked, 2), (options.tcb_signer_revoked, 3)]
        .into_iter()
        .filter(|(revoked, _)| *revoked)
        .map(|(_, serial)| vec![serial])
        .collect();
    let revocation_list = |issuer: &Issuer, next_update_unix_s, serials: &[Vec<u8>]| {
        x509::revocation_list(
            issuer.name,
            SignedBy::P256(&issuer.key),
            [issue_unix_s, next_update_unix_s],
            options.crl_number.into(),
            serials,
        )
    };
    let chain = |issuer: &[u8]| pem_of(&[issuer.to_vec(), pki.root.der.clone()]);

    let parts = QuoteCollateralV3 {
        pck_crl_issuer_chain: chain(&pki.platform_ca.der),
        // Intel's root signs a list once a year.
        root_ca_crl: revocation_list(
            &pki.root,
            issue_unix_s.saturating_add(options.lifetime_s.max(YEAR_S)),
            &revoked_by_root,
        ),
        pck_crl: revocation_list(&pki.platform_ca, next_update_unix_s, &revoked_platforms),
        tcb_info_issuer_chain: chain(&pki.tcb_signer.der),
        tcb_info_signature: pki.tcb_signer.key.sign_raw(tcb_info.as_bytes()).to_vec(),
        tcb_info,
        qe_identity_issuer_chain: chain(&pki.tcb_signer.der),
        qe_identity_signature: pki.tcb_signer.key.sign_raw(qe_identity.as_bytes()).to_vec(),
        qe_identity,
        pck_certificate_chain: None,
    };
    #[expect(
        clippy::expect_used,
        reason = "every part was written a few lines above; tests read them back"
    )]
    Collateral::from_parts(parts).expect("own collateral can be read")
}

fn json(value: &impl serde::Serialize) -> String {
    #[expect(
        clippy::expect_used,
        reason = "structures of text and numbers, no maps with odd keys, no failing writer"
    )]
    serde_json::to_string(value).expect("plain data has a JSON form")
}

fn tcb_info(issue_unix_s: u64, next_update_unix_s: u64, options: &CollateralOptions) -> TcbInfo {
    let tcb_date = rfc3339(issue_unix_s.saturating_sub(TCB_DATE_BEFORE_ISSUE_S));
    let level = |tcb: &PlatformTcb, status: TcbStatus, advisories: &[String]| TcbLevel {
        tcb: Tcb {
            sgx_components: components(&tcb.cpu_svn),
            tdx_components: components(&tcb.tee_tcb_svn),
            pce_svn: tcb.pce_svn.into(),
        },
        tcb_date: tcb_date.clone(),
        tcb_status: status.into(),
        advisory_ids: advisories.to_vec(),
    };
    let default = PlatformTcb::default();
    let mut next = default;
    next.cpu_svn[0] += 1;
    let mut previous = default;
    previous.cpu_svn[0] -= 1;

    let mut tcb_levels = Vec::new();
    if options.default_tcb_status != TcbStatus::UpToDate {
        tcb_levels.push(level(&next, TcbStatus::UpToDate, &[]));
    }
    tcb_levels.push(level(&default, options.default_tcb_status, &options.advisories));
    tcb_levels.push(level(&previous, TcbStatus::OutOfDate, &["SIM-SA-00001".to_owned()]));

    let (signer, attributes, mask) = ("0".repeat(96), "0".repeat(16), "F".repeat(16));
    TcbInfo {
        id: "TDX".to_owned(),
        version: 3,
        issue_date: rfc3339(issue_unix_s),
        next_update: rfc3339(next_update_unix_s),
        fmspc: hex::encode_upper(options.fmspc),
        pce_id: hex::encode_upper(options.pce_id),
        tcb_type: 0,
        tcb_evaluation_data_number: options.tcb_evaluation_number,
        tcb_levels,
        tdx_module: Some(TdxModule {
            mrsigner: signer.clone(),
            attributes: attributes.clone(),
            attributes_mask: mask.clone(),
        }),
        tdx_module_identities: vec![TdxModuleIdentity {
            id: format!("TDX_{:02X}", default.tee_tcb_svn[1]),
            mrsigner: signer,
            attributes,
            attributes_mask: mask,
            tcb_levels: vec![TdxModuleTcbLevel {
                tcb: TdxModuleTcb {
                    isvsvn: default.tee_tcb_svn[0],
                },
                tcb_date: tcb_date.clone(),
                tcb_status: dcap_qvl::TcbStatus::UpToDate,
                advisory_ids: Vec::new(),
            }],
        }],
    }
}

fn components(svns: &[u8; 16]) -> Vec<TcbComponents> {
    svns.iter().map(|svn| TcbComponents { svn: *svn }).collect()
}

fn qe_identity(issue_unix_s: u64, next_update_unix_s: u64, options: &CollateralOptions) -> QeIdentity {
    let enclave = QuotingEnclave::default();
    QeIdentity {
        id: "TD_QE".to_owned(),
        version: 2,
        issue_date: rfc3339(issue_unix_s),
        next_update: rfc3339(next_update_unix_s),
        tcb_evaluation_data_number: options.tcb_evaluation_number,
        miscselect: [0; 4],
        miscselect_mask: [0xff; 4],
        attributes: enclave.attributes,
        attributes_mask: [0xff; 16],
        mrsigner: enclave.signer,
        isvprodid: enclave.product_id,
        tcb_levels: vec![QeTcbLevel {
            tcb: QeTcb {
                isvsvn: enclave.security_version,
            },
            tcb_date: rfc3339(issue_unix_s.saturating_sub(TCB_DATE_BEFORE_ISSUE_S)),
            tcb_status: dcap_qvl::TcbStatus::UpToDate,
            advisory_ids: Vec::new(),
        }],
    }
}
