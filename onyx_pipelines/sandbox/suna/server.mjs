// A front end that can fail, with error tracking as docs/errors.md says: `POST /break` throws, and answers 500.
import { createServer } from "node:http";
import { pathToFileURL } from "node:url";

const [folder] = process.argv.slice(2);
const at = (path) => new URL(path, pathToFileURL(`${folder}/`));
const { errorTracking } = await import(at("errors.mjs"));
const Sentry = await import(at("node_modules/@sentry/node/build/esm/index.js"));

Sentry.init(
  errorTracking({
    dsn: process.env.SENTRY_DSN,
    service: "suna",
    version: "1.4.2",
    environment: "sandbox",
    spoolFolder: process.env.SPOOL_FOLDER,
    pseudonymKeyFile: process.env.PSEUDONYM_KEY_FILE,
  }),
);

function breakAsAsked() {
  throw new Error("This was asked for");
}

const routes = {
  "GET /health": () => ({ status: "serving" }),
  "POST /break": breakAsAsked,
};

createServer((request, response) => {
  const answer = (status, said) => {
    response.writeHead(status, { "Content-Type": "application/json" });
    response.end(`${JSON.stringify(said)}\n`);
  };
  const { pathname } = new URL(request.url, "http://suna");
  const route = routes[`${request.method} ${pathname}`];
  if (!route) return answer(404, { error: "There is nothing here." });
  return Sentry.withIsolationScope((scope) => {
    const { "x-user-id": id, "x-session-id": session_id } = request.headers;
    scope.setUser(id ? { id, session_id } : null);
    scope.setSDKProcessingMetadata({
      normalizedRequest: {
        url: `http://${request.headers.host}${request.url}`,
        method: request.method,
        headers: request.headers,
      },
    });
    scope.addBreadcrumb({ category: "http", message: `${request.method} ${request.url}` });
    try {
      answer(200, route());
    } catch (error) {
      Sentry.captureException(error);
      answer(500, { error: "It broke." });
    }
  });
}).listen(Number(process.env.PORT), "127.0.0.1");
