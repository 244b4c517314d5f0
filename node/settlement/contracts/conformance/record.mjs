// Records the conformance vectors: `node record.mjs OUT`. See README.md for the format.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { Cell, parseTuple } from "@ton/core";
import { ATTACKS, attack } from "./attacks.mjs";
import { CASES, CASE_PARAMETERS } from "./cases.mjs";
import { CONFIGS } from "./config.mjs";
import { lifecycle } from "./driver.mjs";
import { Network } from "./setup.mjs";
import { World } from "./world.mjs";

const PROFILES = ["reference", "hardened"];
const LIFECYCLES = 20;
const STEPS = 40;

const out = process.argv[2];
const boc = (cell) => cell.toBoc({ idx: false, crc32: false }).toString("base64");
const failures = [];
const summary = [];

for (const profile of PROFILES) {
  const world = await World.create();
  for (const name of Object.keys(ATTACKS)) {
    const worked = await attack(world, profile, name);
    world.expect(worked === (profile === "reference"), `the attack ${worked ? "worked" : "failed"}`);
  }
  for (const [name, run] of Object.entries(CASES)) await run(new Network(world, profile, name, CASE_PARAMETERS[name]));
  for (let seed = 1; seed <= LIFECYCLES; seed += 1) await lifecycle(world, profile, seed, STEPS);
  failures.push(...world.failures);
  summary.push({ profile, ...world.statistics, getters: world.getters.length });
  if (out) write(profile, world);
}

process.stdout.write(`${JSON.stringify(summary, null, 1)}\n`);
if (failures.length > 0) {
  process.stderr.write(`${failures.length} expectations failed:\n${failures.slice(0, 60).join("\n")}\n`);
  process.exit(1);
}

/// A value of a stack: its kind, and a number as text or a BoC.
function item(value) {
  switch (value.type) {
    case "int": return ["int", value.value.toString()];
    case "cell": case "slice": case "builder": return [value.type, boc(value.cell)];
    case "null": return ["null"];
    default: throw new Error(`a get method returned ${value.type}`);
  }
}

function write(profile, world) {
  // Accounts by first appearance, one number per account and chain.
  const accounts = new Map();
  const current = new Map();
  const states = {};
  const calls = world.calls.map((call) => {
    const key = `${call.chain}/${call.account}`;
    if (!accounts.has(key)) accounts.set(key, accounts.size);
    const before = call.before.hash().toString("hex");
    // States follow from each other; only those that follow from none are stored.
    if (current.get(key) !== before) states[before] = boc(call.before);
    if (call.after) current.set(key, call.after.hash().toString("hex"));
    return [
      accounts.get(key), call.now, Number(call.lt), call.config, before, boc(call.message),
      call.transaction ? call.transaction.hash().toString("hex") : null,
      call.after ? call.after.hash().toString("hex") : null,
      call.transaction ? call.exit : call.refused, call.gas ?? null,
    ];
  });
  const codes = {};
  const getters = world.getters.map(({ args, name, exit, gas, stack }) => {
    const code = args.code.hash().toString("hex");
    codes[code] = boc(args.code);
    return [
      code, boc(args.data), args.address.toRawString(), name, args.methodId,
      args.stack.map((item) => item.value.toString()), args.unixTime, args.balance.toString(),
      world.configs.indexOf(args.config), exit, gas, parseTuple(Cell.fromBase64(stack)).map(item),
    ];
  });
  const vectors = {
    format: 1,
    profile,
    recorder: "@ton/sandbox 0.41.0",
    configs: CONFIGS.map(boc),
    random_seed: "00".repeat(32),
    states,
    call_fields: ["account", "now", "lt", "config", "before", "message", "transaction", "after", "exit", "gas"],
    calls,
    codes,
    getter_fields: ["code", "data", "address", "name", "method_id", "arguments", "now", "balance", "config", "exit", "gas", "stack"],
    getters,
  };
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, `${profile}.json.gz`), gzipSync(JSON.stringify(vectors), { level: 9 }));
}
