/** Types of metrics.mjs, which says what each is for. */
import type { Server } from "node:http";

export function withMetrics<Context>(
  route: string,
  handler: (request: Request, context: Context) => Response | Promise<Response>,
): (request: Request, context: Context) => Promise<Response>;

export function serveMetrics(options: {
  user: string;
  passwordFile: string;
  allowed: string[];
  port?: number;
  host?: string;
}): Server;
