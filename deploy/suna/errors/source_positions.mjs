/**
 * Where in the sources a frame of a built file is, by the source map beside that file.
 *
 * Next.js writes those with `experimental.serverSourceMaps`. Read in the worker's thread, and only when
 * something has failed: Node's own `--enable-source-maps` costs every start seconds and 200 MB.
 */
import { readFileSync, statSync } from "node:fs";
import { SourceMap } from "node:module";

const LARGEST_MAP_BYTES = 32 * 1024 * 1024;
const MOST_MAPS = 8;

const maps = new Map();

/** The event with frames that name sources; the given one is left as it is. */
export function withSourcePositions(event) {
  const values = event.exception?.values?.map((value) => {
    const frames = value.stacktrace?.frames?.map(inSource);
    return frames ? { ...value, stacktrace: { ...value.stacktrace, frames } } : value;
  });
  return values ? { ...event, exception: { ...event.exception, values } } : event;
}

/** As it is where there is no map, or none for its line. */
function inSource(frame) {
  if (!frame.in_app || !/^\/.+\.[cm]?js$/.test(frame.filename)) return frame;
  const found = mapOf(frame.filename)?.findEntry(frame.lineno - 1, frame.colno - 1);
  if (!found?.originalSource) return frame;
  const filename = pathOf(found.originalSource);
  return {
    ...frame,
    filename,
    // It names the built file, by a hash that each build changes.
    module: undefined,
    in_app: !filename.includes("node_modules/"),
    lineno: found.originalLine + 1,
    colno: found.originalColumn + 1,
  };
}

/** `../../../app/page.tsx`, `turbopack:///[project]/app/page.tsx`, `webpack://name/./app/page.tsx`. */
function pathOf(source) {
  const path = source.replace(/^[a-z]+:\/\/[^/]*\//, "").replace(/^(?:\[project\]\/|\.{1,2}\/)+/, "");
  try {
    return decodeURIComponent(path);
  } catch {
    return path;
  }
}

function mapOf(path) {
  if (!maps.has(path)) {
    if (maps.size >= MOST_MAPS) maps.clear();
    maps.set(path, readMap(`${path}.map`));
  }
  return maps.get(path);
}

function readMap(path) {
  try {
    if (statSync(path).size > LARGEST_MAP_BYTES) return undefined;
    return new SourceMap(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return undefined;
  }
}
