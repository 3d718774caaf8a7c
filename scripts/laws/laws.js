// What the law of laws.yml finds in scripts, and what it lets be. Read by semgrep and never run.
export function show(element, text) {
  // ruleid: no-text-becomes-script-or-markup
  element.innerHTML = text;
  // ok: no-text-becomes-script-or-markup
  element.textContent = text;
  // ruleid: no-text-becomes-script-or-markup
  element.insertAdjacentHTML("beforeend", text);
}
