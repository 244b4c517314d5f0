//! Class M4: parts missing, twice, elsewhere, of another type. Where a signature covers the part it is made anew with the
//! simulated platform's key, so that it is the form that is judged and not the signature.

use super::{Case, Class, Expectation, Lab, Mutant, lab::Subject};
use crate::{
    appraise::ReasonClass,
    gpu::{Architecture, RimFault, rim::RimKind},
    sim_pki::{GpuState, SnpGuest},
    tdx::event_log::EventLog,
};

const ENCODING: Expectation = Expectation::RefusedAs(ReasonClass::Encoding);
const REFUSED: Expectation = Expectation::Refused;

pub(super) struct List<'a> {
    pub(super) lab: &'a Lab,
    genuine: Case,
    class: Class,
    pub(super) all: Vec<Mutant>,
}

impl<'a> List<'a> {
    pub(super) fn new(lab: &'a Lab, class: Class) -> Self {
        Self {
            genuine: lab.genuine(),
            lab,
            class,
            all: Vec::new(),
        }
    }

    /// The genuine case after `change`.
    pub(super) fn add(&mut self, recipe: impl Into<String>, expectation: Expectation, change: impl FnOnce(&mut Case)) {
        let mut case = self.genuine.clone();
        change(&mut case);
        self.all.push(Mutant {
            class: self.class,
            recipe: recipe.into(),
            case,
            expectation,
        });
    }
}

pub(super) fn mutants(lab: &Lab) -> Vec<Mutant> {
    let mut list = List::new(lab, Class::M4Structure);
    match lab.subject {
        Subject::Tdx(_) => tdx(&mut list),
        Subject::Snp(_) => {
            snp(&mut list);
            chain(&mut list);
        }
        Subject::Gpu(architecture) => {
            gpu(&mut list, architecture);
            manifests(&mut list, architecture);
            chain(&mut list);
        }
    }
    list.all
}

/// Where the chain of a simulated quote begins, and the place of its signature data's length.
fn quote_places(quote: &[u8]) -> (usize, usize) {
    let pem = quote
        .windows(10)
        .position(|window| window == b"-----BEGIN")
        .unwrap_or(0);
    let qe_part = 384 + 64 + 2 + 32 + 2 + 4;
    (pem, pem.saturating_sub(qe_part + 6 + 64 + 64 + 4))
}

/// Replaces the chain and keeps the three lengths around it right.
fn with_pem(quote: &mut Vec<u8>, change: impl FnOnce(&str) -> String) {
    let (pem_from, lengths) = quote_places(quote);
    let pem = change(&String::from_utf8_lossy(&quote[pem_from..]));
    quote.truncate(pem_from);
    quote.extend_from_slice(pem.as_bytes());
    let len = quote.len();
    let mut put = |at: usize, from: usize| {
        let field = ((len - from) as u32).to_le_bytes();
        quote[at..at + 4].copy_from_slice(&field);
    };
    let outer = lengths + 4 + 128 + 2;
    put(lengths, lengths + 4);
    put(outer, outer + 4);
    put(pem_from - 4, pem_from);
}

fn blocks(pem: &str) -> Vec<String> {
    const END: &str = "-----END CERTIFICATE-----\n";
    pem.split_inclusive(END).map(str::to_owned).collect()
}

