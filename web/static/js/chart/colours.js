/** The colours of the page as the picture needs them. */

/** @typedef {ReturnType<typeof coloursOf>} Colours */

/**
 * The library wants plain colours; the style sheet has `light-dark()` and the system's own colours, which
 * only an element resolves. It is one whose colours are not forced: else each would read as that of text.
 * @param {HTMLElement} container
 */
export function coloursOf(container) {
  const probe = document.createElement("i");
  probe.className = "chart-probe";
  container.append(probe);
  const resolve = (/** @type {string} */ name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const colours = {
    paper: resolve("color-paper"),
    ink: resolve("color-ink"),
    muted: resolve("color-muted"),
    rule: resolve("color-rule"),
    warn: resolve("color-warn"),
    compare: resolve("overlay-compare"),
    up: resolve("up"),
    down: resolve("down"),
    sma: resolve("overlay-sma"),
    ema: resolve("overlay-ema"),
    rsi: resolve("overlay-rsi"),
    volatility: resolve("overlay-volatility"),
  };
  probe.remove();
  return colours;
}
