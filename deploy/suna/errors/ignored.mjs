/** Which failures are no errors: statuses that alerts do not count either, and types that are named. Pure. */

// As frameworks and clients call it.
const STATUS_NAMES = ["status", "statusCode", "code"];

/**
 * @param {unknown} error
 * @param {number[]} statuses of HTTP, of the error or of the answer that it has
 * @param {string[]} types names of classes; those that derive from one are ignored with it
 */
export function isIgnored(error, statuses, types) {
  if (typeof error !== "object" || error === null) return false;
  if (types.includes(error.name) || classesOf(error).some((name) => types.includes(name))) return true;
  const found = [error, error.response].flatMap((each) => STATUS_NAMES.map((name) => each?.[name]));
  return found.some((status) => statuses.includes(status));
}

function classesOf(error) {
  const found = [];
  for (let kind = Object.getPrototypeOf(error); kind; kind = Object.getPrototypeOf(kind)) {
    found.push(kind.constructor?.name);
  }
  return found;
}