fn tdx(list: &mut List<'_>) {
    type Change = fn(&str) -> String;
    let texts: [(&str, Change); 14] = [
        ("comment before the chain", |pem| format!("comment\n{pem}")),
        ("comment between certificates", |pem| {
            pem.replacen("-----\n-----BEGIN", "-----\ncomment\n-----BEGIN", 1)
        }),
        ("two NULs after the chain", |pem| format!("{pem}\0\0")),
        ("line feed after the chain", |pem| format!("{pem}\n")),
        ("carriage returns", |pem| pem.replace('\n', "\r\n")),
        ("one long line", |pem| {
            pem.replacen("-----BEGIN CERTIFICATE-----\n", "-----BEGIN CERTIFICATE-----\n\n", 1)
        }),
        ("label with a blank", |pem| {
            pem.replacen("BEGIN CERTIFICATE", "BEGIN  CERTIFICATE", 1)
        }),
        ("no root", |pem| blocks(pem)[..2].concat()),
        ("leaf only", |pem| blocks(pem)[..1].concat()),
        ("no chain", |_| String::new()),
        ("leaf twice", |pem| format!("{}{pem}", blocks(pem)[0])),
        ("root twice", |pem| format!("{pem}{}", blocks(pem)[2])),
        ("root in place of the intermediate", |pem| {
            let blocks = blocks(pem);
            [blocks[0].as_str(), &blocks[2], &blocks[2]].concat()
        }),
        ("chain in reverse", |pem| {
            let mut blocks = blocks(pem);
            blocks.reverse();
            blocks.concat()
        }),
    ];
    for (name, change) in texts {
        list.add(name, REFUSED, |case| with_pem(&mut case.evidence, change));
    }
    // The splicing itself keeps a quote as it was; genuine quotes have a NUL after the chain.
    list.add("chain replaced by itself", Expectation::Same, |case| {
        with_pem(&mut case.evidence, str::to_owned);
    });
    list.add("one NUL after the chain", Expectation::Same, |case| {
        with_pem(&mut case.evidence, |pem| format!("{pem}\0"));
    });
    for cert_type in [0u16, 1, 5, 7, 0x106, 0xffff] {
        list.add(format!("outer type {cert_type}"), ENCODING, |case| {
            let at = quote_places(&case.evidence).1 + 4 + 128;
            case.evidence[at..at + 2].copy_from_slice(&cert_type.to_le_bytes());
        });
        if cert_type != 5 {
            list.add(format!("inner type {cert_type}"), REFUSED, |case| {
                let at = quote_places(&case.evidence).0 - 6;
                case.evidence[at..at + 2].copy_from_slice(&cert_type.to_le_bytes());
            });
        }
    }
    for (name, at, value) in [
        ("version 3", 0, 3u8),
        ("version 6", 0, 6),
        ("key type 3", 2, 3),
        ("TEE type SGX", 4, 0),
        ("TEE type 0x80", 4, 0x80),
        ("QE vendor", 12, 0),
    ] {
        list.add(name, REFUSED, |case| case.evidence[at] = value);
    }
    list.add("other version with this body", REFUSED, |case| {
        case.evidence[0] = if case.evidence[0] == 4 { 5 } else { 4 };
    });
    list.add("certificates beside the quote", ENCODING, |case| {
        case.certificates = vec![vec![0x30, 0]];
    });
    list.add("quote twice", REFUSED, |case| {
        case.evidence.extend_from_within(..);
    });
    list.add(
        "no collateral",
        Expectation::RefusedAs(ReasonClass::Endorsement),
        |case| {
            case.collateral = None;
        },
    );
    list.add("event log cut", REFUSED, |case| {
        let log = case.event_log.take().unwrap_or_default();
        case.event_log = Some(log[..log.len() - 1].to_vec());
    });
    list.add("event log padded", Expectation::Same, |case| {
        if let Some(log) = &mut case.event_log {
            log.extend_from_slice(&[0xff; 64]);
        }
    });
    list.add(
        "event moved to another register",
        Expectation::RefusedAs(ReasonClass::Policy),
        |case| {
            let mut events = Lab::events();
            events[0].0 = 1;
            case.event_log = Some(EventLog::write(&events));
        },
    );
    list.add("events swapped", Expectation::RefusedAs(ReasonClass::Policy), |case| {
        let mut events = Lab::events();
        events.swap(1, 2);
        case.event_log = Some(EventLog::write(&events));
    });
}

