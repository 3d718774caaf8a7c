// A classic script that blocks the first paint on purpose: what was chosen is set before anything is
// drawn. "system" is the absence of the attribute; the style sheet then follows by itself.
(() => {
  try {
    const theme = localStorage.getItem("stockstream.theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
    const palette = localStorage.getItem("stockstream.palette");
    if (palette === "eastern" || palette === "blue-orange") document.documentElement.dataset.palette = palette;
  } catch {
    // Storage is forbidden: the system's theme it is.
  }
})();
