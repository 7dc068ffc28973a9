/** Addresses of gRPC servers that are called: what the library would find to be wrong only with the first call. */

/** A name or an address (IPv6 in brackets) with its port. */
const hostAndPort = /^(?:[\w-]+(?:\.[\w-]+)*\.?|\[[\da-f:.]+\]):([1-9]\d{0,4})$/i;

/** Whether a text is HOST:PORT, alone or after `dns:` (`dns:///HOST:PORT`), or the path of a socket after `unix:`. */
export function isGrpcTarget(text: string): boolean {
  if (/[\s\p{Cc}]/u.test(text)) return false;
  if (text.startsWith("unix:")) return /^unix:(?:\/|\/\/\/)?[^/]/.test(text);
  const port = hostAndPort.exec(text.replace(/^dns:(?:\/\/[^/]*\/)?/, ""))?.[1];
  return port !== undefined && Number(port) <= 65_535;
}
