// The chart's colours are the style sheet's: one place to change them, and they follow the system's dark or light.

export interface Colours {
  readonly text: string;
  readonly grid: string;
  readonly border: string;
  readonly buy: string;
  readonly sell: string;
  readonly buySoft: string;
  readonly sellSoft: string;
  readonly label: string;
}

export function readColours(): Colours {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return {
    text: colour("muted"),
    grid: colour("grid"),
    border: colour("line"),
    buy: colour("buy"),
    sell: colour("sell"),
    buySoft: colour("buy-soft"),
    sellSoft: colour("sell-soft"),
    label: colour("label"),
  };
}

export function onThemeChange(changed: () => void): void {
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
}
