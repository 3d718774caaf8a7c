/**
 * What live prices tell of the volume: what the day's has grown by from one to the next, as the server
 * counts it for its history, which has the last word on each candle.
 */

/** @typedef {import("../protocol.js").Day} Day */

/** A price as far as it tells of volume. @typedef {{version: import("../protocol.js").Version, day?: Day | null, source?: string | null}} Told */

/** A volume below so much of the one before is of another session: a correction is small. */
const BEGINS_ANEW = 0.5;

export class LiveVolume {
  /** The last one told, and what it is to be compared with only. @type {{volume: number, epoch: number, source: string | null} | null} */
  #counted = null;

  /** Prices were missed: history has what was traded meanwhile. */
  interrupted() {
    this.#counted = null;
  }

  /**
   * @param {Told} price newer than the one before
   * @returns {number | null} what was traded since the one before; null where that is not known
   */
  taken({ version: [epoch], day = null, source = null }) {
    const before = this.#counted;
    // Of the last 24 hours it falls as well as it rises; with a time it was told before this price.
    const volume = day === null || day.rolling || day.at !== null ? null : day.volume;
    if (volume === null || before === null || before.epoch !== epoch || before.source !== source) {
      this.#counted = volume === null ? null : { volume, epoch, source };
      return null;
    }
    // As some write that they do not know.
    if (volume === 0) return null;
    const { volume: counted } = before;
    if (volume < counted && volume > counted * BEGINS_ANEW) return 0;
    this.#counted = { volume, epoch, source };
    return volume < counted ? volume : volume - counted;
  }
}

/** What was traded in a candle since a moment, as it came. */
export class Flow {
  #window;
  /** at: when it came, ms. @type {{at: number, volume: number}[]} */
  #parts = [];
  /** null where none was told. @type {number | null} */
  total = null;

  /** @param {number} window what came within so many ms is kept as one */
  constructor(window) {
    this.#window = window;
  }

  /**
   * @param {number | null} volume
   * @param {number} at ms
   */
  add(volume, at) {
    if (volume === null) return;
    const last = this.#parts.at(-1);
    if (last !== undefined && at - last.at < this.#window) last.volume += volume;
    else this.#parts.push({ at, volume });
    this.total = (this.total ?? 0) + volume;
  }

  /**
   * History has what came before then.
   * @param {number} moment ms
   */
  forget(moment) {
    this.#parts = this.#parts.filter(({ at }) => at >= moment);
    this.total = this.#parts.length === 0 ? null : this.#parts.reduce((sum, { volume }) => sum + volume, 0);
  }
}

/**
 * Both together; what is not known adds nothing.
 * @param {number | null} volume
 * @param {number | null} more
 * @returns {number | null}
 */
export function added(volume, more) {
  return volume === null || more === null ? (volume ?? more) : volume + more;
}
