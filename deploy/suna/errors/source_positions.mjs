/**
 * Where in the sources a frame of a built file is, by the source map beside that file, and what stands there.
 *
 * Next.js writes those with `experimental.serverSourceMaps`. Read in the worker's thread, and only when
 * something has failed: Node's own `--enable-source-maps` costs every start seconds and 200 MB.
 */
import { readFileSync, statSync } from "node:fs";
import { SourceMap } from "node:module";
import { around, linesIn, linesOf } from "./source_lines.mjs";

const LARGEST_MAP_BYTES = 32 * 1024 * 1024;
const MOST_MAPS = 8;

const maps = new Map();

/**
 * The event with frames that name sources, and the lines around; the given one is left as it is.
 *
 * @param {object} event
 * @param {((text: string) => string) | undefined} scrub of those lines; undefined: they are left out
 */
export function withSources(event, scrub) {
  const values = event.exception?.values?.map((value) => {
    const frames = value.stacktrace?.frames?.map((frame) => inSource(frame, scrub));
    return frames ? { ...value, stacktrace: { ...value.stacktrace, frames } } : value;
  });
  return values ? { ...event, exception: { ...event.exception, values } } : event;
}

/** Of what the SDK itself has read of the source nothing is taken: it looks at each line alone. */
function inSource({ pre_context, context_line, post_context, ...frame }, scrub) {
  const found = originOf(frame);
  const lines = scrub ? (found?.lines ?? linesOfBuilt(frame)) : [];
  const told = { ...frame, ...found?.position };
  return { ...told, ...(scrub && around(lines, told.lineno, scrub)) };
}

function linesOfBuilt({ filename }) {
  return filename?.startsWith("/") ? linesOf(filename) : [];
}

/** Undefined: there is no map, or none for its line. */
function originOf(frame) {
  if (!frame.in_app || !/^\/.+\.[cm]?js$/.test(frame.filename)) return undefined;
  const map = mapOf(frame.filename);
  const found = map?.positions.findEntry(frame.lineno - 1, frame.colno - 1);
  if (!found?.originalSource) return undefined;
  const filename = pathOf(found.originalSource);
  return {
    position: {
      filename,
      // It names the built file, by a hash that each build changes.
      module: undefined,
      in_app: !filename.includes("node_modules/"),
      lineno: found.originalLine + 1,
      colno: found.originalColumn + 1,
    },
    lines: linesIn(map.contents.get(found.originalSource) ?? ""),
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
    const read = JSON.parse(readFileSync(path, "utf8"));
    return { positions: new SourceMap(read), contents: contentsIn(read) };
  } catch {
    return undefined;
  }
}

/** Of each source, by its name in the map; a map may have parts that are maps. */
function contentsIn(map) {
  const maps = map.sections?.map((section) => section.map) ?? [map];
  return new Map(
    maps.flatMap(({ sources, sourcesContent = [] }) =>
      sources.map((source, number) => [source, sourcesContent[number] ?? ""]),
    ),
  );
}
