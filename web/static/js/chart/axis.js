/**
 * The axes. That of time: its marks stand where days and hours begin in the zone that is chosen, and are
 * written in its time. The moments themselves are not moved, so no hour of a change of clocks is lost.
 */
import { DAY } from "./ranges.js";
import { clockTime, day } from "./text.js";
import { UTC, there, weightOf } from "./zones.js";

/** @typedef {import("./library.js").Library} Library */
/** @typedef {import("./ranges.js").Range} Range */
/** @typedef {import("./zones.js").Zone} Zone */
/** @typedef {import("lightweight-charts").IHorzScaleBehavior<import("lightweight-charts").Time>} Behavior */

/** Of TickMarkType of the library. */
const MARK = { year: 0, month: 1, time: 3 };

/**
 * @param {Library} library
 * @param {() => Zone} zone
 * @returns {Behavior}
 */
export function behaviorIn(library, zone) {
  const Usual = library.defaultHorzScaleBehavior();
  class InZone extends Usual {
    /**
     * @param {Parameters<Behavior["fillWeightsForPoints"]>[0]} points in order
     * @param {number} from the first of those to weigh
     */
    fillWeightsForPoints(points, from) {
      const at = points.map(({ time }) => Number(this.key(time)) * 1000);
      const [first = 0, last = 0] = [at[0], at.at(-1)];
      // What would be left of the first one is guessed.
      const step = at.length > 1 ? Math.ceil((last - first) / (at.length - 1)) : DAY;
      for (let index = from; index < points.length; index += 1) {
        const now = at[index] ?? 0;
        const point = /** @type {{timeWeight: number}} */ (/** @type {unknown} */ (points[index]));
        point.timeWeight = weightOf(now, at[index - 1] ?? now - step, zone());
      }
    }
  }
  return new InZone();
}

/**
 * @param {number} ms
 * @param {number} type of the mark, as the library has it
 * @param {Zone} zone
 * @returns {string}
 */
export function markText(ms, type, zone) {
  if (type === MARK.year) return String(there(ms, zone).getUTCFullYear());
  if (type === MARK.month) return day(ms, zone).split(" ")[2] ?? "";
  return type < MARK.time ? day(ms, zone).slice(4) : clockTime(ms, zone);
}

/**
 * Days are those of UTC, whatever the zone.
 * @param {Range} range
 * @param {Zone} zone
 * @returns {Zone}
 */
export function zoneOf(range, zone) {
  return range.step >= DAY ? UTC : zone;
}

/**
 * @param {(value: number) => string} formatter
 * @param {number} minMove
 * @returns {import("lightweight-charts").PriceFormatCustom}
 */
export function priceFormat(formatter, minMove) {
  return { type: "custom", formatter, minMove };
}
