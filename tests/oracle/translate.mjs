// In: CQL libraries, model information. Out: their ELM as JSON, each checked: no error noted in it, no definition missing.
//
//   node translate.mjs '{"modules": DIR, "models": DIR, "libraries": {"in.cql": "out.json"}}'

import fs from "node:fs";
import path from "node:path";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const asked = JSON.parse(process.argv[2]);
const require = createRequire(path.join(asked.modules, "package.json"));
// The translator is compiled from Kotlin and looks for `require` as a global; without it, it fails in the middle of a library.
globalThis.require = require;

function fail(sentence) {
  console.error(sentence);
  process.exit(1);
}

async function translator() {
  const kit = await import(pathToFileURL(require.resolve("@cqframework/cql/cql-to-elm")));
  const ucum = require("@lhncbc/ucum-lhc").UcumLhcUtils.getInstance();
  const read = (name) => kit.stringAsSource(fs.readFileSync(path.join(asked.models, name), "utf8"));
  const models = { FHIR: "fhir-modelinfo-4.0.1.xml", System: "system-modelinfo.xml" };

  const modelManager = new kit.ModelManager();
  modelManager.modelInfoLoader.registerModelInfoProvider(
    kit.createModelInfoProvider((name) => (name in models ? read(models[name]) : null)),
  );
  const refuse = () => fail("the translator computes with units, which the library should not need");
  const units = kit.createUcumService(
    (value, from, to) => String(ucum.convertUnitTo(from, Number(value), to).toVal),
    (unit) => {
      const found = ucum.validateUnitString(unit);
      return found.status === "valid" ? null : found.msg.join(" ") || "not a UCUM unit";
    },
    refuse,
    refuse,
  );
  const libraryManager = new kit.LibraryManager(modelManager, undefined, undefined, units);
  libraryManager.librarySourceLoader.registerProvider(
    kit.createLibrarySourceProvider((name) => (name === "FHIRHelpers" ? read("FHIRHelpers-4.0.1.cql") : null)),
  );
  return (source) => JSON.parse(kit.CqlTranslator.fromText(source, libraryManager).toJson());
}

// Faults stand only in the ELM itself: a broken library is written without a word otherwise.
function check(elm, text) {
  const faults = (elm.library.annotation ?? []).filter((note) => note.errorSeverity === "error");
  if (faults.length) fail(`the CQL does not translate: line ${faults[0].startLine}: ${faults[0].message} (${faults.length} faults)`);
  const made = new Map((elm.library.statements?.def ?? []).map((def) => [def.name, def]));
  const written = [...text.matchAll(/^define (?:function )?"([^"]+)"/gm)].map((found) => found[1]);
  for (const name of written) {
    const def = made.get(name);
    if (def === undefined) fail(`the ELM lacks "${name}"`);
    if (def.expression === undefined) fail(`the ELM of "${name}" is empty`);
  }
}

const translate = await translator();
for (const [file, target] of Object.entries(asked.libraries)) {
  const text = fs.readFileSync(file, "utf8");
  const elm = translate(text);
  check(elm, text);
  fs.writeFileSync(target, JSON.stringify(elm));
}
