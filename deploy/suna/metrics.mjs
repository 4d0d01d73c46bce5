/**
 * Metrics of a Next.js front end: requests of its route handlers, and `/metrics` on a port of its own.
 *
 * The families, labels and buckets are those of onyx_pipelines/monitoring/metrics.py; a test compares.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { BlockList, isIP } from "node:net";
import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from "prom-client";

const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);
const SHORTEST_PASSWORD = 8;

// Next.js loads a module once for each of its bundles: each would count into a registry of its own.
const ours = (globalThis[Symbol.for("onyx.metrics")] ??= made());

function made() {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  return {
    registry,
    server: undefined,
    requests: new Counter({
      name: "onyx_http_requests_total",
      help: "Requests by route template and status.",
      labelNames: ["method", "route", "status"],
      registers,
    }),
    latency: new Histogram({
      name: "onyx_http_request_duration_seconds",
      help: "Requests, from their arrival to the last byte of their answer.",
      labelNames: ["method", "route"],
      buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
      registers,
    }),
    inFlight: new Gauge({
      name: "onyx_http_requests_in_flight",
      help: "Requests being answered.",
      registers,
    }),
  };
}

/**
 * A route handler that is measured: `export const POST = withMetrics("/api/chat", handler)`.
 *
 * A streamed answer lasts to its last byte; one that breaks off has failed (500), whatever its status
 * was; one that the client leaves is 499, as nginx has it.
 *
 * @param {string} route its template (`/api/threads/[id]`), never a path
 * @param {(request: Request, context?: unknown) => Response | Promise<Response>} handler
 */
export function withMetrics(route, handler) {
  return async (request, context) => {
    const ended = begun(request.method, route);
    try {
      const answer = await handler(request, context);
      if (!answer.body) {
        ended(answer.status);
        return answer;
      }
      return new Response(watched(answer.body, answer.status, ended), answer);
    } catch (error) {
      ended(request.signal?.aborted ? 499 : 500);
      throw error;
    }
  };
}

function begun(method, route) {
  const labels = { method: METHODS.has(method) ? method : "OTHER", route };
  const at = process.hrtime.bigint();
  let over = false;
  ours.inFlight.inc();
  return (status) => {
    if (over) return;
    over = true;
    ours.inFlight.dec();
    ours.requests.inc({ ...labels, status: String(status) });
    ours.latency.observe(labels, Number(process.hrtime.bigint() - at) / 1e9);
  };
}

function watched(body, status, ended) {
  const reader = body.getReader();
  return new ReadableStream({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (done) {
          ended(status);
          controller.close();
        } else {
          controller.enqueue(value);
        }
      } catch (error) {
        ended(500);
        controller.error(error);
      }
    },
    async cancel(reason) {
      ended(499);
      await reader.cancel(reason);
    },
  });
}

/**
 * Serve `/metrics` once in this process: from `register()` of Next.js' instrumentation.ts.
 *
 * @param {object} options
 * @param {string} options.user of basic authentication
 * @param {string} options.passwordFile a file, as Docker mounts secrets
 * @param {string[]} options.allowed addresses and networks (`172.16.0.0/12`) that may connect; what a
 *   header claims is not looked at
 * @param {number} [options.port]
 * @param {string} [options.host]
 * @throws {Error} the password is one that everybody knows; an address is none
 * @returns {import("node:http").Server}
 */
export function serveMetrics({ user, passwordFile, allowed, port = 9464, host = "0.0.0.0" }) {
  if (ours.server) return ours.server;
  const expected = digest(`${user}:${passwordIn(passwordFile, user)}`);
  const networks = blockList(allowed);
  ours.server = createServer((request, response) => {
    const status = refusal(request, networks, expected);
    if (status) {
      const challenge = status === 401 ? { "WWW-Authenticate": 'Basic realm="metrics"' } : {};
      response.writeHead(status, challenge).end();
      return;
    }
    ours.registry.metrics().then(
      (text) => response.writeHead(200, { "Content-Type": ours.registry.contentType }).end(text),
      () => response.writeHead(500).end(),
    );
  });
  ours.server.listen(port, host);
  // It is no reason to go on.
  ours.server.unref();
  return ours.server;
}

function refusal(request, networks, expected) {
  const peer = (request.socket.remoteAddress ?? "").replace(/^::ffff:/, "");
  if (!isIP(peer) || !networks.check(peer, isIP(peer) === 6 ? "ipv6" : "ipv4")) return 403;
  if (request.url !== "/metrics") return 404;
  const [kind, text = ""] = (request.headers.authorization ?? "").split(" ");
  const given = kind.toLowerCase() === "basic" ? Buffer.from(text, "base64").toString() : "";
  return timingSafeEqual(digest(given), expected) ? 0 : 401;
}

function passwordIn(file, user) {
  const password = readFileSync(file, "utf8").trim();
  const known = JSON.parse(readFileSync(new URL("known_passwords.json", import.meta.url), "utf8"));
  const lower = password.toLowerCase();
  if (password.length < SHORTEST_PASSWORD || lower === user.toLowerCase() || known.includes(lower)) {
    throw new Error(
      `The password in ${file} is one to guess. Give it one of \`openssl rand -hex 16\`.`,
    );
  }
  return password;
}

function blockList(texts) {
  const list = new BlockList();
  for (const text of texts) {
    const [address, prefix] = text.split("/");
    const family = { 4: "ipv4", 6: "ipv6" }[isIP(address)];
    if (!family) throw new Error(`${text} is no address or network.`);
    if (prefix === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(prefix), family);
  }
  return list;
}

function digest(text) {
  return createHash("sha256").update(text).digest();
}
