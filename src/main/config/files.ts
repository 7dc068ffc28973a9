/** Files that the daemon needs at its start: whether they can be read, told with what names them. */
import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { unreadable } from "../../domain/file-reasons.ts";
import type { Config } from "./types.ts";

/** @throws Error that names the key and the file, if a certificate file of the server can not be read. */
export async function checkServerFiles({ rpcServer }: Pick<Config, "rpcServer">): Promise<void> {
  if (rpcServer.tls === undefined) return;
  for (const name of ["ca", "crt", "key"] as const) await checkReadable(`rpcServer.tls.${name}`, rpcServer.tls[name]);
}

/** @throws Error in words, beginning with what names the file, if it can not be read. */
export async function checkReadable(namedBy: string, file: string): Promise<void> {
  try {
    await access(file, constants.R_OK);
  } catch (error) {
    throw unreadable(namedBy, file, error);
  }
}
