// Compiles every contract in both profiles and prints one JSON object: what `cargo xtask contracts` writes into build/.
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { getTolkCompilerVersion, runTolkCompiler } from "@ton/tolk-js";

const ROLES = ["root", "proxy", "client", "worker", "wallet"];
const PROFILES = ["reference", "hardened"];
const here = dirname(fileURLToPath(import.meta.url));

const contracts = [];
for (const profile of PROFILES) {
  for (const role of ROLES) {
    const result = await runTolkCompiler({
      entrypointFileName: `src/${role}.tolk`,
      pathMappings: { "@profile": `profiles/${profile}` },
      fsReadCallback: (path) => readFileSync(join(here, path), "utf8"),
    });
    if (result.status === "error") {
      process.stderr.write(`${profile}/${role}: ${result.message}\n`);
      process.exit(1);
    }
    process.stderr.write(result.stderr);
    contracts.push({
      profile,
      role,
      code_hash: result.codeHashHex.toLowerCase(),
      boc_base64: result.codeBoc64,
    });
  }
}
process.stdout.write(JSON.stringify({ compiler: `tolk ${await getTolkCompilerVersion()}`, contracts }));
