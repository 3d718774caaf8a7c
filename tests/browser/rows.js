// What the tests of the rows ask of the page. Evaluated once in it; then `look.…` is there.
(() => {
  const now = Date.now.bind(Date);
  const observed = { subtree: true, attributes: true, characterData: true, childList: true };

  window.look = {
    /** The browser's clock, from now on so many ms ahead of the real one. */
    setClock(ms) {
      Date.now = () => now() + ms;
    },

    /** Every state that a row was in, and every age that it showed, from now on in `look.seen`. */
    watchRow(symbol) {
      const row = document.querySelector(`[data-testid="row-${symbol}"]`);
      const age = row.querySelector("[data-part=age]");
      const seen = (this.seen = { states: [row.dataset.state], ages: [age.textContent] });
      new MutationObserver(() => {
        seen.states.push(row.dataset.state);
        seen.ages.push(age.textContent);
      }).observe(row, observed);
    },

    /** What the live region says, from now on in `look.said`. */
    listen() {
      const live = document.querySelector("#live");
      this.said = "";
      new MutationObserver(() => {
        this.said += `${live.textContent}\n`;
      }).observe(live, observed);
    },

    /** Texts and signs of one row that lie over each other. */
    overlaps() {
      const found = [];
      for (const row of document.querySelectorAll("tbody .row")) {
        const boxes = [...row.querySelectorAll("a, [data-part], .icon, .arrow, .trend")]
          .filter((part) => part.checkVisibility())
          .map(boxOf)
          .filter((box) => box.right - box.left > 0.5);
        for (const [i, a] of boxes.entries()) {
          for (const b of boxes.slice(i + 1)) {
            const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
            const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
            if (across > 1 && down > 3) found.push(`${row.dataset.symbol}: ${a.name} over ${b.name}`);
          }
        }
      }
      return found;
    },

    /** In how many of so many frames, after they were painted, the sum is not that of the rows. */
    differingSums(frames) {
      const count = (direction) => document.querySelectorAll(`tbody .c-change[data-direction=${direction}]`).length;
      return new Promise((done) => {
        let differing = 0;
        const compare = (left) => {
          const sum = document.querySelector("#summary").textContent;
          if (!sum.endsWith(`· ${count("up")} up · ${count("down")} down`)) differing += 1;
          if (left === 0) done(differing);
          else requestAnimationFrame(() => setTimeout(compare, 0, left - 1));
        };
        compare(frames);
      });
    },
  };

  /** Where its text is. One that is cut with an ellipsis ends where it is cut. */
  function boxOf(part) {
    const range = document.createRange();
    range.selectNodeContents(part);
    const { left, right, top, bottom } = (part instanceof SVGElement ? part : range).getBoundingClientRect();
    const isCut = getComputedStyle(part).textOverflow === "ellipsis";
    const end = isCut ? Math.min(right, part.getBoundingClientRect().right) : right;
    return { name: part.dataset.part ?? part.getAttribute("class"), left, right: end, top, bottom };
  }
})();
