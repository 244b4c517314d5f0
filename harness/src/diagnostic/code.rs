//! The one space of diagnostic codes. A code never changes its meaning and is never used again.

/// Declares every code once: variant, printed form, title, and the paragraph that `chrysalis explain` prints.
macro_rules! codes {
    ($($variant:ident = $id:literal, $title:literal, $explanation:literal;)+) => {
        /// What a diagnostic is about.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Code {
            $(#[doc = $title] $variant,)+
        }

        impl Code {
            /// Every code, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The printed form, such as `CHR-S004`.
            #[must_use]
            pub const fn id(self) -> &'static str {
                match self { $(Self::$variant => $id,)+ }
            }

            /// A few words.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)+ }
            }

            /// A paragraph: what is wrong, why it is refused, what to write instead.
            #[must_use]
            pub const fn explanation(self) -> &'static str {
                match self { $(Self::$variant => $explanation,)+ }
            }
        }
    };
}

codes! {
    FileTooLarge = "CHR-S001", "the scenario file is too large",
        "A scenario file may have 4 MiB. A scenario says how a run comes about, not what happens in it: requests, prompts and \
         arrival times are drawn from the seed. Describe long workloads by a rate and a distribution instead of listing them.";
    NotUtf8 = "CHR-S002", "the scenario file is not UTF-8",
        "Scenario files are UTF-8 text. The position is that of the first byte that is not. Files written as UTF-16 or Latin-1 by \
         an editor have to be saved again as UTF-8.";
    ByteOrderMark = "CHR-S003", "the scenario file starts with a byte-order mark",
        "The three bytes EF BB BF at the start say nothing about a UTF-8 file, are invisible in most editors, and make other tools \
         read the first key wrongly. Save the file as \"UTF-8 without BOM\".";
    EmptyFile = "CHR-S004", "the scenario file holds nothing",
        "There is no YAML document in the file, only white space or comments. The smallest scenario has the keys version, name, \
         duration, workload and expect; scenarios/basics/hello.yaml is a good start.";
    Syntax = "CHR-S005", "the file is not well-formed YAML",
        "The YAML reader stopped at the position shown. Usual causes: a quote or bracket that is never closed, a key that is not \
         indented like its neighbours, text that contains `: ` or starts with one of @ ` % & * ! | > and is not in quotes.";
    Tab = "CHR-S006", "a tab is used for indentation",
        "YAML forbids tabs in indentation because their width is a matter of taste. Use two spaces for each level.";
    MultipleDocuments = "CHR-S007", "the file holds more than one YAML document",
        "One file is one scenario: a line of three dashes may stand at the very top but not between two documents. Put the second \
         scenario into a file of its own.";
    DuplicateKey = "CHR-S008", "a key is given twice",
        "A mapping names the same key twice. YAML readers disagree on which of the two counts, so neither does here. Remove one of \
         them.";
    Aliases = "CHR-S009", "anchors and aliases expand to too much",
        "Aliases (`*name`) repeat what an anchor (`&name`) marks. A few lines of aliases of aliases can stand for thousands of \
         millions of values, so their expansion is limited to 100,000 events and a depth of 16. Write the values out or make the \
         file smaller.";
    TooDeep = "CHR-S010", "the file is nested too deeply",
        "Lists and mappings may be nested 32 deep. No key of the scenario language needs more than eight.";
    TooManyValues = "CHR-S011", "the file holds too many values",
        "A scenario file may hold 250,000 values, keys included. Use `count` for nodes that are alike, and generated prompts and \
         arrivals instead of lists.";
    UnsupportedTag = "CHR-S012", "a YAML tag is used",
        "Tags such as `!include` or `!seconds` have no meaning in a scenario. Everything that a scenario needs stands in the file \
         itself.";
    UnknownKey = "CHR-S020", "a key is not known here",
        "The mapping has a key that the scenario language does not know at this place. Keys that are not understood are refused \
         rather than ignored: a misspelt key would silently test something else. `chrysalis schema` prints all keys.";
    MissingKey = "CHR-S021", "a required key is missing",
        "The mapping that starts at the position shown lacks a key that has no sensible default.";
    WrongType = "CHR-S022", "a value has the wrong shape",
        "A list, a mapping, or a single value stands where another of the three is needed, or something other than true or false \
         where one of those is.";
    UnknownChoice = "CHR-S023", "a choice is not known",
        "The value must be one of a few words, which the message lists.";
    UnsupportedVersion = "CHR-S024", "the version of the scenario language is not supported",
        "`version` says which scenario language the file is written in. This program reads version 1. A file of a newer version \
         needs a newer program; nothing of the file is interpreted.";
    EmptyValue = "CHR-S025", "a key has no value",
        "Nothing stands after the colon. To use the default, leave the key out; an empty list is `[]`.";
    MissingUnit = "CHR-S030", "a unit is missing",
        "A duration, size, rate or amount always names its unit, because `timeout: 30` is read as seconds by one person and as \
         milliseconds by the next.";
    UnknownUnit = "CHR-S031", "a unit is not known",
        "The unit is not one of those that this quantity accepts. Units are case-sensitive: `ms` is a thousandth of a second, `MB` a \
         million bytes, `MiB` 1,048,576 bytes.";
    NotANumber = "CHR-S032", "a number cannot be read",
        "Numbers are written in decimal digits, with an optional decimal point and optional underscores between digits: `1_000`, \
         `0.5`. There is no exponent, no infinity and no NaN: all arithmetic is on integers, so that a seed means the same on every \
         machine.";
    OutOfRange = "CHR-S033", "a number is out of range",
        "The number is larger or smaller than this key allows; the message names the limit. Everything has a limit, so that no file \
         can make a run that never ends or does not fit in memory.";
    Negative = "CHR-S034", "a number is negative",
        "This quantity cannot be negative. Only the skew and drift of a clock and the distance of a clock jump have a sign.";
    TooPrecise = "CHR-S035", "a number has more digits than can be kept",
        "Quantities are kept as integers of their smallest unit (nanoseconds, bytes, nanoTON, parts per million), and nothing is \
         rounded in silence. Write fewer digits or a smaller unit.";
    Zero = "CHR-S036", "a number is zero where it must not be",
        "Zero makes no sense for this key: a run that lasts no time, a link that carries nothing, a group without users.";
    Distribution = "CHR-S037", "a distribution cannot be read",
        "A span is one value (`10ms`), a range with both ends included (`10ms..40ms`), `normal(MEAN, DEVIATION)` or \
         `exponential(MEAN)`. In a range the first value must not be greater than the second.";
    BadName = "CHR-S038", "a name has characters that names cannot have",
        "Names become parts of file paths, log lines and command lines. They consist of ASCII letters, digits, `-`, `_` and `.`, \
         start with a letter or digit, and have at most 64 characters; names of models may also contain `/`, `@` and `:`. Free text \
         must not contain control characters.";
    BadBound = "CHR-S039", "a bound cannot be read",
        "Bounds are sentences: `at least 95%`, `at most 3`, `exactly 2` for requests, and `p99 at most 800ms` for latencies. \
         Shares take `at least` or `at most`.";
    BadTime = "CHR-S040", "a point in time cannot be read",
        "The wall clock at the start is a UTC time such as `2026-01-31T12:00:00Z`, from 1970 to 2099, with seconds and the letter Z.";
    BadSeeds = "CHR-S041", "a range of seeds cannot be read",
        "Seeds are `A..B` (from A up to but without B, as in Rust) or a number N, which is short for `0..N`. The range must not be \
         empty and has at most ten million seeds.";
    DuplicateName = "CHR-S050", "a name is used twice",
        "Nodes, regions and groups of users are referred to by name, in links, faults, logs and reports, so each name stands for one \
         thing only. Nodes and regions share one space of names. `count: 3` with `name: a` makes a-1, a-2 and a-3.";
    UnknownPlace = "CHR-S051", "there is no region or node of this name",
        "Links and partitions name regions from `world.regions` or nodes. Nodes made by `count` have numbers: worker-1, worker-2.";
    UnknownNode = "CHR-S052", "there is no node of this name",
        "The name must be that of a node of the right kind in `world`. Nodes made by `count` have numbers: worker-1, worker-2. Nodes \
         without a name are called proxy-1, worker-1, client-1 and so on, through all entries of the list.";
    UnknownModel = "CHR-S053", "there is no model of this name",
        "A worker serves one of `world.models`, and users ask for a model that at least one worker serves, by the part of its name \
         before the `@`.";
    UnknownProperty = "CHR-S054", "there is no built-in property of this name",
        "`expect.properties` lists properties by name. `chrysalis list --properties` says what each of them means.";
    Contradiction = "CHR-S055", "two keys contradict each other",
        "The keys exclude each other, because they say the same thing in two ways or because only one action can happen at a time.";
    ImpossibleLink = "CHR-S056", "a link is impossible",
        "A link joins two different nodes, or two regions (which may be one and the same). A node has no link to itself, and the \
         same pair of places can have only one link for each direction.";
    TooManyNodes = "CHR-S057", "the world has too many nodes",
        "A world may have 20,000 nodes, proxies, workers and clients together. Larger networks are simulated as several worlds with \
         different seeds.";
    TooManyRequests = "CHR-S058", "the plan would have too many requests",
        "The plan of a run holds every request with its prompt before the run starts, so that a failing run can be made smaller. It \
         may hold one million requests and 256 MiB of prompts. For a Poisson process the limit counts what it could produce at most. \
         Shorten the duration, lower the rate, set `requests`, or run more seeds instead.";
    AfterTheEnd = "CHR-S059", "something would happen after the end of the run",
        "The run is over after `duration`. A fault or a request later than that would never be seen.";
    FeeAbovePrice = "CHR-S060", "the worker's fee is higher than the price",
        "The price of a token is what the client pays; the worker's fee is the part of it that the worker gets, and the proxy keeps \
         the difference.";
    NothingExpected = "CHR-S061", "the scenario expects nothing",
        "A run without expectations cannot fail and therefore shows nothing. Name at least one property or bound under `expect`.";
    NothingSent = "CHR-S062", "a group of users sends nothing",
        "A group needs at least one request: a positive number, at least one time, at least one prompt.";
    Overlap = "CHR-S063", "a partition has the same node on both sides",
        "A node cannot be cut off from itself. A place that stands on the left may not stand on the right, and neither may a region \
         and one of its own nodes.";
    ListLength = "CHR-S064", "a list has the wrong number of entries",
        "The list needs at least one entry, or exactly the number that the message says.";
    BoundOutOfReach = "CHR-S065", "a bound cannot be met",
        "The bound counts more requests than the workload ever sends, so the scenario could never pass.";
    NothingToCheck = "CHR-S066", "a property can never be checked",
        "The property says something about things that this scenario never has, in no seed: restarts of proxies, answers of embedded \
         models, evidence of nodes. It would look like a success without having been examined. Leave it out, or add to the scenario \
         what it is about.";
    EndsBeforeItBegins = "CHR-S067", "a time ends before it begins",
        "`to` must be later than `from`. A fault of the chain that lasts no time would look like a test and be none.";
    NeedsChain = "CHR-S068", "something needs a chain, and there is none",
        "Without the section `settlement` accounts are a list that never changes: nothing is deployed, charged or paid on chain, and \
         both profiles are the same. Add the section, or leave out what needs it.";
    Attacks = "CHR-S069", "attacks and what is expected of them do not belong together",
        "An attack states both sides: `expect.reference.attacks: seen` and `expect.hardened.attacks: never`. Where it is not seen to \
         work on contracts with the weak point, that it does not work on others proves nothing.";
    Contracts = "CHR-S070", "contract codes cannot be used",
        "A folder of contract codes has at least one of root.boc, proxy.boc, client.boc, worker.boc and wallet.boc: a bag of cells with \
         the code as its root, in binary, hexadecimal or base64. A code is taken if its get methods read the published layout; the code \
         of another contract, of another layout, or with instructions that TON does not have is refused. Exit code 3.";
    PathNotFound = "CHR-C001", "a path does not exist",
        "A path on the command line is neither a scenario file nor a folder of scenario files, or it cannot be read. Exit code 2.";
    NothingSelected = "CHR-C002", "nothing was selected",
        "No scenario is left after paths and filters. A run of nothing is not a pass: exit code 4.";
    NotARun = "CHR-C003", "the folder is not a run",
        "`replay` and `report` take the folder of one run: it holds run.json and plan.json, and the plan's hash, scenario and seed \
         are the ones in run.json. Exit code 2.";
    EngineUnavailable = "CHR-C004", "the engine is not available",
        "The madsim engine exists only in a program that was built with `--cfg madsim`, which the repository's .cargo/config.toml \
         sets; the environment variable RUSTFLAGS overrides it. The native engine is always there. Exit code 5.";
    OutputFolder = "CHR-C005", "the output cannot be written",
        "A folder or file of the output could not be created or written: no permission, no space, or a file stands where a folder \
         is needed. Runs that had ended before are kept and `--resume` goes on from there. Exit code 5.";
    NotDeterministic = "CHR-C006", "the same plan gave two different runs",
        "A simulated run follows from its plan alone. If the digests differ, something outside the simulated world leaked in: a real \
         clock, operating system entropy, the order of a hash map, a thread. That is a defect of the simulator or of node code and \
         never something to retry. Exit code 6.";
    ExecutionFailed = "CHR-C007", "a run could not be carried out",
        "The world could not be set up or stopped for a reason that lies outside the scenario, such as no space for the run store or \
         a port that is taken. It says nothing about the scenario's verdict. Exit code 5.";
    Panicked = "CHR-C008", "the program hit a defect of its own",
        "A run ended in a panic. Other seeds are not affected. The message and the replay command belong in a bug report. Exit code \
         101.";
    UnknownCode = "CHR-C009", "there is no diagnostic of this code",
        "Codes look like CHR-S005 or CHR-C001. `chrysalis explain` without an argument lists all of them. Exit code 2.";
    NeedsSimulation = "CHR-C011", "a scenario needs a simulated world",
        "Faults (crashes, partitions, slow links, wrong clocks) exist in the simulated world only: on real sockets they would be \
         left out in silence and the verdict would be about something else. Select scenarios without faults, for example by \
         `--tag sockets`, or use the madsim or native engine. Exit code 2.";
    NoChain = "CHR-C012", "contract codes without a chain",
        "`--contracts` is for scenarios with the section `settlement`: in others there are no contracts. Select scenarios with it, for \
         example scenarios/settlement. Exit code 2.";
    NameTaken = "CHR-C010", "two scenarios have the same name",
        "The folder of a run is named after its scenario, so two selected scenarios must not have the same name. Exit code 3.";
    Unreadable = "CHR-A001", "a file of an attestation cannot be read",
        "The message says what was expected at which offset of the file (of evidence in hexadecimal or JSON: of the evidence in it). \
         Evidence is a TDX quote, an SNP report or GPU measurements, raw, in hexadecimal, or in the JSON list of NVIDIA's tools; \
         certificates are PEM or DER; collateral is JSON (Intel), a revocation list (AMD) or XML (NVIDIA). A file that can be read and \
         is not believed is no such error but a verdict, exit code 1. Exit code 2.";
    PolicyFile = "CHR-A002", "an attestation policy cannot be read",
        "A policy is YAML with the keys anchors, tdx, snp and gpu; docs/attestation.md lists the rules. Unknown keys are errors, so that \
         a misspelt rule cannot be a missing one; a rule that is left out has its strict default, and a kind without rules is refused. \
         Exit code 2.";
    SimulatedVendors = "CHR-A003", "a folder is not one of simulated vendors",
        "`attest issue` keeps the simulated vendors in a folder of their own with a file simulation.json, which says what all keys follow \
         from. It makes the folder if it is not there or empty, never takes one with other things in it, and never changes the seed of \
         vendors that are there. Exit code 2.";
}

impl Code {
    /// The code with this printed form, in any case.
    #[must_use]
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|code| code.id().eq_ignore_ascii_case(id.trim()))
    }
}

impl std::fmt::Display for Code {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.id())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Code;

    #[test]
    fn every_code_has_an_own_id_a_title_and_a_paragraph() {
        let ids: BTreeSet<&str> = Code::ALL.iter().map(|code| code.id()).collect();
        assert_eq!(ids.len(), Code::ALL.len(), "an id is used twice");
        for code in Code::ALL {
            assert!(code.id().starts_with("CHR-") && code.id().len() == 8, "{code}");
            assert!(code.title().len() > 10 && !code.title().ends_with('.'), "{code}");
            assert!(
                code.explanation().len() > 60 && code.explanation().ends_with('.'),
                "{code}"
            );
            assert_eq!(Code::from_id(&code.id().to_lowercase()), Some(*code));
        }
        assert_eq!(Code::from_id("CHR-S999"), None);
    }
}
