/**
 * The lines of source around a frame, as far as everybody may read them.
 *
 * The rules are those of onyx_pipelines/errors/source_lines.py, which says why; a test compares.
 */
import { readFileSync, statSync } from "node:fs";

const AROUND = 5;
const LONGEST = 180;
const INSTEAD = "…";
const LARGEST_FILE_BYTES = 1024 * 1024;
const MOST_FILES = 64;

const files = new Map();

/**
 * What a frame says of its source; {}: it says nothing.
 *
 * @param {string[]} lines of the file
 * @param {number} number of the line that failed, the first is 1
 * @param {(text: string) => string} scrub
 */
export function around(lines, number, scrub) {
  const first = Math.max(0, number - 1 - AROUND);
  const raw = lines.slice(first, number + AROUND);
  const at = number - 1 - first;
  if (raw[at] === undefined || isLong(raw[at])) return {};
  const told = scrub(raw.map((each) => (isLong(each) ? INSTEAD : each)).join("\n")).split("\n");
  if (told.length !== raw.length) return {};
  return {
    pre_context: told.slice(0, at),
    context_line: told[at],
    post_context: told.slice(at + 1),
  };
}

/** Of a file that this process runs; none: it cannot be read, or is not a file. */
export function linesOf(path) {
  if (!files.has(path)) {
    if (files.size >= MOST_FILES) files.clear();
    files.set(path, read(path));
  }
  return files.get(path);
}

function read(path) {
  try {
    return statSync(path).size > LARGEST_FILE_BYTES ? [] : linesIn(readFileSync(path, "utf8"));
  } catch {
    return [];
  }
}

/** As Python has them: a line's end at the end of the text begins no other line. */
export function linesIn(text) {
  return text ? text.replace(/\r?\n$/, "").split(/\r?\n/) : [];
}

function isLong(line) {
  // Pairs of surrogates are one character to Python.
  return line.length > LONGEST && [...line].length > LONGEST;
}