/// Changes a report and signs it again.
pub(super) fn resign(lab: &Lab, case: &mut Case, change: impl FnOnce(&mut [u8])) {
    change(&mut case.evidence);
    lab.machine().sign(&mut case.evidence);
}

fn snp(list: &mut List<'_>) {
    let lab = list.lab;
    for version in [0u32, 1, 4, 6, 0x0200_0000] {
        list.add(format!("version {version}"), REFUSED, |case| {
            resign(lab, case, |report| report[..4].copy_from_slice(&version.to_le_bytes()));
        });
    }
    for (name, at) in [
        ("after the platform information", 0x4c),
        ("after CPUID", 0x18b),
        ("before the chip", 0x19f),
        ("after the firmware version", 0x1eb),
        ("after the committed version", 0x1ef),
        ("after the mitigations", 0x208),
        ("last signed byte", 0x29f),
    ] {
        list.add(format!("reserved byte {name}"), ENCODING, |case| {
            resign(lab, case, |report| report[at] = 1);
        });
    }
    let reserved_tcb = match lab.snp.product() {
        crate::snp::Product::Turin => 4,
        crate::snp::Product::Milan | crate::snp::Product::Genoa => 2,
    };
    for field in [0x38, 0x180, 0x1e0, 0x1f0] {
        list.add(
            format!("reserved byte of the TCB at {field:#x}, signed"),
            ENCODING,
            |case| {
                resign(lab, case, |report| report[field + reserved_tcb] = 1);
            },
        );
        list.add(
            format!("reserved byte of the TCB at {field:#x}, altered"),
            REFUSED,
            |case| {
                case.evidence[field + reserved_tcb] = 1;
            },
        );
    }
    for (name, at) in [
        ("after r", 0x2a0 + 48),
        ("end of r", 0x2a0 + 71),
        ("after s", 0x2a0 + 120),
        ("end of s", 0x2a0 + 143),
        ("after the signature", 0x2a0 + 144),
        ("last byte", 1183),
    ] {
        list.add(format!("unsigned byte {name}"), ENCODING, |case| case.evidence[at] = 1);
    }
    for (name, at, value, expectation) in [
        ("signature algorithm 0", 0x34, 0, ENCODING),
        ("signature algorithm 2", 0x34, 2, ENCODING),
        ("privilege level 4", 0x30, 4, ENCODING),
        ("reserved policy bit 17 off", 10, 0b1101_0000, ENCODING),
        ("reserved policy bit 26", 11, 0b0000_0111, ENCODING),
        ("reserved policy bit 63", 15, 0x80, ENCODING),
        ("reserved platform bit 6", 0x40, 0b0111_1100, ENCODING),
        ("reserved platform bit 8", 0x41, 1, ENCODING),
        ("reserved key bit 5", 0x48, 0b10_0000, ENCODING),
        ("author key without digest", 0x48, 1, ENCODING),
        ("masked chip key", 0x48, 2, REFUSED),
        ("key of another kind", 0x48, 1 << 2, REFUSED),
        ("no key", 0x48, 7 << 2, REFUSED),
        ("reserved key kind", 0x48, 3 << 2, REFUSED),
    ] {
        list.add(name, expectation, |case| resign(lab, case, |report| report[at] = value));
    }
    list.add("author digest without author key", ENCODING, |case| {
        resign(lab, case, |report| report[0x110] = 1);
    });
    list.add("r and s swapped", REFUSED, |case| {
        let (r, s) = case.evidence[0x2a0..0x2a0 + 144].split_at_mut(72);
        r.swap_with_slice(s);
    });
    for version in [2u32, 3] {
        let guest = SnpGuest {
            version,
            ..SnpGuest::of_image("worker")
        };
        // Older reports state no mitigations; everything else is as good.
        list.add(format!("report of version {version}"), Expectation::Accepted, |case| {
            if let Ok(report) = lab.machine().report(&guest, &lab.report_data()) {
                case.evidence = report;
            }
            if let Some(policy) = &mut case.policy.snp {
                policy.required_mitigations = 0;
            }
        });
        list.add(
            format!("version {version} with fields of version 5"),
            ENCODING,
            |case| {
                resign(lab, case, |report| report[0] = version as u8);
            },
        );
    }
    list.add("revocation list cut", REFUSED, |case| {
        if let Some(der) = &mut case.revocation_list {
            der.pop();
        }
    });
    list.add("revocation list with a byte more", REFUSED, |case| {
        if let Some(der) = &mut case.revocation_list {
            der.push(0);
        }
    });
    list.add("certificate in place of the revocation list", REFUSED, |case| {
        case.revocation_list = case.certificates.last().cloned();
    });
}

