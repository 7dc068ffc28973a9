/** Addresses to listen on, as Go writes them: ":8080", "127.0.0.1:8080", "[::1]:8080", "localhost:0". */

/** Where to listen. */
export interface ListenAddress {
  /** Undefined: on all interfaces. */
  readonly host: string | undefined;
  readonly port: number;
}

/** Parses an address; undefined if it is none. Port 0 lets the system choose. */
export function parseListenAddress(text: string): ListenAddress | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.%\w]+)\]|([^:[\]\s]*)):(\d{1,5})$/.exec(text);
  if (!match) return undefined;
  const port = Number(match[3]);
  if (port > 65535) return undefined;
  const host = match[1] ?? match[2] ?? "";
  return { host: host === "" ? undefined : host, port };
}

/** Whether only this machine (of a pod: only the pod) reaches what listens there. A name other than localhost may be anything. */
export function isLoopback({ host }: Pick<ListenAddress, "host">): boolean {
  return host !== undefined && (host === "localhost" || host === "::1" || /^127(?:\.\d{1,3}){3}$/.test(host));
}

/** Whether the second of two can not be listened on once the first is: the same port of the same host, or of all. A port that the system chooses is never taken. */
export function sharePort(one: ListenAddress, other: ListenAddress): boolean {
  return one.port !== 0 && one.port === other.port && (one.host === other.host || covers(one, other) || covers(other, one));
}

/** Whether the first is one of all addresses, among them the second's. All of IPv4 are not all of IPv6. */
function covers({ host }: ListenAddress, other: ListenAddress): boolean {
  return host === undefined || host === "::" || (host === "0.0.0.0" && !(other.host?.includes(":") ?? false));
}
