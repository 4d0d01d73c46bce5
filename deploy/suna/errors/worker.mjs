/**
 * Where events are scrubbed, kept and delivered: a thread of its own (`thread.mjs` starts it), so that
 * the application's never waits for that.
 */
import { setPriority } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import { ErrorContext } from "./context.mjs";
import { Delivery } from "./delivery.mjs";
import { envelopeOf } from "./envelope.mjs";
import { Scrubber, stub } from "./scrubbing.mjs";
import { withSources } from "./source_positions.mjs";
import { Spool } from "./spool.mjs";
import { tracker } from "./tracker.mjs";

const { dsn, service, version, pseudonymKey, secrets, sourceLines, spoolFolder, spoolLimitBytes, ended } =
  workerData;
// On Linux of this thread alone: where the processor is short, requests go first.
if (process.platform === "linux") setPriority(10);

const context = new ErrorContext(service, version);
const scrubber = new Scrubber({ pseudonymKey, secrets });
const scrubOfSource = sourceLines ? (text) => scrubber.text(text) : undefined;
const spool = new Spool(spoolFolder, spoolLimitBytes);
const delivery = new Delivery(spool, tracker(dsn));

parentPort.on("message", async ({ number, event, lost, flushMs, isLast }) => {
  spool.lost(lost);
  if (event) await keep(event);
  const delivered = flushMs === undefined ? undefined : await delivery.flush(flushMs);
  if (isLast) {
    spool.writeAtExit();
    delivery.endAtExit();
    Atomics.store(ended, 0, 1);
    Atomics.notify(ended, 0);
  }
  parentPort.postMessage({ number, delivered });
});

/** Settles when it is on disk. */
async function keep(event) {
  const told = scrubbed(event);
  await spool.put(told.event_id, envelopeOf(told));
}

function scrubbed(event) {
  try {
    return scrubber.scrub(context.added(withSources(event, scrubOfSource)));
  } catch {
    return stub(event);
  }
}
