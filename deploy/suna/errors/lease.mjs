/**
 * Who delivers from a folder: one process at a time, also across containers that share a volume, and
 * beside Python (onyx_pipelines/errors/lease.py).
 *
 * Node has no flock: the holder touches a file, and whoever finds it untouched for twenty seconds takes
 * it over. A holder that slept so long finds that before it sends.
 */
import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import { readFileSync, unlinkSync } from "node:fs";
import { readFile, rename, stat, utimes, writeFile } from "node:fs/promises";

const TOUCHED_EVERY_MS = 2000;
const STALE_AFTER_MS = 20_000;

export class Lease {
  #path;
  #ours = `${hostname()} ${process.pid} ${randomUUID()}`;
  #heart;

  /** @param {string} path of its file */
  constructor(path) {
    this.#path = path;
  }

  /** Whether it is ours, taken now if it is nobody's. */
  async held() {
    const found = await readFile(this.#path, "utf8").catch(() => undefined);
    if (found === this.#ours) return true;
    clearInterval(this.#heart);
    if (found !== undefined && !(await this.#isStale(found))) return false;
    return this.#take(found);
  }

  async #isStale(found) {
    const [host, pid] = found.split(" ");
    if (host === hostname() && !isAlive(Number(pid))) return true;
    const { mtimeMs } = await stat(this.#path).catch(() => ({ mtimeMs: Date.now() }));
    // From the future: the clock was set back.
    return Math.abs(Date.now() - mtimeMs) > STALE_AFTER_MS;
  }

  async #take(found) {
    try {
      if (found === undefined) {
        await writeFile(this.#path, this.#ours, { flag: "wx", mode: 0o600 });
      } else {
        const mine = `${this.#path}.${randomUUID()}`;
        await writeFile(mine, this.#ours, { mode: 0o600 });
        await rename(mine, this.#path);
      }
    } catch (error) {
      // Where nothing can be written there is no lease to have: a tracker knows an event by its id.
      return error.code !== "EEXIST";
    }
    this.#heart = setInterval(() => this.#touch(), TOUCHED_EVERY_MS).unref();
    // Two who found it stale: the last one has it.
    return (await readFile(this.#path, "utf8").catch(() => "")) === this.#ours;
  }

  async #touch() {
    const now = new Date();
    if ((await readFile(this.#path, "utf8").catch(() => "")) === this.#ours) {
      await utimes(this.#path, now, now).catch(() => {});
    }
  }

  /** Leave it to others: the process is at its end. */
  releaseAtExit() {
    try {
      if (readFileSync(this.#path, "utf8") === this.#ours) unlinkSync(this.#path);
    } catch {
      // It was never anybody's.
    }
  }
}

function isAlive(pid) {
  // Ours: that of an earlier life of this container.
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code !== "ESRCH";
  }
}
