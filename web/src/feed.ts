// The socket's shell: carries out what the connection machine commands, and hands text on.

import { Connection, closeReason, type Happening, type Status } from "./connection";

const TICK_MS = 250;

export interface Listener {
  text(data: unknown, now: number): void;
  /** The state changed, or a second passed. */
  status(): void;
}

export class Feed {
  readonly #address: string;
  readonly #listener: Listener;
  readonly #connection: Connection;
  #socket: WebSocket | undefined;
  #connects = 0;

  constructor(address: string, listener: Listener) {
    this.#address = address;
    this.#listener = listener;
    this.#connection = new Connection(performance.now(), Math.random);
  }

  get status(): Status {
    return this.#connection.status;
  }

  get failures(): number {
    return this.#connection.failures;
  }

  /** Connections that brought data, the first included. */
  get connects(): number {
    return this.#connects;
  }

  start(): void {
    this.#open();
    setInterval(() => this.#happen({ type: "tick" }), TICK_MS);
    // Back from the tunnel, or back to the tab: no reason to sit out a wait that was meant for a dead line.
    addEventListener("online", () => this.#happen({ type: "retry" }));
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.#happen({ type: "retry" });
    });
  }

  #happen(happening: Happening): void {
    const command = this.#connection.on(happening, performance.now());
    if (command === "open") this.#open();
    if (command === "close") this.#drop();
    this.#listener.status();
  }

  #open(): void {
    this.#drop();
    let socket: WebSocket;
    try {
      socket = new WebSocket(this.#address);
    } catch (error) {
      // The browser refuses the address itself, e.g. ws: from a page on https.
      if (!(error instanceof DOMException)) throw error;
      this.#happen({ type: "closed", reason: error.message });
      return;
    }
    this.#socket = socket;
    let isFirst = true;
    socket.addEventListener("message", ({ data }) => {
      if (socket !== this.#socket) return;
      if (isFirst) {
        isFirst = false;
        this.#connects += 1;
      }
      const wasLive = this.#connection.status.name === "live";
      const now = performance.now();
      this.#connection.on({ type: "frame" }, now);
      this.#listener.text(data, now);
      if (!wasLive) this.#listener.status();
    });
    socket.addEventListener("close", ({ code, reason }) => {
      if (socket !== this.#socket) return;
      this.#socket = undefined;
      this.#happen({ type: "closed", reason: closeReason(code, reason) });
    });
  }

  #drop(): void {
    this.#socket?.close();
    this.#socket = undefined;
  }
}