/// Chains beside the evidence.
fn chain(list: &mut List<'_>) {
    let members = list.genuine.certificates.len();
    for at in 0..members {
        list.add(format!("certificate {at} missing"), REFUSED, |case| {
            case.certificates.remove(at);
        });
        list.add(format!("certificate {at} twice"), REFUSED, |case| {
            let copy = case.certificates[at].clone();
            case.certificates.insert(at, copy);
        });
        list.add(format!("certificate {at} with a byte more"), REFUSED, |case| {
            case.certificates[at].push(0);
        });
        list.add(format!("certificate {at} in another length"), ENCODING, |case| {
            // A length of two bytes in three: BER, not DER.
            let der = &mut case.certificates[at];
            let contents = der.split_off(4);
            let mut again = vec![0x30, 0x83, 0, der[2], der[3]];
            again.extend_from_slice(&contents);
            *der = again;
        });
        for other in at + 1..members {
            list.add(format!("certificates {at} and {other} swapped"), REFUSED, |case| {
                case.certificates.swap(at, other);
            });
        }
    }
    list.add("no certificates", ENCODING, |case| case.certificates.clear());
    list.add("a hundred certificates", ENCODING, |case| {
        let leaf = case.certificates[0].clone();
        case.certificates = vec![leaf; 100];
    });
    list.add("huge certificate", ENCODING, |case| {
        case.certificates[0].resize(1 << 20, 0);
    });
    // The same names with other keys: what a verifier that looks at names accepts.
    let lookalike = Lab::new(list.lab.subject, list.lab.seed ^ 0x5555).genuine();
    list.add(
        "chain of another vendor of the same names",
        Expectation::RefusedAs(ReasonClass::Root),
        |case| {
            let other = lookalike.clone();
            case.certificates = other.certificates;
            case.evidence = other.evidence;
            case.manifests = other.manifests;
            case.report_data = other.report_data;
            case.nonce = other.nonce;
            case.revocation_list = other.revocation_list;
            if let (Some(ours), Some(theirs)) = (&mut case.policy.gpu, other.policy.gpu) {
                ours.allowed_devices = theirs.allowed_devices;
                ours.require_manifests = false;
                case.manifests.clear();
            }
        },
    );
    // A leaf that the intermediate never signed.
    list.add("leaf and intermediate of another vendor", REFUSED, |case| {
        let other = lookalike.clone();
        case.certificates[0] = other.certificates[0].clone();
        case.certificates[1] = other.certificates[1].clone();
        case.evidence = other.evidence;
        case.report_data = other.report_data;
        case.nonce = other.nonce;
        if let (Some(ours), Some(theirs)) = (&mut case.policy.snp, other.policy.snp) {
            ours.allowed_chips = theirs.allowed_chips;
        }
        if let (Some(ours), Some(theirs)) = (&mut case.policy.gpu, other.policy.gpu) {
            ours.allowed_devices = theirs.allowed_devices;
        }
    });
}

/// Changes what a GPU says and signs it again.
pub(super) fn answer(lab: &Lab, architecture: Architecture, case: &mut Case, change: impl FnOnce(&mut Vec<u8>)) {
    let gpu = lab.gpu.gpu(1, architecture);
    let mut message = gpu.unsigned(&GpuState::default(), &lab.nonce());
    change(&mut message);
    case.evidence = gpu.sign(message);
}

