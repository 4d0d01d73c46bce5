/**
 * Events on disk that no tracker has taken yet: the files of onyx_pipelines/errors/spool.py.
 *
 * Written beside the event loop, in the order of capture, and readable to this user only. A file is
 * whole or absent after a kill; it is not synced, so that a power cut may cost the last seconds.
 */
import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { mkdir, readFile, readdir, rename, stat, unlink, writeFile } from "node:fs/promises";
import { join } from "node:path";

const SUFFIX = ".event";
const EVENT = /^[0-9]+-[0-9a-f]+\.event$/;
const COUNTS = "counts.json";
// What waits for a disk that hangs or is full.
const MOST_IN_MEMORY_BYTES = 16 * 1024 * 1024;
const ROOM_SHARE = 16;
const TRY_AGAIN_MS = 5000;
const LITTER_AFTER_MS = 60_000;

let lastStamp = 0n;

export class Spool {
  #folder;
  #limitBytes;
  /** By name, in the order of capture: what is not on disk yet. */
  #unwritten = new Map();
  #unwrittenBytes = 0;
  #writing;
  #diskRefuses = false;
  #uncounted = { delivered: 0, dropped: 0, refused: 0 };
  #putBytes = 0;
  #onPut = () => {};

  /**
   * @param {string} folder made where it is missing
   * @param {number} limitBytes of all that waits there
   */
  constructor(folder, limitBytes) {
    this.#folder = folder;
    this.#limitBytes = limitBytes;
  }

  get folder() {
    return this.#folder;
  }

  /** Call this when there is something new on disk. */
  onPut(told) {
    this.#onPut = told;
  }

