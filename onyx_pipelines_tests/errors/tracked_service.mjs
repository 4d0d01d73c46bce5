// A service that does as it is told, one JSON object a line: it fails, and reports that by a real SDK.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [folder, options] = process.argv.slice(2);
const at = (path) => new URL(path, pathToFileURL(`${folder}/`));
const { errorTracking } = await import(at("errors.mjs"));
const Sentry = await import(at("node_modules/@sentry/node/build/esm/index.js"));

Sentry.init(errorTracking(JSON.parse(options)));
Sentry.getClient().on("afterSendEvent", ({ event_id: kept }) => say({ kept }));

class Failure extends Error {}

const commands = {
  capture: ({ message = "planted", scope = {}, ...properties }) =>
    Sentry.withScope((current) => {
      current.setUser(scope.user ?? null);
      current.setTags(scope.tags ?? {});
      current.setExtras(scope.extra ?? {});
      for (const [name, value] of Object.entries(scope.contexts ?? {})) current.setContext(name, value);
      for (const crumb of scope.breadcrumbs ?? []) current.addBreadcrumb(crumb);
      if (scope.request) current.setSDKProcessingMetadata({ normalizedRequest: scope.request });
      Sentry.captureException(Object.assign(new Failure(message), properties));
    }),
  // What cannot be handed to another thread.
  captureUnclonable: () => Sentry.captureEvent({ message: "planted", tags: { service: () => {} } }),
  captureMany: async ({ count }) => {
    for (let number = 0; number < count; number += 1) {
      Sentry.captureException(new Failure(`planted ${number}`));
      if (number % 20 === 19) await new Promise(setImmediate);
    }
  },
  flush: async ({ ms }) => say({ flushed: await Sentry.flush(ms) }),
  throw: () => setImmediate(() => { throw new Failure("uncaught"); }),
  exit: () => process.exit(0),
};

function say(what) {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}

for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...given } = JSON.parse(line);
  commands[command](given);
}