const BLOCKS: usize = 37 + 8;
const OPAQUE_LEN: usize = BLOCKS + 64 * 55 + 32;

/// Replaces the opaque data and keeps their length right.
fn with_opaque(message: &mut Vec<u8>, change: impl FnOnce(&mut Vec<u8>)) {
    let mut opaque = message.split_off(OPAQUE_LEN + 2);
    change(&mut opaque);
    message.truncate(OPAQUE_LEN);
    message.extend_from_slice(&(opaque.len() as u16).to_le_bytes());
    message.extend_from_slice(&opaque);
}

fn gpu(list: &mut List<'_>, architecture: Architecture) {
    let lab = list.lab;
    for (name, at, value) in [
        ("SPDM 1.2 request", 0, 0x12u8),
        ("another request", 1, 0xe1),
        ("no signature requested", 2, 0),
        ("one measurement requested", 3, 1),
        ("slot 1", 36, 1),
        ("SPDM 1.2 response", 37, 0x12),
        ("another response", 38, 0x61),
        ("63 measurements", 41, 63),
        ("index 0", BLOCKS, 0),
        ("index twice", BLOCKS + 55, 1),
        ("another specification", BLOCKS + 1, 2),
        ("value of 47 bytes", BLOCKS + 5, 47),
    ] {
        list.add(name, ENCODING, |case| {
            answer(lab, architecture, case, |message| message[at] = value);
        });
    }
    list.add("answer signed as it is", Expectation::Same, |case| {
        answer(lab, architecture, case, |_| {});
    });
    list.add("measurements swapped with their indices", ENCODING, |case| {
        answer(lab, architecture, case, |message| {
            let (a, b) = message[BLOCKS..BLOCKS + 110].split_at_mut(55);
            a.swap_with_slice(b);
        });
    });
    list.add("opaque field twice", ENCODING, |case| {
        answer(lab, architecture, case, |message| {
            with_opaque(message, |opaque| {
                opaque.extend_from_slice(&[36, 0, 2, 0, 1, 0]);
            });
        });
    });
    list.add("opaque field cut", ENCODING, |case| {
        answer(lab, architecture, case, |message| {
            with_opaque(message, |opaque| opaque.extend_from_slice(&[99, 0, 2, 0, 1]));
        });
    });
    list.add("unknown opaque field", Expectation::Accepted, |case| {
        answer(lab, architecture, case, |message| {
            with_opaque(message, |opaque| opaque.extend_from_slice(&[99, 0, 1, 0, 1]));
        });
    });
    let retyped = |from: u16, to: u16| {
        move |opaque: &mut Vec<u8>| {
            let mut at = 0;
            while let Some(head) = opaque.get(at..at + 4) {
                let (id, len) = (
                    u16::from_le_bytes([head[0], head[1]]),
                    u16::from_le_bytes([head[2], head[3]]),
                );
                if id == from {
                    opaque[at..at + 2].copy_from_slice(&to.to_le_bytes());
                }
                at += 4 + usize::from(len);
            }
        }
    };
    for (name, from, expectation) in [
        ("driver version", 3, ENCODING),
        ("VBIOS version", 6, ENCODING),
        ("firmware id", 20, Expectation::RefusedAs(ReasonClass::Policy)),
        ("feature flag", 36, Expectation::RefusedAs(ReasonClass::Policy)),
    ] {
        list.add(format!("{name} under another type"), expectation, |case| {
            answer(lab, architecture, case, |message| {
                with_opaque(message, retyped(from, 200));
            });
        });
    }
    list.add(
        "firmware of another GPU",
        Expectation::RefusedAs(ReasonClass::Signature),
        |case| {
            answer(lab, architecture, case, |message| {
                let at = message
                    .windows(4)
                    .position(|window| window == [20, 0, 48, 0])
                    .unwrap_or(0);
                message[at + 4] ^= 1;
            });
        },
    );
    list.add("feature flag 3", ENCODING, |case| {
        answer(lab, architecture, case, |message| {
            if let Some(flag) = message.len().checked_sub(2) {
                message[flag] = 3;
            }
        });
    });
}