  /**
   * Keep an event until it is delivered; settles when it is on disk. Never rejects: what the disk does
   * not take is delivered from memory, and beyond 16 MiB there the oldest is dropped and counted.
   *
   * @param {string} eventId
   * @param {Buffer} envelope
   */
  async put(eventId, envelope) {
    const name = `${nextStamp()}-${eventId}${SUFFIX}`;
    this.#unwritten.set(name, envelope);
    this.#unwrittenBytes += envelope.length;
    for (const oldest of this.#unwritten.keys()) {
      if (this.#unwrittenBytes <= MOST_IN_MEMORY_BYTES) break;
      this.#forget(oldest);
      this.lost(1);
    }
    await this.written();
  }

  /** Settles when nothing waits in memory, or the disk takes nothing. */
  written() {
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
    return this.#writing;
  }

  async #write() {
    try {
      for (let each; (each = first(this.#unwritten)); ) {
        const [name, envelope] = each;
        await this.#writeOne(name, envelope);
        this.#putBytes += envelope.length;
        this.#diskRefuses = false;
        // Delivered from memory meanwhile.
        if (this.#unwritten.has(name)) this.#forget(name);
        else await this.remove(name);
        this.#onPut();
      }
    } catch {
      this.#diskRefuses = true;
      this.#onPut();
      setTimeout(() => this.written(), TRY_AGAIN_MS).unref();
    }
  }

  async #writeOne(name, envelope) {
    const temporary = join(this.#folder, `.${name}`);
    try {
      await writeFile(temporary, envelope, { mode: 0o600 });
    } catch (error) {
      if (error.code !== "ENOENT") throw error;
      await mkdir(this.#folder, { recursive: true, mode: 0o700 });
      await writeFile(temporary, envelope, { mode: 0o600 });
    }
    await rename(temporary, join(this.#folder, name));
  }

  /** Write what is not on disk yet: the process is at its end, and nothing asynchronous will run. */
  writeAtExit() {
    try {
      if (this.#unwritten.size) mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
      for (const [name, envelope] of this.#unwritten) {
        const temporary = join(this.#folder, `.${name}.exit`);
        writeFileSync(temporary, envelope, { mode: 0o600 });
        renameSync(temporary, join(this.#folder, name));
        // Of a write that was under way.
        rmSync(join(this.#folder, `.${name}`), { force: true });
      }
    } catch {
      // The disk does not take it, and this process is at its end.
    }
  }

  #forget(name) {
    this.#unwrittenBytes -= this.#unwritten.get(name)?.length ?? 0;
    this.#unwritten.delete(name);
  }

  /** What was lost before it came here is counted as dropped. */
  lost(events) {
    this.#uncounted.dropped += events;
  }

  /** Names of what waits, the oldest first. */
  async waiting() {
    const names = await readdir(this.#folder).catch(() => []);
    const inMemory = this.#diskRefuses ? this.#unwritten.keys() : [];
    const found = new Set([...names.filter((name) => EVENT.test(name)), ...inMemory]);
    return [...found].sort();
  }

  /** Whether nothing waits, neither on disk nor in memory. */
  async isEmpty() {
    return !this.#unwritten.size && !(await this.waiting()).length;
  }

  /** Its envelope; undefined: another process has delivered it. */
  async read(name) {
    const inMemory = this.#unwritten.get(name);
    return inMemory ?? readFile(join(this.#folder, name)).catch(() => undefined);
  }

  remove(name) {
    this.#forget(name);
    return unlink(join(this.#folder, name)).catch(() => {});
  }

  /** Whether so much was put since room was made that it may be time for that. */
  isOutgrowing() {
    return this.#putBytes > this.#limitBytes / ROOM_SHARE;
  }

  /** Drop the oldest of what is too much, and what a kill left half written. For who delivers. */
  async makeRoom() {
    this.#putBytes = 0;
    await this.#sweep();
    const found = await Promise.all((await this.waiting()).map((name) => this.#sized(name)));
    let over = found.reduce((sum, { size }) => sum + size, -this.#limitBytes);
    const dropped = [];
    for (const { name, size } of found) {
      if (over <= 0) break;
      dropped.push(name);
      over -= size;
    }
    // Counted first: a kill between the two counts some twice, and hides none.
    await this.count({ dropped: dropped.length });
    await Promise.all(dropped.map((name) => this.remove(name)));
  }

  async #sweep() {
    const names = await readdir(this.#folder).catch(() => []);
    for (const name of names.filter((each) => /^\.[0-9]+-/.test(each))) {
      const { modified } = await this.#sized(name);
      if (Date.now() - modified > LITTER_AFTER_MS) await this.remove(name);
    }
  }

  #sized(name) {
    return stat(join(this.#folder, name)).then(
      ({ size, mtimeMs }) => ({ name, size, modified: mtimeMs }),
      () => ({ name, size: 0, modified: Infinity }),
    );
  }

  /** Add to what is remembered; what the disk does not take, the next time. For who delivers. */
  async count(more) {
    for (const [what, events] of Object.entries(more)) this.#uncounted[what] += events;
    const added = { ...this.#uncounted };
    if (!Object.values(added).some(Boolean)) return;
    const counts = await this.counts();
    for (const what of Object.keys(added)) counts[what] += added[what];
    const path = join(this.#folder, COUNTS);
    try {
      await writeFile(`${path}.new`, JSON.stringify(counts), { mode: 0o600 });
      await rename(`${path}.new`, path);
    } catch {
      return;
    }
    for (const what of Object.keys(added)) this.#uncounted[what] -= added[what];
  }

  /** Since the spool was made. `dropped`: for want of room; `refused`: by the tracker. */
  async counts() {
    const none = { delivered: 0, dropped: 0, refused: 0 };
    try {
      const found = JSON.parse(await readFile(join(this.#folder, COUNTS), "utf8"));
      return { ...none, ...found };
    } catch {
      return none;
    }
  }
}

function first(map) {
  return map.entries().next().value;
}

/** Nanoseconds since 1970, twenty digits; each later than the one before, also when the clock is set. */
function nextStamp() {
  const now = BigInt(Date.now()) * 1_000_000n;
  lastStamp = now > lastStamp ? now : lastStamp + 1n;
  return String(lastStamp).padStart(20, "0");
}
