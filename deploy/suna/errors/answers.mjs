/**
 * What a tracker's answer means for the event that was sent, and for those that wait. Pure.
 *
 * The rules are those of onyx_pipelines/errors/answers.py; a test compares.
 */
const LIMITS = "x-sentry-rate-limits";
const OURS = new Set(["error", "default", ""]);
const WHEN_NOTHING_IS_SAID_MS = 60_000;
const LONGEST_ASKED_MS = 3_600_000;
// What is wrong with an event itself; what is wrong with the key or the address can be mended.
const REFUSALS = new Set([400, 413, 415, 422]);
// Bugsink, of an event that is sent again because its first answer was lost.
const KNOWN = "already exists";

/**
 * @param {number} status
 * @param {Record<string, string>} headers by their names in lower case
 * @param {string} body the beginning of it
 * @returns {{fate: "taken" | "refused" | "later", waitMs: number}} refused: perhaps; a tracker that
 *   refuses everything is ill. `waitMs`: before anything else is sent; 0: it goes on
 */
export function ruling(status, headers, body) {
  const limitedMs = limitMs(headers[LIMITS] ?? "");
  if (status >= 200 && status < 300) {
    return { fate: isOfTracker(body) ? "taken" : "later", waitMs: limitedMs };
  }
  if (status === 400 && body.includes(KNOWN)) return { fate: "taken", waitMs: limitedMs };
  if (status === 429) {
    const asked = askedMs(headers["retry-after"] ?? "");
    return { fate: "later", waitMs: limitedMs || asked || WHEN_NOTHING_IS_SAID_MS };
  }
  return { fate: REFUSALS.has(status) ? "refused" : "later", waitMs: limitedMs };
}

/**
 * For how long no error may be sent: `60:error;default:key, 86400:transaction:organization`. One of other
 * categories is none of ours (Bugsink says it with every answer), and what cannot be read is none.
 */
function limitMs(header) {
  const limits = header.split(",").map((each) => each.trim().split(":"));
  const ours = limits.filter(
    ([seconds, categories = ""]) =>
      /^[0-9]+$/.test(seconds) && categories.split(";").some((category) => OURS.has(category)),
  );
  return Math.max(0, ...ours.map(([seconds]) => Math.min(Number(seconds) * 1000, LONGEST_ASKED_MS)));
}

/** What `Retry-After` asks for: seconds or a date. */
function askedMs(header) {
  const text = header.trim();
  const asked = /^[0-9]+(\.[0-9]+)?$/.test(text) ? Number(text) * 1000 : momentIn(text) - Date.now();
  return Math.min(Math.max(asked || 0, 0), LONGEST_ASKED_MS);
}

/** Of HTTP's forms of a date, which begin with a day's name; `Date.parse` alone sees one in "in 2030". */
function momentIn(text) {
  if (!/^[A-Z][a-z]{2,8},? /.test(text)) return NaN;
  return Date.parse(/(?:GMT|UTC|[+-][0-9]{4})$/.test(text) ? text : `${text} GMT`);
}

/**
 * Trackers answer with the event's id, or with nothing; whoever stands before one (a proxy, a page to
 * sign in) may answer 200 with anything.
 */
function isOfTracker(body) {
  if (!body.trim()) return true;
  try {
    const said = JSON.parse(body);
    return typeof said === "object" && said !== null && !Array.isArray(said);
  } catch {
    return false;
  }
}
