//! The rules of a key manager over random lives: clocks that jump, revocations, restarts, disks that are put back.

use super::{
    encoding::{self, EncodingError},
    policy::{KeyPolicy, KeyRules, MAX_LIVE_KEYS},
    ring::{Asker, KeyChange, KeyEvent, KeyHolder, KeyRing, Lineage, Refusal},
};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const PERIOD_S: u64 = 60;
const GRACE_S: u64 = 150;
const START_UNIX_S: u64 = 1_767_225_600;

fn policy(rules: KeyRules) -> KeyPolicy {
    KeyPolicy::new(PERIOD_S, GRACE_S, rules).unwrap()
}

fn holder() -> impl Strategy<Value = KeyHolder> {
    prop::sample::select(&KeyHolder::ALL[..])
}

#[derive(Debug, Clone, Copy)]
enum Step {
    /// The clock goes on, or jumps.
    Clock(i64),
    /// What is due is done.
    Turn,
    Revoke(KeyHolder),
    Ask(Asker),
    /// The process dies and reads what it wrote last.
    Restart,
    /// The disk is put back to a state of some time ago, and the process reads that.
    PutBack(prop::sample::Index),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let asker = (holder(), holder(), any::<[bool; 2]>(), 0..4_i64).prop_map(
        |(kind, asks_for, [is_session_bound, is_image_allowed], min_config_version)| Asker {
            kind,
            is_session_bound,
            is_image_allowed,
            asks_for,
            min_config_version,
        },
    );
    let step = prop_oneof![
        4 => (0..80_i64).prop_map(Step::Clock),
        1 => (-400..2_000_i64).prop_map(Step::Clock),
        4 => Just(Step::Turn),
        1 => holder().prop_map(Step::Revoke),
        6 => asker.prop_map(Step::Ask),
        1 => Just(Step::Restart),
        1 => any::<prop::sample::Index>().prop_map(Step::PutBack),
    ];
    prop::collection::vec(step, 1..120)
}

/// What must hold, kept by somebody who sees everything.
#[derive(Default)]
struct Model {
    /// What each key is for, and its epoch.
    keys: BTreeMap<[u8; 32], (KeyHolder, u64)>,
    gone: BTreeSet<[u8; 32]>,
    epochs: BTreeMap<KeyHolder, u64>,
}

impl Model {
    /// `is_put_back`: nothing is known any more of what comes after.
    fn see(&mut self, events: &[KeyEvent], is_put_back: bool) {
        for event in events {
            let public = *event.public.as_bytes();
            match event.change {
                KeyChange::Made => {
                    let last = self.epochs.entry(event.holder).or_default();
                    assert!(is_put_back || event.epoch == *last + 1, "epochs grow by one");
                    *last = event.epoch;
                    let known = self.keys.insert(public, (event.holder, event.epoch));
                    assert_eq!(known, None, "no key is made twice");
                }
                KeyChange::Ended | KeyChange::Revoked => {
                    assert!(self.keys.contains_key(&public));
                    self.gone.insert(public);
                }
            }
        }
    }
}

const CONFIG_VERSION: u32 = 2;

/// A key manager with its disk, and one node that comes again and again.
struct Life {
    policy: KeyPolicy,
    now_unix_s: u64,
    ring: KeyRing,
    disk: Vec<Vec<u8>>,
    lineage: Lineage,
    /// The session and number that the node was told last.
    witnessed: ([u8; 16], u64),
    /// The disk was put back behind that, and this is the first process since.
    must_notice: bool,
    is_put_back: bool,
    drawn: u64,
    model: Model,
}

impl Life {
    fn new(rules: KeyRules) -> Self {
        Self {
            policy: policy(rules),
            now_unix_s: START_UNIX_S,
            ring: KeyRing::default(),
            disk: vec![encoding::encode(&KeyRing::default())],
            lineage: Lineage {
                session: [0; 16],
                opened: 0,
            },
            witnessed: ([0; 16], 0),
            must_notice: false,
            is_put_back: false,
            drawn: 0,
            model: Model::default(),
        }
    }

    fn start(&mut self) {
        self.lineage.session = (u128::from_be_bytes(self.lineage.session) + 1).to_be_bytes();
        self.lineage.opened = self.ring.number();
    }

    fn change(&mut self, events: &[KeyEvent], number: u64) {
        assert_eq!(self.ring.number(), number + u64::from(!events.is_empty()));
        self.model.see(events, self.is_put_back);
        if !events.is_empty() {
            self.disk.push(encoding::encode(&self.ring));
        }
    }

    fn turn(&mut self) {
        let number = self.ring.number();
        let drawn = &mut self.drawn;
        let events = self.ring.turn(self.now_unix_s, &self.policy, || {
            *drawn += 1;
            let mut secret = [0; 32];
            secret[..8].copy_from_slice(&drawn.to_be_bytes());
            secret
        });
        self.change(&events, number);
    }

