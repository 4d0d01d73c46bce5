/** One project of an error tracker that speaks Sentry's protocol, by its DSN. */
import { request as overHttp } from "node:http";
import { request as overHttps } from "node:https";
import { ruling } from "./answers.mjs";
import { sent } from "./envelope.mjs";

const CLIENT = "onyx-suna/1";
const ANSWER_WITHIN_MS = 10_000;
const READ_BYTES = 65_536;

/**
 * @param {string} dsn `https://KEY@host[:port][/path]/PROJECT`
 * @throws {Error} it is not of that form; the message does not show it
 */
export function endpointOf(dsn) {
  const found = URL.canParse(dsn) ? new URL(dsn) : undefined;
  const [, before, project] = found?.pathname.match(/^(.*)\/([^/]+)$/) ?? [];
  if (!project || !found.username || !/^https?:$/.test(found.protocol)) {
    throw new Error(
      "The DSN of the error tracker is not of the form https://KEY@host/PROJECT. Copy it from the" +
        " project's settings in the error tracker.",
    );
  }
  return { url: new URL(`${found.origin}${before}/api/${project}/envelope/`), key: found.username };
}

/**
 * Gives a function that sends one envelope, and what becomes of it. It rejects where there is no answer
 * within ten seconds, or none that is HTTP.
 *
 * @param {string} dsn
 * @returns {(envelope: Buffer) => Promise<{fate: "taken" | "refused" | "later", waitMs: number}>}
 */
export function tracker(dsn) {
  const { url, key } = endpointOf(dsn);
  const ask = url.protocol === "https:" ? overHttps : overHttp;
  const auth = `Sentry sentry_version=7, sentry_client=${CLIENT}, sentry_key=${key}`;
  return (envelope) =>
    new Promise((resolve, reject) => {
      const body = sent(envelope);
      const headers = {
        "Content-Type": "application/x-sentry-envelope",
        "Content-Length": body.length,
        "User-Agent": CLIENT,
        "X-Sentry-Auth": auth,
      };
      const signal = AbortSignal.timeout(ANSWER_WITHIN_MS);
      const request = ask(url, { method: "POST", headers, signal }, (answer) => {
        let text = "";
        const decided = () => resolve(ruling(answer.statusCode, answer.headers, text));
        answer.setEncoding("utf8");
        answer.on("data", (piece) => {
          text += piece;
          if (text.length > READ_BYTES) {
            decided();
            request.destroy();
          }
        });
        answer.on("end", decided);
        answer.on("error", reject);
      });
      request.on("error", reject);
      request.end(body);
    });
}