fn manifests(list: &mut List<'_>, architecture: Architecture) {
    let lab = list.lab;
    let gpu = lab.gpu.gpu(1, architecture);
    let chip = gpu.chip();
    let state = GpuState::default();
    let edit = |case: &mut Case, from: &str, to: &str| {
        let text = String::from_utf8_lossy(&case.manifests[0]).into_owned();
        case.manifests[0] = text.replacen(from, to, 1).into_bytes();
    };
    for (name, from, to) in [
        ("value changed", "ee\"", "ef\""),
        ("measurement switched off", "active=\"True\"", "active=\"False\""),
        (
            "version changed",
            "colloquialVersion=\"590.12\"",
            "colloquialVersion=\"590.13\"",
        ),
        ("comment", "<Payload>", "<!--x--><Payload>"),
        ("document type", "<SoftwareIdentity", "<!DOCTYPE x><SoftwareIdentity"),
        ("reference", "edition=\"GPU\"", "edition=\"&#71;PU\""),
        ("attribute twice", "edition=\"GPU\"", "edition=\"GPU\" edition=\"GPU\""),
        ("element twice", "<Payload>", "<Payload></Payload><Payload>"),
        ("another digest method", "xmldsig-more#sha384", "xmldsig-more#sha512"),
        ("reference elsewhere", "URI=\"\"", "URI=\"#x\""),
        ("no signature", "<ds:Signature ", "<ds:Signatur "),
        ("undeclared prefix", "<Payload>", "<x:Payload>"),
        ("text after the root", "</SoftwareIdentity>", "</SoftwareIdentity>x"),
    ] {
        list.add(format!("manifest: {name}"), REFUSED, |case| edit(case, from, to));
    }
    list.add("manifest: two blanks in a tag", Expectation::Same, |case| {
        edit(case, " edition=", "  edition=");
    });
    list.add("manifest of the driver missing", REFUSED, |case| {
        case.manifests.remove(0);
    });
    list.add("manifest of the VBIOS missing", REFUSED, |case| {
        case.manifests.remove(1);
    });
    list.add("manifest of the driver twice", Expectation::Same, |case| {
        let copy = case.manifests[0].clone();
        case.manifests.push(copy);
    });
    list.add("manifest of another chip", REFUSED, |case| {
        case.manifests = lab.gpu.manifests_for("GX100", &state);
    });
    list.add("both manifests list a measurement", REFUSED, |case| {
        let values = vec![(1, vec![state.measurements[1]])];
        case.manifests[1] = lab.gpu.manifest(chip, RimKind::Vbios, &state.vbios_text(), &values);
    });
    list.add("another value in a manifest", REFUSED, |case| {
        case.manifests[0] = lab
            .gpu
            .manifest(chip, RimKind::Driver, &state.driver_version, &[(7, vec![[1; 48]])]);
    });
    list.add("manifest of another vendor", REFUSED, |case| {
        let other = Lab::new(lab.subject, lab.seed ^ 0x7777);
        case.manifests[0] = other.gpu.manifests_for(chip, &state).remove(0);
    });
    list.add("nine manifests", ENCODING, |case| {
        let one = case.manifests[0].clone();
        case.manifests = vec![one; 9];
    });
    list.add("huge manifest", REFUSED, |case| {
        case.manifests[0].resize(crate::gpu::rim::MAX_MANIFEST_LEN_BYTES + 1, b' ');
    });
    debug_assert!(matches!(
        crate::gpu::Rim::verify(b"", lab.trust().gpu(), 0),
        Err(RimFault::Form { .. })
    ));
}