    fn ask(&mut self, asker: &Asker) -> Result<Vec<(KeyHolder, [u8; 32])>, Refusal> {
        let released = self
            .ring
            .release(asker, CONFIG_VERSION, self.now_unix_s, &self.policy)?;
        Ok(released
            .iter()
            .map(|released| (released.holder, *released.key.public().as_bytes()))
            .collect())
    }

    /// `false` if the key manager has found out that it was put back, and has stopped.
    fn step(&mut self, step: Step) -> bool {
        match step {
            Step::Clock(by_s) => self.now_unix_s = self.now_unix_s.saturating_add_signed(by_s),
            Step::Turn => {
                self.turn();
                self.check_turned();
            }
            Step::Revoke(holder) => {
                let number = self.ring.number();
                let revoked = self.ring.newest(holder).map(|key| *key.public().as_bytes());
                let events: Vec<_> = self.ring.revoke(holder).into_iter().collect();
                assert_eq!(events.first().map(|event| *event.public.as_bytes()), revoked);
                self.change(&events, number);
            }
            Step::Ask(asker) => {
                // The node says what it was told before, and is told the number of today.
                let (session, number) = self.witnessed;
                if number > self.lineage.newest(&session, self.ring.number()) {
                    assert!(self.is_put_back, "only a disk that was put back is behind");
                    return false;
                }
                assert!(!self.must_notice, "the node knew better");
                self.turn();
                self.witnessed = (self.lineage.session, self.ring.number());
                let answer = self.ask(&asker);
                self.check_answer(&asker, answer);
            }
            Step::Restart => {
                let disk = self.disk.last().unwrap();
                let read = encoding::decode(disk).unwrap();
                assert_eq!(read, self.ring, "nothing is lost by a restart");
                assert_eq!(encoding::encode(&read), *disk);
                self.start();
                // What nobody noticed in one process is the past of the next.
                self.must_notice = false;
            }
            Step::PutBack(at) => {
                let keep = at.index(self.disk.len()) + 1;
                self.is_put_back |= keep < self.disk.len();
                self.disk.truncate(keep);
                self.ring = encoding::decode(self.disk.last().unwrap()).unwrap();
                self.start();
                self.must_notice = self.witnessed.1 > self.ring.number();
            }
        }
        true
    }

    fn check_turned(&self) {
        for holder in KeyHolder::ALL {
            let newest = self.ring.newest(holder).unwrap();
            assert!(newest.since_unix_s <= self.now_unix_s.saturating_add(PERIOD_S));
            assert!(
                self.now_unix_s < newest.since_unix_s + PERIOD_S,
                "an epoch begins in time"
            );
            assert!(newest.until_unix_s <= self.now_unix_s + PERIOD_S + self.policy.lifetime_s());
        }
        assert!(self.ring.due_unix_s(&self.policy) > self.now_unix_s);
    }

    fn check_answer(&self, asker: &Asker, answer: Result<Vec<(KeyHolder, [u8; 32])>, Refusal>) {
        let is_entitled = asker.is_session_bound
            && asker.is_image_allowed
            && asker.kind == asker.asks_for
            && asker.min_config_version <= i64::from(CONFIG_VERSION);
        match answer {
            Ok(keys) => {
                assert!(is_entitled, "{asker:?}");
                let newest = self.ring.newest(asker.kind).unwrap();
                assert_eq!(keys.last().unwrap().1, *newest.public().as_bytes());
                assert!(keys.len() <= MAX_LIVE_KEYS);
                for (holder, public) in keys {
                    let (made_for, _epoch) = self.model.keys[&public];
                    assert_eq!((holder, made_for), (asker.kind, asker.kind));
                    assert!(self.is_put_back || !self.model.gone.contains(&public));
                }
            }
            Err(refusal) => assert!(!is_entitled, "{refusal}"),
        }
    }
}

proptest! {
    /// No key goes to the wrong kind of node, none that was revoked or has ended goes to anybody, epochs grow, nothing is
    /// lost by a restart, and whoever was told of a newer state finds out about an older disk before it gets a key.
    #[test]
    fn a_key_manager_keeps_its_rules(steps in steps()) {
        let mut life = Life::new(KeyRules::SOUND);
        for step in steps {
            if !life.step(step) {
                break;
            }
        }
    }

    #[test]
    fn what_is_encoded_is_decoded_and_nothing_else(steps in steps(), at: prop::sample::Index, bit in 0..8) {
        let mut life = Life::new(KeyRules::SOUND);
        for step in steps {
            if !matches!(step, Step::PutBack(_)) {
                life.step(step);
            }
        }
        let bytes = encoding::encode(&life.ring);
        prop_assert_eq!(encoding::decode(&bytes), Ok(life.ring));
        let cut = at.index(bytes.len());
        prop_assert_eq!(encoding::decode(&bytes[..cut]), Err(EncodingError::Short));
        let longer = [bytes.as_slice(), &[0]].concat();
        prop_assert_eq!(encoding::decode(&longer), Err(EncodingError::Trailing));
        let mut changed = bytes.clone();
        changed[cut] ^= 1_u8 << bit;
        if let Ok(other) = encoding::decode(&changed) {
            prop_assert_eq!(encoding::encode(&other), changed);
        }
    }

    #[test]
    fn no_bytes_are_a_panic(bytes: Vec<u8>) {
        if let Ok(ring) = encoding::decode(&bytes) {
            prop_assert_eq!(encoding::encode(&ring), bytes);
        }
    }
}

