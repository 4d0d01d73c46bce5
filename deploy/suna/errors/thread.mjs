/**
 * The application's side of `errors/worker.mjs`: hands events over, and waits only at the process' end.
 */
import { Worker } from "node:worker_threads";
import { stub } from "./scrubbing.mjs";

const MOST_PENDING = 1000;
const END_WITHIN_MS = 1000;
const START_AGAIN_MS = 1000;

export class Thread {
  #options;
  #worker;
  #ended = new Int32Array(new SharedArrayBuffer(4));
  /** By number: what the worker has not done yet. */
  #pending = new Map();
  #number = 0;
  #lost = 0;

  /** @param {object} options of the worker */
  constructor(options) {
    this.#options = options;
    this.#start();
    process.once("exit", () => this.#end());
  }

  #start() {
    this.#worker = new Worker(new URL("worker.mjs", import.meta.url), {
      workerData: { ...this.#options, ended: this.#ended },
      // Not what the application was started with: its loaders, its instrumentation.
      execArgv: [],
      env: { NODE_OPTIONS: "" },
    });
    this.#worker.on("message", ({ number, delivered }) => {
      this.#pending.get(number)?.done(delivered);
      this.#pending.delete(number);
    });
    // Its message may hold what nobody may read.
    this.#worker.on("error", ({ name, code }) =>
      console.error(`Errors are not reported: their thread failed (${code ?? name}). It starts again.`),
    );
    this.#worker.on("exit", () => setTimeout(() => this.#startAgain(), START_AGAIN_MS).unref());
    this.#worker.unref();
  }

  #startAgain() {
    this.#start();
    for (const { message } of this.#pending.values()) this.#worker.postMessage(message);
  }

  /** Settles when it is on disk. */
  keep(event) {
    if (this.#pending.size >= MOST_PENDING) {
      this.#lost += 1;
      return undefined;
    }
    return this.#asked({ event });
  }

  /** Whether all is delivered, at the latest after so many milliseconds. */
  async flush(flushMs) {
    // Who waits for it keeps the process alive.
    this.#worker.ref();
    try {
      return await this.#asked({ flushMs });
    } finally {
      this.#worker.unref();
    }
  }

  #asked(message) {
    this.#number += 1;
    const number = this.#number;
    return new Promise((done) => {
      this.#pending.set(number, { message: this.#posted({ number, ...message }), done });
    });
  }

  #posted(message) {
    const said = { ...message, lost: this.#lost };
    try {
      this.#worker.postMessage(said);
    } catch {
      // Not plain data.
      said.event = stub(message.event);
      this.#worker.postMessage(said);
    }
    this.#lost = 0;
    return said;
  }

  #end() {
    this.#worker.postMessage({ number: 0, lost: this.#lost, isLast: true });
    Atomics.wait(this.#ended, 0, 0, END_WITHIN_MS);
  }
}
