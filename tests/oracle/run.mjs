// In: a CQL library in ELM, bundles (one a line, one a patient). Out: each patient's answers (one JSON object a line), and on standard output
// one object: the patients, and the CPU seconds of their evaluation alone.
//
//   node run.mjs '{"modules": DIR, "elm": FILE, "helpers": FILE, "bundles": FILE, "out": FILE, "on": "2025-06-01", "offset": 2, "answers": [...]}'

import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";

const asked = JSON.parse(process.argv[2]);
const require = createRequire(path.join(asked.modules, "package.json"));
const cql = require("cql-execution");

// What CQL calls the time zone offset of the evaluation request: that of the reference date in Paris.
const [year, month, day] = asked.on.split("-").map(Number);
const now = new cql.DateTime(year, month, day, 12, 0, 0, 0, asked.offset);

// Locators and notes only slow the evaluation down.
function lean(node) {
  if (Array.isArray(node)) return node.map(lean);
  if (node === null || typeof node !== "object") return node;
  const left = Object.entries(node).filter(([key]) => !["localId", "locator", "annotation"].includes(key));
  return Object.fromEntries(left.map(([key, value]) => [key, lean(value)]));
}

function answer(results, name) {
  if (!(name in results)) throw new Error(`the library does not define "${name}"`);
  return results[name] ?? null;
}

const read = (file) => lean(JSON.parse(fs.readFileSync(file, "utf8")));

async function main() {
  const engine = new cql.Library(read(asked.elm), new cql.Repository({ FHIRHelpers: read(asked.helpers) }));
  const executor = new cql.Executor(engine, new cql.CodeService({}), { ReferenceDate: cql.Date.parse(asked.on) });
  const source = require("cql-exec-fhir").PatientSource.FHIRv401();
  const out = fs.openSync(asked.out, "w");
  let evaluation = 0;
  let patients = 0;
  for (const line of fs.readFileSync(asked.bundles, "utf8").split("\n")) {
    if (line === "") continue;
    source.reset();
    source.loadBundles([JSON.parse(line)]);
    const before = process.cpuUsage();
    const found = await executor.exec_patient_context(source, now);
    const used = process.cpuUsage(before);
    evaluation += (used.user + used.system) / 1e6;
    for (const [patient, results] of Object.entries(found.patientResults)) {
      const answers = Object.fromEntries(asked.answers.map((name) => [name, answer(results, name)]));
      fs.writeSync(out, JSON.stringify({ patient, answers }) + "\n");
      patients += 1;
    }
  }
  fs.closeSync(out);
  console.log(JSON.stringify({ patients, evaluation }));
}

main().catch((error) => {
  console.error(error.stack ?? String(error));
  process.exit(1);
});
