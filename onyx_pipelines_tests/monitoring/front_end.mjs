// A front end as the tests need one: route handlers as Next.js calls them, behind Node's own server.
import { createServer } from "node:http";
import { once } from "node:events";
import { setTimeout as pause } from "node:timers/promises";
import { pathToFileURL } from "node:url";

const [module, passwordFile, allowed, port, metricsPort] = process.argv.slice(2);
// As Next.js does: each bundle has the module for itself.
const one = await import(`${pathToFileURL(module)}?bundle=pages`);
const other = await import(`${pathToFileURL(module)}?bundle=instrumentation`);

async function* pieces() {
  for (let number = 0; number < 4; number += 1) {
    await pause(50);
    yield new TextEncoder().encode("piece");
  }
}

async function* breaksOff() {
  yield new TextEncoder().encode("first");
  await pause(50);
  throw new Error("planted");
}

async function* forEver() {
  for (;;) {
    await pause(20);
    yield new TextEncoder().encode("piece");
  }
}

const streamed = (source) => () => new Response(ReadableStream.from(source()));
const handlers = {
  "/ok": one.withMetrics("/ok", () => Response.json({ well: true })),
  "/empty": one.withMetrics("/empty", () => new Response(null, { status: 204 })),
  "/missing": one.withMetrics("/threads/[id]", () => new Response("none", { status: 404 })),
  "/stream": other.withMetrics("/stream", streamed(pieces)),
  "/breaks-off": other.withMetrics("/breaks-off", streamed(breaksOff)),
  "/for-ever": other.withMetrics("/for-ever", streamed(forEver)),
  "/raises": other.withMetrics("/raises", () => {
    throw new Error("planted");
  }),
};

for (const each of [one, other]) {
  each.serveMetrics({
    user: "metrics",
    passwordFile,
    allowed: [allowed],
    port: Number(metricsPort),
    host: "127.0.0.1",
  });
}

const server = createServer(async (request, response) => {
  try {
    const asked = new Request(`http://host${request.url}`, { method: request.method });
    const answer = await handlers[request.url](asked);
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    const reader = answer.body?.getReader();
    response.on("close", () => reader?.cancel().catch(() => {}));
    for (;;) {
      const { done, value } = reader ? await reader.read() : { done: true };
      if (done) break;
      response.write(value);
    }
    response.end();
  } catch {
    response.destroy();
  }
}).listen(Number(port), "127.0.0.1");
await once(server, "listening");
console.log("ready");
