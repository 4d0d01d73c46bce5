// Does one thing a line as the front end does it: what a tracker's answer means, and which lines of source leave.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [folder] = process.argv.slice(2);
const at = (path) => new URL(path, pathToFileURL(`${folder}/`));
const { ruling } = await import(at("errors/answers.mjs"));
const { around } = await import(at("errors/source_lines.mjs"));
const { Scrubber } = await import(at("errors/scrubbing.mjs"));
const scrubber = new Scrubber();
const twins = {
  ruling: ({ status, headers, body }) => ruling(status, headers, body),
  around: ({ lines, number }) => around(lines, number, (text) => scrubber.text(text)),
};

for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  const { twin, ...given } = JSON.parse(line);
  process.stdout.write(`${JSON.stringify(twins[twin](given))}\n`);
}
