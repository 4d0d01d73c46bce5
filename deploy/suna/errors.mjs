/**
 * Errors of a Next.js front end, for a tracker that speaks Sentry's protocol.
 *
 * The twin of onyx_pipelines/errors: the same rules of scrubbing, pseudonyms and files. Gives options of
 * `Sentry.init` (@sentry/nextjs, @sentry/node); of the SDK itself nothing is imported.
 */
import { readFileSync } from "node:fs";
import { isIgnored } from "./errors/ignored.mjs";
import { Thread } from "./errors/thread.mjs";
import { endpointOf } from "./errors/tracker.mjs";

const BREADCRUMBS = 30;
const FLUSH_MS = 2000;
// The first reads files in the application's thread (ours does that: errors/source_lines.mjs); the second
// drops an error that is like the one before, and a hundred of a kind would be one.
const LEFT_OUT = ["ContextLines", "Dedupe"];

// Next.js loads a module once for each of its bundles: each would deliver what another delivers.
const threads = (globalThis[Symbol.for("onyx.errors")] ??= new Map());

/**
 * @param {object} options
 * @param {string} options.dsn of the tracker; empty: errors are reported nowhere
 * @param {string} options.service what events call this service
 * @param {string} options.version of it
 * @param {string} options.spoolFolder where events wait: on a volume, so that they outlive the container
 * @param {string} [options.pseudonymKeyFile] of the hash that stands for users and sessions, the same in
 *   every service; none: events name neither
 * @param {string[]} [options.secrets] that this service knows, taken out whatever they look like
 * @param {string} [options.environment]
 * @param {number[]} [options.ignoredStatuses] of HTTP, that are no errors
 * @param {string[]} [options.ignoredTypes] of exceptions, that are no errors
 * @param {boolean} [options.sourceLines] whether events show the lines of source around each place of a
 *   stack, scrubbed like all else
 * @param {number} [options.spoolLimitBytes]
 * @throws {Error} the DSN is none; the key cannot be read
 * @returns {object} for `Sentry.init`
 */
export function errorTracking({
  dsn,
  service,
  version,
  spoolFolder,
  pseudonymKeyFile,
  secrets = [],
  environment = "production",
  ignoredStatuses = [404, 429],
  ignoredTypes = [],
  sourceLines = true,
  spoolLimitBytes = 64 * 1024 * 1024,
}) {
  if (!dsn) return { enabled: false };
  endpointOf(dsn);
  const pseudonymKey = pseudonymKeyFile ? readFileSync(pseudonymKeyFile, "utf8").trim() : "";
  const options = {
    ...{ dsn, service, version, pseudonymKey, secrets, sourceLines },
    ...{ spoolFolder, spoolLimitBytes },
  };
  return {
    dsn,
    release: `${service}@${version}`,
    environment,
    sendDefaultPii: false,
    includeLocalVariables: false,
    integrations: (defaults) => defaults.filter(({ name }) => !LEFT_OUT.includes(name)),
    sendClientReports: false,
    maxBreadcrumbs: BREADCRUMBS,
    beforeSend: (event, hint) =>
      isIgnored(hint?.originalException, ignoredStatuses, ignoredTypes) ? null : event,
    transport: () => {
      if (!threads.has(spoolFolder)) threads.set(spoolFolder, new Thread(options));
      const thread = threads.get(spoolFolder);
      return {
        send: (envelope) => keep(envelope, thread),
        flush: (withinMs = FLUSH_MS) => thread.flush(withinMs),
      };
    },
  };
}

/** Settles when its events are on disk. What is no event (sessions, spans, attachments) is left out. */
async function keep([, items], thread) {
  const events = items.filter(([{ type }]) => type === "event");
  await Promise.all(events.map(([, event]) => thread.keep(event)));
  return {};
}
