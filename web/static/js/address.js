/** Where this server's addresses begin: the page says it, and nobody else has to know. */

/** "" or the sub-path that the server is reached under, as `/stocks`. */
const BASE = globalThis.document?.documentElement.dataset.base ?? "";

/**
 * @param {string} path as the server knows it, as `/api/v1/quotes`
 * @returns {string} the same as a browser has to ask for it
 */
export function address(path) {
  return `${BASE}${path}`;
}

/**
 * Where one logs in, to come back to this page as it is.
 * @param {{pathname: string, search: string, hash: string}} page
 */
export function loginAddress({ pathname, search, hash }) {
  return address(`/login?next=${encodeURIComponent(pathname + search + hash)}`);
}

/**
 * Servers below different paths of one host share the storage of its origin.
 * @param {string} name
 * @returns {string} the key of it in `localStorage`, this server's own
 */
export function storageKey(name) {
  return `stockstream${BASE}.${name}`;
}
