// Captures errors by a real SDK without a tracker, and says in milliseconds how long each took its caller,
// how much of the processor, and how much each cost the thread in all.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [folder, count, spoolFolder] = process.argv.slice(2);
const at = (path) => new URL(path, pathToFileURL(`${folder}/`));
const { errorTracking } = await import(at("errors.mjs"));
const Sentry = await import(at("node_modules/@sentry/node/build/esm/index.js"));

const dsn = "http://public@127.0.0.1:9/7";
const nowhere = { dsn, transport: () => ({ send: async () => ({}), flush: async () => true }) };
const ours = () => errorTracking({ dsn, service: "suna", version: "1.4.2", spoolFolder });
Sentry.init(spoolFolder ? ours() : nowhere);

function failsAt(depth, number) {
  if (depth) return failsAt(depth - 1, number);
  throw new Error(`order ${number} of bob${number}@example.org failed`);
}

/** Of this thread alone, and not while others had the processor. */
function used() {
  const [nanoseconds] = readFileSync(`/proc/self/task/${process.pid}/schedstat`, "utf8").split(" ");
  return Number(nanoseconds) / 1e6;
}

const WARMING_UP = 300;
const took = [];
const processor = [];
let usedBefore = used();
for (let number = -WARMING_UP; number < Number(count); number += 1) {
  Sentry.addBreadcrumb({ category: "rag", message: `asked ${number} of http://qdrant:6333` });
  const [begun, usedAtBegin] = [performance.now(), used()];
  try {
    failsAt(20, number);
  } catch (error) {
    Sentry.captureException(error);
  }
  if (number >= 0) {
    processor.push(used() - usedAtBegin);
    took.push(performance.now() - begun);
  } else if (number === -1) {
    usedBefore = used();
  }
  if (number % 10 === 9) await new Promise((resolve) => setTimeout(resolve, 5));
}
console.log(JSON.stringify({ took, processor, each: (used() - usedBefore) / count }));
process.exit(0);
