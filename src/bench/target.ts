/** How a daemon that is there already is reached, by the flags that tell. */
import { readFile } from "node:fs/promises";
import type { Endpoint } from "./load/grpc-stream.ts";
import type { Options } from "./options.ts";

/** Where the daemon of --target is, with the content of the files of the --tls flags; undefined: none is named. @throws Error for a file that can not be read. */
export async function targetOf({ target, tls, tlsCa, tlsCert, tlsKey }: Options): Promise<Endpoint | undefined> {
  if (!target) return undefined;
  const [ca, cert, key] = await Promise.all([tlsCa, tlsCert, tlsKey].map(async (file) => (file === undefined ? undefined : readFile(file, "utf8"))));
  const secure = tls === true || ca !== undefined || cert !== undefined;
  return { ...target, tls: secure ? { ca, cert, key } : undefined };
}
