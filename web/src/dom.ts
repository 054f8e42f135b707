// Small helpers over the document. They write only what changed: layout is what costs.

const found = new Map<string, HTMLElement>();

/** The one element of live.html with this `data-testid`. */
export function element(testId: string): HTMLElement {
  const known = found.get(testId) ?? document.querySelector(`[data-testid="${testId}"]`);
  if (!(known instanceof HTMLElement)) throw new Error(`live.html has no element "${testId}"`);
  found.set(testId, known);
  return known;
}

export function show(testId: string, text: string, attributes: Readonly<Record<string, string>> = {}): void {
  const target = element(testId);
  if (target.textContent !== text) target.textContent = text;
  mark(testId, attributes);
}

export function mark(testId: string, attributes: Readonly<Record<string, string>>): void {
  const target = element(testId);
  for (const [name, value] of Object.entries(attributes)) {
    if (target.getAttribute(name) !== value) target.setAttribute(name, value);
  }
}

/** Shows a notice, or hides it when it has nothing to say. */
export function notice(testId: string, text: string): void {
  show(testId, text);
  element(testId).hidden = text === "";
}

export function make(tag: string, className: string, ...content: readonly (Node | string)[]): HTMLElement {
  const made = document.createElement(tag);
  made.className = className;
  made.append(...content);
  return made;
}