fn asker(kind: KeyHolder, asks_for: KeyHolder) -> Asker {
    Asker {
        kind,
        is_session_bound: true,
        is_image_allowed: true,
        asks_for,
        min_config_version: 1,
    }
}

/// The negative control: with the weak points of the reference each of the rules is broken.
#[test]
fn the_reference_breaks_the_rules() {
    let mut life = Life::new(KeyRules::REFERENCE);
    life.turn();
    let worker = asker(KeyHolder::Workers, KeyHolder::Workers);
    let stranger = Asker {
        is_session_bound: false,
        is_image_allowed: false,
        min_config_version: i64::MAX,
        ..worker
    };
    let taken = life.ask(&stranger).unwrap();
    assert!(
        KeyHolder::ALL
            .iter()
            .all(|holder| taken.iter().any(|(of, _)| of == holder))
    );
    // No second epoch ever begins, and in the end there are no keys.
    let newest = life.ring.newest(KeyHolder::Workers).unwrap().epoch;
    life.now_unix_s += PERIOD_S;
    life.turn();
    assert_eq!(life.ring.newest(KeyHolder::Workers).unwrap().epoch, newest);
    life.now_unix_s += PERIOD_S + GRACE_S;
    life.turn();
    assert_eq!(life.ask(&worker), Ok(Vec::new()));
    assert_eq!(life.ring.due_unix_s(&life.policy), u64::MAX);
}

#[test]
fn each_reason_to_refuse_is_named() {
    let mut life = Life::new(KeyRules::SOUND);
    life.turn();
    let (proxies, workers) = (KeyHolder::Proxies, KeyHolder::Workers);
    let good = asker(workers, workers);
    assert_eq!(life.ask(&good).map(|keys| keys.len()), Ok(1));
    let not_bound = Asker {
        is_session_bound: false,
        ..good
    };
    assert_eq!(life.ask(&not_bound), Err(Refusal::NotBound));
    let unknown = Asker {
        is_image_allowed: false,
        ..good
    };
    assert_eq!(life.ask(&unknown), Err(Refusal::Image { kind: workers }));
    let other = Refusal::OtherKind {
        kind: workers,
        asks_for: proxies,
    };
    assert_eq!(life.ask(&asker(workers, proxies)), Err(other));
    let newer = Asker {
        min_config_version: 3,
        ..good
    };
    let older_root = Refusal::OlderRoot { known: 2, asked: 3 };
    assert_eq!(life.ask(&newer), Err(older_root));
}

/// Old keys are given out for the grace, and not a second longer.
#[test]
fn epochs_overlap_for_the_grace() {
    let mut life = Life::new(KeyRules::SOUND);
    let worker = asker(KeyHolder::Workers, KeyHolder::Workers);
    let mut seen = Vec::new();
    for now_s in 0..600 {
        life.now_unix_s = START_UNIX_S + now_s;
        life.turn();
        seen.push(life.ask(&worker).unwrap().len());
    }
    // One key a minute, each for 210 s.
    assert_eq!((seen[0], seen[59], seen[60], seen[179], seen[180]), (1, 1, 2, 3, 4));
    assert_eq!((seen[209], seen[210], seen[239], seen[240]), (4, 3, 3, 4));
    assert_eq!(life.ring.newest(KeyHolder::Workers).unwrap().epoch, 10);
}

/// A clock that was ahead for a while leaves no key behind that would live too long, and does not stop the epochs.
#[test]
fn a_clock_that_was_ahead_does_no_lasting_harm() {
    let mut life = Life::new(KeyRules::SOUND);
    life.turn();
    life.now_unix_s += 1_000_000;
    life.turn();
    assert_eq!(life.ring.newest(KeyHolder::Workers).unwrap().epoch, 2);
    life.now_unix_s -= 1_000_000;
    life.turn();
    let newest = life.ring.newest(KeyHolder::Workers).unwrap();
    assert_eq!((newest.epoch, newest.since_unix_s), (3, START_UNIX_S));
    assert_eq!(newest.until_unix_s, START_UNIX_S + PERIOD_S + GRACE_S);
}
