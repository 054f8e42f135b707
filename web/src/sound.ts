// The coin that falls with every fill: silent until asked for, and the wish is remembered.

const KEY = "opensqt.sound";
/** A burst of fills is one clatter, not a hundred. */
const SPACING_MS = 140;
const VOICES = 3;

export class Sound {
  readonly #voices: HTMLAudioElement[] = [];
  readonly #source: string;
  #on = recall();
  #last = Number.NEGATIVE_INFINITY;
  #played = 0;
  #blocked = false;

  constructor(source: string) {
    this.#source = source;
  }

  get isOn(): boolean {
    return this.#on;
  }

  /** The browser wants a click on the page before it lets anything sound. */
  get isBlocked(): boolean {
    return this.#on && this.#blocked;
  }

  get played(): number {
    return this.#played;
  }

  toggle(): void {
    this.#on = !this.#on;
    this.#blocked = false;
    remember(this.#on);
    if (this.#on) void this.#play();
  }

  /** A gesture somewhere on the page: what was blocked is allowed now. */
  allow(): void {
    this.#blocked = false;
  }

  fill(now: number): void {
    if (!this.#on || now - this.#last < SPACING_MS) return;
    this.#last = now;
    void this.#play();
  }

  async #play(): Promise<void> {
    const voice = this.#voice();
    voice.currentTime = 0;
    try {
      await voice.play();
      this.#played += 1;
      this.#blocked = false;
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
      // AbortError: the next coin took this voice. Anything else: blocked by the browser, or no sound to load.
      if (error.name !== "AbortError") this.#blocked = true;
    }
  }

  #voice(): HTMLAudioElement {
    const idle = this.#voices.find((voice) => voice.paused || voice.ended);
    if (idle !== undefined) return idle;
    const [oldest] = this.#voices;
    if (oldest !== undefined && this.#voices.length >= VOICES) return oldest;
    const voice = new Audio(this.#source);
    this.#voices.push(voice);
    return voice;
  }
}

function recall(): boolean {
  try {
    return localStorage.getItem(KEY) === "on";
  } catch {
    return false; // storage is forbidden here: the wish lasts as long as the page
  }
}

function remember(on: boolean): void {
  try {
    localStorage.setItem(KEY, on ? "on" : "off");
  } catch {
    // as above
  }
}
