/**
 * Copies what the browser gets of other people's code out of node_modules, as package-lock.json has it,
 * into web/static/vendor/, and writes VENDOR.md. `node vendor.mjs --check` changes nothing and fails when
 * the files, or the address that web/static/js/chart/library.js imports, are not what this would write.
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));
const TARGET = join(HERE, "../static/vendor");
const IMPORTER = join(HERE, "../static/js/chart/library.js");
const NAME = "lightweight-charts";
const checking = process.argv.includes("--check");

const installed = (/** @type {string} */ path) => readFileSync(join(HERE, "node_modules", path));
const { version } = JSON.parse(installed(`${NAME}/package.json`).toString());
const locked = JSON.parse(readFileSync(join(HERE, "package-lock.json"), "utf8")).packages[`node_modules/${NAME}`];
if (version !== locked.version) fail(`${NAME} ${version} is installed, package-lock.json has ${locked.version}`);
const canvas = JSON.parse(installed("fancy-canvas/package.json").toString());

const folder = `${NAME}-${version}`;
/** @type {Record<string, Buffer>} */
const files = {
  [`${folder}/${NAME}.mjs`]: installed(`${NAME}/dist/${NAME}.standalone.production.mjs`),
  [`${folder}/LICENSE`]: installed(`${NAME}/LICENSE`),
  // The package has no NOTICE though its licence asks for one; this is the one of its source repository.
  [`${folder}/NOTICE`]: readFileSync(join(HERE, `${NAME}.NOTICE`)),
};
const sums = Object.entries(files).map(([path, content]) => `| \`${path}\` | \`${createHash("sha256").update(content).digest("hex")}\` |`);
files["VENDOR.md"] = Buffer.from(`# Other people's code

Written by \`scripts/front-end vendor\` from \`web/assets/package-lock.json\`; do not edit.

- ${NAME} ${version}, Apache-2.0, npm integrity \`${locked.integrity}\`. \`LICENSE\` is the package's.
  \`NOTICE\` is its source repository's, since the package has none. It contains fancy-canvas
  ${canvas.version} of the same owner (${canvas.license}).

| file | sha256 |
|---|---|
${sums.join("\n")}
`);

const importer = existsSync(IMPORTER) ? readFileSync(IMPORTER, "utf8") : fail(`${IMPORTER} is missing`);
const pointed = importer.replace(/vendor\/lightweight-charts-[^/"]+\//, `vendor/${folder}/`);
if (!pointed.includes(`vendor/${folder}/${NAME}.mjs`)) fail("chart/library.js does not import the vendored file");

if (checking) {
  const wrong = Object.keys(files).filter((path) => !existsSync(join(TARGET, path)) || !readFileSync(join(TARGET, path)).equals(/** @type {Buffer} */ (files[path])));
  const known = new Set(Object.keys(files));
  const extra = readdirSync(TARGET, { recursive: true, encoding: "utf8" }).filter((path) => statSync(join(TARGET, path)).isFile() && !known.has(path));
  if (wrong.length > 0) fail(`not what package-lock.json gives: ${wrong.join(", ")}; scripts/front-end vendor`);
  if (extra.length > 0) fail(`in web/static/vendor, and nobody put them there: ${extra.join(", ")}`);
  if (pointed !== importer) fail(`chart/library.js does not import ${folder}; scripts/front-end vendor`);
} else {
  rmSync(TARGET, { recursive: true, force: true });
  mkdirSync(join(TARGET, folder), { recursive: true });
  for (const [path, content] of Object.entries(files)) writeFileSync(join(TARGET, path), content);
  if (pointed !== importer) writeFileSync(IMPORTER, pointed);
}

/**
 * @param {string} reason
 * @returns {never}
 */
function fail(reason) {
  console.error(`vendor: ${reason}`);
  process.exit(1);
}
