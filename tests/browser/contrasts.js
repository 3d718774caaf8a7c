/**
 * The contrast of each text as painted: its colour on the nearest background that is not see-through.
 * A canvas turns any CSS colour into bytes of sRGB. Formula: WCAG 2.2, "relative luminance".
 */
() => {
  const context = document.createElement("canvas").getContext("2d", { willReadFrequently: true });

  const bytes = (colour) => {
    context.clearRect(0, 0, 1, 1);
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data];
  };

  const linear = (byte) => {
    const value = byte / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };

  const luminance = ([red, green, blue]) => 0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue);

  const behind = (element) => {
    for (let at = element; at !== null; at = at.parentElement) {
      const colour = bytes(getComputedStyle(at).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255, 255];
  };

  const unseen = (element) => element.closest("script, template, noscript, .sr-only, .skip") !== null || !element.checkVisibility();
  const flashes = (element) => element.getAnimations().length > 0;

  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.data.trim();
    if (text === "" || unseen(element) || flashes(element)) continue;
    const colours = [bytes(getComputedStyle(element).color), behind(element)];
    const [lighter, darker] = colours.map(luminance).sort((a, b) => b - a);
    found.push([text, (lighter + 0.05) / (darker + 0.05)]);
  }
  return found;
}
