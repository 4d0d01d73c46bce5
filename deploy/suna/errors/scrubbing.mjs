/**
 * Takes out of an event what nobody may read, by the rules that onyx_pipelines/errors has too.
 *
 * An event is made anew of the fields that are allowed, so that one that nobody thought of does not
 * leave. What goes wrong meanwhile leaves nothing but the types of what failed. The results are those of
 * onyx_pipelines/errors/scrubbing.py; a test compares.
 */
import { createHmac, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";

const RULES = JSON.parse(readFileSync(new URL("../scrubbing_rules.json", import.meta.url), "utf8"));
const PATTERNS = RULES.patterns.map(({ name, pattern, flags = "", words = [], shapes = [] }) => ({
  regex: new RegExp(pattern, `g${flags}`),
  replacement: new RegExp(`${pattern}|`).exec("").length > 1 ? `$1[${name}]` : `[${name}]`,
  words,
  shapes,
}));
const FORMATS = new Map(
  Object.entries(RULES.formats).map(([name, pattern]) => [name, new RegExp(pattern)]),
);
// Texts of one process repeat: names of files and functions, a breadcrumb in several events.
const REMEMBERED_TEXTS = 2048;
const PSEUDONYM_DIGITS = 16;
const SHORTEST_SECRET = 6;
// A longer one may be an account's or a telephone's.
const LARGEST_NUMBER = 1e10;
const TYPE = /^[A-Za-z_][A-Za-z0-9_.]{0,99}$/;
const ID = /^[0-9a-f]{32}$/;

export class Scrubber {
  #key;
  #secrets;
  #remembered = new Map();

  /**
   * @param {object} options
   * @param {string} [options.pseudonymKey] of the hash that stands for a user or session; "": they are
   *   left out
   * @param {string[]} [options.secrets] that this process knows, taken out whatever they look like
   */
  constructor({ pseudonymKey = "", secrets = [] } = {}) {
    this.#key = pseudonymKey;
    this.#secrets = inText(secrets);
  }

  /**
   * Never throws.
   *
   * @param {object} event plain data
   * @returns {object} another one
   */
  scrub(event) {
    try {
      return this.#cleaned(event, RULES.event) ?? stub({});
    } catch {
      return stub(event);
    }
  }

  /** Undefined: it is left out. */
  #cleaned(value, allowed) {
    if (Array.isArray(allowed)) return Array.isArray(value) ? this.#items(value, allowed[0]) : undefined;
    if (typeof allowed === "object") return isMapping(value) ? this.#mapping(value, allowed) : undefined;
    if (typeof value === "boolean") return value;
    if (typeof value !== "string" && typeof value !== "number") return undefined;
    if (allowed === "pseudonym") return this.pseudonym(String(value));
    if (typeof value === "number") return Math.abs(value) < LARGEST_NUMBER ? value : "[number]";
    return FORMATS.get(allowed)?.test(value) ? value : this.text(value);
  }

  /** Names of headers are of any case. */
  #mapping(value, allowed) {
    const named = new Map(Object.entries(value).map(([name, each]) => [name.toLowerCase(), each]));
    const cleaned = Object.entries(allowed)
      .filter(([name]) => named.has(name))
      .map(([name, kind]) => [name, this.#cleaned(named.get(name), kind)]);
    return Object.fromEntries(cleaned.filter(([, each]) => each !== undefined));
  }

  /** The last: where it failed, and what came right before. */
  #items(value, allowed) {
    const last = value.slice(-RULES.limits.list_items);
    return last.map((each) => this.#cleaned(each, allowed)).filter((each) => each !== undefined);
  }

  /** Without secrets, and not longer than the rules have it. */
  text(text) {
    const known = this.#remembered.get(text);
    if (known !== undefined) return known;
    if (this.#remembered.size >= REMEMBERED_TEXTS) this.#remembered.clear();
    const found = this.#textAnew(text);
    this.#remembered.set(text, found);
    return found;
  }

  #textAnew(text) {
    let found = text;
    for (const secret of this.#secrets) found = found.replaceAll(secret, "[secret]");
    const read = cut(found, RULES.limits.read_characters);
    // Half a secret looks like none.
    if (read !== found) found = withoutLastWord(read);
    let [lowered, shape] = [found.toLowerCase(), shapeOf(found)];
    for (const { regex, replacement, words, shapes } of PATTERNS) {
      if (!hasOne(lowered, words) || !hasOne(shape, shapes)) continue;
      const replaced = found.replace(regex, replacement);
      if (replaced !== found) [lowered, shape] = [replaced.toLowerCase(), shapeOf(replaced)];
      found = replaced;
    }
    const kept = cut(found, RULES.limits.text_characters);
    return kept === found ? found : `${kept}…`;
  }

  /** The same for the same user in every service that has the key; undefined without one. */
  pseudonym(of) {
    if (!this.#key || !of) return undefined;
    const digest = createHmac("sha256", this.#key).update(of).digest("hex");
    return `p-${digest.slice(0, PSEUDONYM_DIGITS)}`;
  }
}

/** Every digit as 0 and every capital as A; below that, all that keys are made of as ~. */
function shapeOf(text) {
  const digitsAndCapitals = text.replace(/[0-9]/g, "0").replace(/[A-Z]/g, "A");
  return `${digitsAndCapitals}\n${text.replace(/[A-Za-z0-9_+=/.-]/g, "~")}`;
}

/** Also of none. */
function hasOne(text, of) {
  return !of.length || of.some((each) => text.includes(each));
}

function isMapping(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** So many characters as Python counts them: a pair of surrogates is one. */
function cut(text, characters) {
  if (text.length <= characters) return text;
  let end = 0;
  for (let count = 0; count < characters && end < text.length; count += 1) {
    end += text.codePointAt(end) > 0xffff ? 2 : 1;
  }
  return text.slice(0, end);
}

function withoutLastWord(text) {
  return text.slice(0, Math.max(...[..." \n\t"].map((space) => text.lastIndexOf(space))) + 1);
}

/** The longest first. A quote, a backslash or an umlaut looks different inside a JSON string. */
function inText(secrets) {
  const long = secrets.filter((each) => [...each].length >= SHORTEST_SECRET);
  const all = new Set([...long, ...long.map(asInJson)]);
  return [...all].sort((one, other) => other.length - one.length);
}

function asInJson(text) {
  const escaped = (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(text).slice(1, -1).replace(/[\u007f-\uffff]/g, escaped);
}

function isType(text) {
  return typeof text === "string" && TYPE.test(text);
}

/** Nothing but which event it is, and the types of what failed. */
export function stub(event) {
  let types = [];
  let eventId = randomUUID().replaceAll("-", "");
  try {
    if (typeof event.event_id === "string" && ID.test(event.event_id)) eventId = event.event_id;
    types = event.exception.values.map(({ type }) => type).filter(isType);
  } catch {
    // An event that cannot even be read is told as such.
  }
  return {
    event_id: eventId,
    level: "error",
    exception: { values: types.map((type) => ({ type })) },
    fingerprint: ["scrubber-failed", ...types],
    tags: { scrubber: "failed" },
  };
}
