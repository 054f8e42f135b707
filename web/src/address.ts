// Which daemon the page talks to.

export interface Addresses {
  readonly socket: string;
  readonly health: string;
  /** Without its query. */
  readonly history: string;
}

/**
 * `?ws=` wins over `<meta name="opensqt-ws">`, which wins over the page's own origin. An address without a scheme gets
 * the page's; one without a path gets `ws` beside the page. Undefined when what was asked for is no address.
 */
export function chooseAddresses(page: string, meta: string): Addresses | undefined {
  const here = new URL(page);
  const asked = here.searchParams.get("ws")?.trim() || meta.trim();
  const socket = asked === "" ? new URL("ws", withoutQuery(here)) : parse(asked, here);
  if (socket === undefined) return undefined;
  socket.protocol = isSecure(socket) ? "wss:" : "ws:";
  if (socket.pathname === "/") socket.pathname = "/ws";
  socket.hash = "";
  const symbol = here.searchParams.get("symbol");
  if (symbol !== null && symbol !== "") socket.searchParams.set("symbol", symbol);
  return { socket: socket.href, health: beside(socket, "health"), history: beside(socket, "api/history") };
}

function parse(asked: string, here: URL): URL | undefined {
  try {
    const isPath = asked.startsWith("/") && !asked.startsWith("//");
    const hasScheme = /^[a-z]+:\/\//i.test(asked);
    const url = new URL(isPath || hasScheme ? asked : `${here.protocol}//${asked.replace(/^\/\//, "")}`, here);
    return /^(wss?|https?):$/.test(url.protocol) && url.username === "" && url.password === "" ? url : undefined;
  } catch {
    return undefined; // the URL parser's one way to say "no address"
  }
}

function isSecure(url: URL): boolean {
  return url.protocol === "https:" || url.protocol === "wss:";
}

function beside(socket: URL, path: string): string {
  const url = new URL(path, withoutQuery(socket));
  url.protocol = isSecure(socket) ? "https:" : "http:";
  return url.href;
}

function withoutQuery(url: URL): URL {
  const bare = new URL(url);
  bare.search = "";
  bare.hash = "";
  return bare;
}
