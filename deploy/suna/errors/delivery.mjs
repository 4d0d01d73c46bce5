/**
 * Sends what is in the spool, in its order, in a loop of its own.
 *
 * An event's file is removed when the tracker has answered that it has it, so that a kill in between
 * sends it again, with the same id, by which trackers know it.
 */
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { Lease } from "./lease.mjs";

// What other processes left is looked for so often.
const LOOK_EVERY_MS = 5000;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 60_000;
// While nothing is delivered, room is made so often.
const ROOM_EVERY_MS = 1000;
const MOST_SUSPECTS = 10;
// A pass ends after so many: room is made between two.
const MOST_IN_A_PASS = 500;

export class Delivery {
  #spool;
  #post;
  #lease;
  #wake = () => {};
  /** Who waits for the end of a pass. */
  #waiting = [];

  /**
   * @param {import("./spool.mjs").Spool} spool
   * @param {ReturnType<import("./tracker.mjs").tracker>} post
   */
  constructor(spool, post) {
    this.#spool = spool;
    this.#post = post;
    this.#lease = new Lease(join(spool.folder, "delivery.lease"));
    spool.onPut(() => this.#wake());
    this.#run();
  }

  /**
   * Whether all that was captured is delivered, at the latest after so many milliseconds.
   *
   * @param {number} withinMs
   */
  async flush(withinMs) {
    const over = new AbortController();
    const late = pause(withinMs, true, { signal: over.signal }).catch(() => true);
    let isLate = await Promise.race([this.#spool.written(), late]);
    while (!isLate && !(await this.#spool.isEmpty())) {
      const pass = new Promise((told) => this.#waiting.push(told));
      this.#wake();
      isLate = await Promise.race([pass, late]);
    }
    over.abort();
    return !isLate;
  }

  /** Whoever comes next may deliver at once. */
  endAtExit() {
    this.#lease.releaseAtExit();
  }

  async #run() {
    for (let failures = 0; ; ) {
      const woken = new Promise((told) => {
        this.#wake = told;
      });
      const pass = await this.#pass().catch(() => ({ failed: true }));
      for (const told of this.#waiting.splice(0)) told();
      failures = pass.failed ? failures + 1 : 0;
      const waitMs = Math.max(pass.waitMs ?? 0, backoffMs(failures));
      // Not cut short by an event: a tracker in trouble is not asked more often for it.
      if (waitMs) await this.#rest(waitMs);
      else if (!pass.goesOn) await Promise.race([woken, unheld(LOOK_EVERY_MS)]);
    }
  }

  /**
   * An event is given up as refused only where the tracker took another one meanwhile: one that refuses
   * everything is ill, and would cost all of them.
   */
  async #pass() {
    const names = await this.#spool.waiting();
    if (!names.length || !(await this.#lease.held())) return {};
    await this.#spool.makeRoom();
    const suspects = [];
    let delivered = 0;
    let end = { goesOn: names.length > MOST_IN_A_PASS };
    try {
      for (const name of names.slice(0, MOST_IN_A_PASS)) {
        if (!(await this.#lease.held())) return {};
        const { fate, waitMs } = await this.#sent(name);
        if (fate === "taken") delivered += 1;
        if (fate === "refused") suspects.push(name);
        if (waitMs) end = { waitMs };
        else if (fate === "later") end = { failed: true };
        if (waitMs || fate === "later" || suspects.length > MOST_SUSPECTS) break;
      }
    } finally {
      await this.#spool.count({ delivered, refused: delivered ? suspects.length : 0 });
    }
    if (suspects.length && !delivered) return { ...end, failed: true };
    await Promise.all(suspects.map((name) => this.#spool.remove(name)));
    return end;
  }

  async #sent(name) {
    const envelope = await this.#spool.read(name);
    // Another process has delivered it.
    if (!envelope) return {};
    let ruled;
    try {
      ruled = await this.#post(envelope);
    } catch (error) {
      // Somebody else's file, or a damaged disk; else there was no answer.
      ruled = { fate: error instanceof SyntaxError ? "refused" : "later" };
    }
    if (ruled.fate === "taken") await this.#spool.remove(name);
    return ruled;
  }

  /** What is captured meanwhile must not outgrow the disk. */
  async #rest(waitMs) {
    for (let left = waitMs; left > 0; left -= ROOM_EVERY_MS) {
      await unheld(Math.min(left, ROOM_EVERY_MS));
      if (this.#spool.isOutgrowing() && (await this.#lease.held())) await this.#spool.makeRoom();
    }
  }
}

/** 0 without a failure. */
function backoffMs(failures) {
  return failures && Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** Math.min(failures - 1, 10));
}

/** It keeps no process from its end. */
function unheld(ms) {
  return pause(ms, undefined, { ref: false });
}
