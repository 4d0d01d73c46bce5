// A service that does as it is told, one JSON object a line: it fails, and reports that by a real SDK, or
// hands events over as an SDK does.
import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [folder, options, sdk] = process.argv.slice(2);
const at = (path) => new URL(path, pathToFileURL(`${folder}/`));
const { errorTracking } = await import(at("errors.mjs"));
const tracking = errorTracking(JSON.parse(options));

class Failure extends Error {}

const commands = sdk ? await ofSdk() : withoutSdk();

async function ofSdk() {
  const Sentry = await import(at("node_modules/@sentry/node/build/esm/index.js"));
  Sentry.init(tracking);
  const client = Sentry.getClient();
  client.on("afterSendEvent", ({ event_id: kept }) => say({ kept }));
  return {
    capture: ({ message, scope = {}, ...properties }) =>
      Sentry.withScope((current) => {
        current.setUser(scope.user ?? null);
        current.setTags(scope.tags ?? {});
        current.setExtras(scope.extra ?? {});
        for (const [name, value] of Object.entries(scope.contexts ?? {})) {
          current.setContext(name, value);
        }
        for (const crumb of scope.breadcrumbs ?? []) current.addBreadcrumb(crumb);
        if (scope.request) current.setSDKProcessingMetadata({ normalizedRequest: scope.request });
        Sentry.captureException(Object.assign(new Failure(message), properties));
      }),
    // What cannot be handed to another thread.
    captureUnclonable: () => Sentry.captureEvent({ message: "planted", tags: { job: () => {} } }),
    flush: async ({ ms }) => say({ flushed: await Sentry.flush(ms) }),
    throw: () => setImmediate(() => { throw new Failure("uncaught"); }),
  };
}

function withoutSdk() {
  const transport = tracking.transport();
  const send = (message, fields = {}) => {
    const event_id = randomUUID().replaceAll("-", "");
    const event = { event_id, timestamp: Date.now() / 1000, message, ...fields };
    return transport.send([{}, [[{ type: "event" }, event]]]).then(() => event_id);
  };
  return {
    capture: async ({ message, fields }) => say({ kept: await send(message, fields) }),
    captureWithoutPause: async () => {
      for (;;) say({ kept: await send("planted") });
    },
    captureAndExit: ({ count }) => {
      for (let number = 0; number < count; number += 1) send(`planted ${number}`);
      process.exit(0);
    },
    flush: async ({ ms }) => say({ flushed: await transport.flush(ms) }),
  };
}

function say(what) {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}

for await (const line of createInterface({ input: process.stdin })) {
  const { command, ...given } = JSON.parse(line);
  commands[command](given);
}
