/** The sound of an alert: two short notes, made here. A browser is silent until somebody has pressed something on the page. */

const NOTES = [880, 1318.5];
const NOTE_SECONDS = 0.16;
const LOUDNESS = 0.12;
/** From nothing and back to it: a note that is cut off clicks. */
const SILENT = 0.0001;

export class Tone {
  /** @type {AudioContext | null} */
  #context = null;

  /** Whether it would be heard now. */
  get ready() {
    return this.#context?.state === "running";
  }

  /** To be called where somebody presses something. @returns {Promise<boolean>} whether it would be heard now */
  async unlock() {
    try {
      this.#context ??= new AudioContext();
      await this.#context.resume();
    } catch {
      // Without a device for sound there is none to make.
    }
    return this.ready;
  }

  play() {
    const context = this.#context;
    if (context === null || !this.ready) return;
    NOTES.forEach((hertz, index) => {
      const from = context.currentTime + index * NOTE_SECONDS;
      const note = new OscillatorNode(context, { frequency: hertz });
      const volume = new GainNode(context, { gain: SILENT });
      volume.gain.setValueAtTime(SILENT, from);
      volume.gain.exponentialRampToValueAtTime(LOUDNESS, from + 0.02);
      volume.gain.exponentialRampToValueAtTime(SILENT, from + NOTE_SECONDS);
      note.connect(volume).connect(context.destination);
      note.start(from);
      note.stop(from + NOTE_SECONDS);
    });
  }
}
