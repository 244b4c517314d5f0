# The policy of `chrysalis attest` once more, in Rego: a second opinion on the typed one.
#
# input.claims      what the evidence says (attest::claims)
# input.policy      the policy as it is written in YAML
# input.now_unix_s  the verifier's clock
# input.attributes_unchecked  the reference's rule for TDs, which looks at no attributes; simulations only
#
# Evidence is accepted if `reasons` is empty.
package chrysalis.appraisal

import rego.v1

claims := input.claims

now := input.now_unix_s

rules := input.policy[claims.kind]

is_tdx if claims.kind == "tdx"

is_snp if claims.kind == "snp"

is_gpu if claims.kind == "gpu"

permits(list, _) if list == "not-checked"

permits(list, value) if {
	is_array(list)
	value in list
}

# Of every kind

reasons contains "the roots are of another kind than the policy demands" if claims.anchor != input.policy.anchors

reasons contains "the policy has no rules for this kind of evidence" if not is_object(input.policy[claims.kind])

reasons contains "the evidence does not answer a recent challenge" if {
	is_number(rules["max-challenge-age-s"])
	not challenge_is_recent
}

challenge_is_recent if {
	claims.challenge.is_bound
	is_number(claims.challenge.sent_unix_s)
	claims.challenge.sent_unix_s <= now
	now - claims.challenge.sent_unix_s <= rules["max-challenge-age-s"]
}

# TDs: the platform

outdated := {"OutOfDate", "OutOfDateConfigurationNeeded"}

tcb_passes if {
	claims.tcb.status != "Revoked"
	claims.tcb.status in rules["accepted-tcb"]
}

tcb_passes if {
	claims.tcb.status in outdated
	is_number(rules["tcb-grace-s"])
	now <= claims.tcb.level_date_unix_s + rules["tcb-grace-s"]
}

reasons contains "TCB status" if {
	is_tdx
	not tcb_passes
}

reasons contains "TCB evaluation number" if {
	is_tdx
	claims.tcb.evaluation_number < rules["min-tcb-evaluation-number"]
}

reasons contains "number of a revocation list" if {
	is_tdx
	some number in claims.collateral.crl_numbers
	number < rules["min-crl-number"]
}

reasons contains "advisory" if {
	is_tdx
	some advisories in [claims.tcb.advisories, claims.tcb.current_advisories]
	is_array(advisories)
	some advisory in advisories
	advisory in rules["refused-advisories"]
}

reasons contains "age of the collateral" if {
	is_tdx
	is_number(rules["max-collateral-age-s"])
	now - claims.collateral.issued_unix_s > rules["max-collateral-age-s"]
}

reasons contains "the collateral has expired" if {
	is_tdx
	now > claims.collateral.expires_unix_s + rules["collateral-grace-s"]
}

platform_flags := {
	"dynamic": "allow-dynamic-platform",
	"cached_keys": "allow-cached-keys",
	"smt": "allow-smt",
}

reasons contains "flag of the platform" if {
	is_tdx
	some flag, rule in platform_flags
	claims.platform[flag] == true
	not rules["platform-flags"][rule]
}

reasons contains "platform" if {
	is_tdx
	not permits(rules["allowed-ppids"], claims.platform.ppid)
}

# TDs: what they are

checks_attributes if {
	is_tdx
	not input.attributes_unchecked
}

attributes contains bit if some bit in claims.td.attribute_bits

# Intel TDX module 1.5 ABI, table 3.23.
forbidden_attributes := {0, 4, 5, 6, 29} | reserved_attributes

reserved_attributes contains bit if some bit in numbers.range(1, 3)

reserved_attributes contains bit if some bit in numbers.range(7, 15)

reserved_attributes contains bit if some bit in numbers.range(23, 26)

reserved_attributes contains bit if some bit in numbers.range(32, 61)

reasons contains "TD attributes" if {
	checks_attributes
	count(attributes & forbidden_attributes) > 0
}

reasons contains "SEPT_VE_DISABLE is off" if {
	checks_attributes
	not 28 in attributes
}

has_service_td if 17 in attributes

has_service_td if {
	is_string(claims.td.service_td)
	trim(claims.td.service_td, "0") != ""
}

reasons contains "service TD" if {
	checks_attributes
	has_service_td
	not "service-td" in rules["tolerated-attributes"]
}

reasons contains "performance counters" if {
	checks_attributes
	63 in attributes
	not "perfmon" in rules["tolerated-attributes"]
}

# x87, SSE, AVX, AVX-512, PT, PKRU, CET, ULI, LBR, AMX.
known_features := {0, 1, 2, 5, 6, 7, 8, 9, 11, 12, 14, 15, 17, 18}

reasons contains "XFAM" if {
	checks_attributes
	some feature in claims.td.xfam_bits
	not feature in known_features
}

reasons contains "XFAM" if {
	checks_attributes
	some feature in {0, 1}
	not feature in claims.td.xfam_bits
}

td_lists := {
	"allowed-mr-seam": claims.td.mr_seam,
	"allowed-mr-td": claims.td.mr_td,
	"allowed-rtmr": concat(",", claims.td.rtmr),
	"allowed-image-hashes": claims.td.image_hash,
}

