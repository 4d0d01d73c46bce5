// Scrubs one event a line, and says when it is ready for that: with the key, and the secrets that it knows.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [folder, pseudonymKey, ...secrets] = process.argv.slice(2);
const { Scrubber } = await import(new URL("errors/scrubbing.mjs", pathToFileURL(`${folder}/`)));
const scrubber = new Scrubber({ pseudonymKey, secrets });

for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  process.stdout.write(`${JSON.stringify(scrubber.scrub(JSON.parse(line)))}\n`);
}
