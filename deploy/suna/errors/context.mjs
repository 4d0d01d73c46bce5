/**
 * An SDK's event in the form that scrubbing_rules.json knows, with the specification's
 * `SentryErrorContext`; onyx_pipelines/errors/context.py says where that stands in an event.
 */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";

const LONG_ENOUGH_MS = 1000;

export class ErrorContext {
  #service;
  #version;
  #containerId = containerId();
  #cpu = cpuShare();
  // Where the work belongs to nobody's session.
  #processSession = randomUUID().replaceAll("-", "");

  /**
   * @param {string} service
   * @param {string} version
   */
  constructor(service, version) {
    this.#service = service;
    this.#version = version;
  }

  /** The event with what it happened in; the given one is left as it is. */
  added(event) {
    const request = requestOf(event);
    const user = event.user ?? {};
    return {
      ...event,
      timestamp: timeText(event.timestamp),
      breadcrumbs: { values: (event.breadcrumbs ?? []).map(breadcrumb) },
      request,
      tags: { service: this.#service, ...event.tags },
      contexts: {
        ...event.contexts,
        error_context: {
          user_id: user.id,
          session_id: user.session_id || this.#processSession,
          request_context: requestContext(request),
          system_context: {
            service_name: this.#service,
            version: this.#version,
            container_id: this.#containerId,
            memory_usage_mb: rounded(process.memoryUsage.rss() / 1e6),
            cpu_usage_percent: this.#cpu(),
          },
        },
      },
    };
  }
}

/** @sentry/nextjs names only the path, elsewhere. */
function requestOf({ request, contexts }) {
  const path = contexts?.nextjs?.request_path;
  return path && !request?.url ? { ...request, url: path } : (request ?? {});
}

function requestContext({ url, method = "", headers = {} }) {
  if (!url) return {};
  const lowered = Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]);
  const named = Object.fromEntries(lowered);
  const size = String(named["content-length"] ?? "");
  return { url, method, headers: named, body_size: /^[0-9]+$/.test(size) ? Number(size) : 0 };
}

function breadcrumb({ timestamp, type, category = "default", level = "info", message, data = {} }) {
  const path = data.url && String(data.url).split(/[?#]/)[0];
  const asked = [data.method, path, data.status_code].filter(Boolean).join(" ");
  return { timestamp: timeText(timestamp), type, category, level, message: message ?? asked };
}

function timeText(seconds) {
  return new Date(seconds === undefined ? Date.now() : seconds * 1000).toISOString();
}

/** The first twelve digits, as engines show them; "" outside of a container. */
function containerId() {
  try {
    const mounts = readFileSync("/proc/self/mountinfo", "utf8");
    return mounts.match(/\/(?:docker\/)?containers\/([0-9a-f]{64})\//)?.[1].slice(0, 12) ?? "";
  } catch {
    return "";
  }
}

/** Of one core, in percent, since the last look that was long enough ago. */
function cpuShare() {
  let at = performance.now();
  let used = process.cpuUsage();
  let last = 0;
  return () => {
    const now = performance.now();
    if (now - at >= LONG_ENOUGH_MS) {
      const { user, system } = process.cpuUsage(used);
      last = rounded((user + system) / 10 / (now - at));
      used = process.cpuUsage();
      at = now;
    }
    return last;
  };
}

function rounded(number) {
  return Math.round(number * 10) / 10;
}
