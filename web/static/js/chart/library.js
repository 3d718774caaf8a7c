/**
 * The charting library: loaded when a chart is opened, and never by a page without one.
 */

/** @typedef {typeof import("lightweight-charts")} Library */

/** The folder carries the version; `scripts/front-end vendor` keeps it in step with package-lock.json. */
const ADDRESS = new URL("../../vendor/lightweight-charts-5.2.1/lightweight-charts.mjs", import.meta.url).href;

/**
 * @returns {Promise<Library>}
 * @throws {TypeError} when it cannot be fetched
 */
export function loadLibrary() {
  return import(ADDRESS);
}
