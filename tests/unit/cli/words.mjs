// What the dashboard says in each case of the standard input, for test_same_words.py.
import { readFileSync } from "node:fs";

const from = (name) => import(new URL(`../../../web/static/js/${name}.js`, import.meta.url));
const { age, countdown, decimalsFor, price, signed } = await from("format");
const { describeBases, since } = await from("basis");
const { standing } = await from("standing");
const { describe } = await from("status");

const does = {
  price: (value, decimals) => price(value, decimals),
  signed: (value, decimals) => signed(value, decimals),
  decimals: (value, base, before) => decimalsFor(value, base, before),
  age: (ms) => age(ms),
  countdown: (ms) => countdown(ms),
  since: (quote) => since(quote),
  bases: (bases) => describeBases(bases.map((basis) => ({ basis }))),
  standing: (entry, view, now) => standing(entry, view, now),
  truths: (facts) => describe(facts),
};
const cases = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(cases.map(([name, ...given]) => does[name](...given))));