reasons contains sprintf("not in %s", [list]) if {
	is_tdx
	some list, value in td_lists
	not permits(rules[list], value)
}

reasons contains "no event log" if {
	is_tdx
	rules["require-event-log"]
	not is_array(claims.events)
}

reasons contains "event that is demanded" if {
	is_tdx
	some digest in rules["required-events"]
	not was_measured(digest)
}

was_measured(digest) if {
	is_array(claims.events)
	digest in claims.events
}

# SNP guests

reasons contains "family of processors" if {
	is_snp
	not claims.product in rules["allowed-products"]
}

reasons contains "kind of signing key" if {
	is_snp
	not claims.signing_key in rules["allowed-signing-keys"]
}

reasons contains "no revocation list" if {
	is_snp
	rules["require-revocation-list"]
	not is_number(claims.crl_number)
}

reasons contains "number of the revocation list" if {
	is_snp
	is_number(claims.crl_number)
	claims.crl_number < rules["min-crl-number"]
}

tcb_components := ["fmc", "boot-loader", "tee", "snp", "microcode"]

reasons contains "committed TCB" if {
	is_snp
	some position, component in tcb_components
	claims.committed_tcb[position] < rules["min-committed-tcb"][claims.product][component]
}

reasons contains "firmware" if {
	is_snp
	claims.firmware < rules["min-firmware"]
}

reasons contains "security version of the guest" if {
	is_snp
	claims.guest.svn < rules["min-guest-svn"]
}

reasons contains "privilege level" if {
	is_snp
	not claims.guest.vmpl in rules["allowed-vmpl"]
}

# SNP ABI 1.58, tables 9 (policy) and 24 (platform information).
guest_allows(bit) if {
	is_snp
	bit in claims.guest.policy_bits
}

platform_has(bit) if {
	is_snp
	bit in claims.platform_bits
}

multithreading if guest_allows(16)

multithreading if platform_has(0)

migrates if guest_allows(18)

migrates if {
	is_snp
	trim(claims.guest.migration_agent, "f") != ""
}

reasons contains "debugging" if {
	guest_allows(19)
	not rules["allow-debug"]
}

reasons contains "migration agent" if {
	migrates
	not rules["allow-migration-agent"]
}

reasons contains "multithreading" if {
	multithreading
	not rules["allow-smt"]
}

reasons contains "CXL" if {
	guest_allows(21)
	not rules["allow-cxl"]
}

demanded_of_guest := {
	"require-single-socket": 20,
	"require-aes-256-xts": 22,
	"require-rapl-disabled": 23,
	"require-ciphertext-hiding": 24,
	"require-page-swap-disabled": 25,
}

demanded_of_platform := {
	"require-rapl-disabled": 3,
	"require-ciphertext-hiding": 4,
	"require-alias-check": 5,
}

reasons contains rule if {
	is_snp
	some rule, bit in demanded_of_guest
	rules[rule]
	not guest_allows(bit)
}

reasons contains rule if {
	is_snp
	some rule, bit in demanded_of_platform
	rules[rule]
	not platform_has(bit)
}

reasons contains "mitigations" if {
	is_snp
	some bit in numbers.range(0, 63)
	bits.and(rules["required-mitigations"], bits.lsh(1, bit)) != 0
	some when in ["launch", "current"]
	not bit in claims.mitigation_bits[when]
}

snp_lists := {
	"allowed-measurements": claims.guest.measurement,
	"allowed-host-data": claims.guest.host_data,
	"allowed-id-keys": claims.guest.id_key_digest,
	"allowed-author-keys": claims.guest.author_key_digest,
	"allowed-chips": claims.chip_id,
}

reasons contains sprintf("not in %s", [list]) if {
	is_snp
	some list, value in snp_lists
	not permits(rules[list], value)
}

reasons contains "not in allowed-providers" if {
	is_snp
	is_string(claims.provider)
	not permits(rules["allowed-providers"], claims.provider)
}

# GPUs

architecture := "hopper" if startswith(claims.chip, "GH")

architecture := "blackwell" if startswith(claims.chip, "GB")

architecture_passes if architecture in rules["allowed-architectures"]

reasons contains "architecture" if {
	is_gpu
	not architecture_passes
}

reasons contains "firmware is not stated" if {
	is_gpu
	not claims.states_firmware
	not rules["allow-unstated-firmware"]
}

reasons contains "mode" if {
	is_gpu
	is_string(claims.mode)
	not claims.mode in rules["allowed-modes"]
}

reasons contains "mode is not stated" if {
	is_gpu
	not is_string(claims.mode)
	not rules["allow-unstated-mode"]
}

reasons contains "manifest is missing" if {
	is_gpu
	rules["require-manifests"]
	some kind in ["driver", "vbios"]
	not claims.manifests[kind]
}

gpu_lists := {
	"allowed-drivers": claims.driver,
	"allowed-vbioses": claims.vbios,
	"allowed-devices": claims.device,
}

reasons contains sprintf("not in %s", [list]) if {
	is_gpu
	some list, value in gpu_lists
	not permits(rules[list], value)
}
