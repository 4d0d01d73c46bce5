// Shared by the scenarios: how k6 runs one unit of the plan, and the row that each request leaves.
import http from 'k6/http';
import exec from 'k6/execution';
import { sleep } from 'k6';

// Set by the runner; nothing of it is a secret but ONYX_TOKEN, which is not printed.
const unit = JSON.parse(__ENV.ONYX_UNIT);
const headers = { 'Content-Type': 'application/json' };
if (__ENV.ONYX_TOKEN) headers.Authorization = `Bearer ${__ENV.ONYX_TOKEN}`;

export const options = {
  scenarios: { unit: executor(unit) },
  systemTags: ['scenario', 'status', 'error_code', 'name'],
  discardResponseBodies: false,
  noConnectionReuse: false,
  userAgent: 'onyx-load-test',
  // Latency is judged from the rows, never by thresholds: k6 passes those that have no samples.
  thresholds: {},
};

function executor(it) {
  if (it.rate_per_s) {
    return {
      executor: 'constant-arrival-rate',
      // Whole numbers only: so many per 100 seconds.
      rate: Math.max(1, Math.round(it.rate_per_s * 100)),
      timeUnit: '100s',
      duration: `${it.duration_s}s`,
      preAllocatedVUs: it.users,
      maxVUs: it.users,
      gracefulStop: `${it.timeout_s}s`,
    };
  }
  if (it.messages) {
    return {
      executor: 'per-vu-iterations',
      vus: it.users,
      iterations: it.messages,
      maxDuration: `${it.longest_s}s`,
      gracefulStop: '1s',
    };
  }
  return {
    executor: 'constant-vus',
    vus: it.users,
    duration: `${it.duration_s}s`,
    gracefulStop: `${it.timeout_s}s`,
  };
}

// A number in [0, limit) that only depends on who asks and for the how manieth time.
export function pick(limit) {
  let x = (exec.vu.idInTest * 2654435761 + exec.vu.iterationInScenario * 40503 + unit.repeat * 97) >>> 0;
  x = (x ^ (x >>> 15)) >>> 0;
  return x % limit;
}

// One request and its row, whatever happens.
export function timed(name, makeBody) {
  const id = `${unit.run}:${unit.scenario}:${unit.block}:${unit.repeat}:${exec.vu.idInTest}:${exec.vu.iterationInScenario}`;
  const started = Date.now();
  let row;
  let failed = true;
  try {
    const answer = http.post(unit.url, JSON.stringify(makeBody()), {
      headers: Object.assign({ 'X-Request-Id': id, 'X-Run-Id': unit.run }, headers),
      timeout: `${unit.timeout_s}s`,
      redirects: 0,
      tags: { name },
    });
    failed = answer.status < 200 || answer.status > 299;
    row = rowOf(name, started, answer);
  } catch (error) {
    row = [started, Date.now(), exec.vu.idInTest, exec.vu.iterationInScenario, name, 0, 0,
      `exception: ${error}`, '', '', '', '', '', '', 0, '', '', '', ''];
  }
  console.log(row.map(clean).join('\t'));
  // A refusing target answers at once: without a pause the users would only count refusals.
  if (failed) sleep(Math.min(1, unit.pause_after_failure_s));
}

function rowOf(name, started, answer) {
  const t = answer.timings;
  const body = answer.body || '';
  const seen = tapped(body);
  // What the tap spent on connecting is no waiting for the server.
  const connecting = seen.connecting || 0;
  const tls = seen.tls || 0;
  const lookup = seen.lookup || 0;
  const before = lookup + connecting + tls;
  return [
    started, Date.now(), exec.vu.idInTest, exec.vu.iterationInScenario, name,
    seen.status === undefined ? answer.status : seen.status,
    answer.error_code, answer.error || seen.error || '',
    t.blocked + before, t.connecting + connecting, t.tls_handshaking + tls, t.sending,
    Math.max(0, t.waiting - before), t.receiving, body.length,
    seen.first_token === undefined ? '' : seen.first_token,
    seen.tokens === undefined ? '' : seen.tokens,
    answer.headers['Retry-After'] || '',
    answer.headers['Server-Timing'] || trailing(body),
  ];
}

// The tap in front of a streaming target appends what it measured as a comment.
function tapped(body) {
  const at = body.lastIndexOf(': onyx-tap ');
  if (at < 0) return {};
  try {
    return JSON.parse(body.slice(at + 11).split('\n', 1)[0]);
  } catch (error) {
    return {};
  }
}

// A stream cannot know its duration when its headers go out: the last event says it.
function trailing(body) {
  const at = body.lastIndexOf('event: server-timing');
  if (at < 0) return '';
  const data = body.indexOf('data: ', at);
  return data < 0 ? '' : body.slice(data + 6).split('\n', 1)[0];
}

function clean(value) {
  return String(value).replace(/[\t\r\n]+/g, ' ').slice(0, 2000);
}
