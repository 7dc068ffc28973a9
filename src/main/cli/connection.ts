/** Where a client command connects to, and how: address, TLS, deadline. */
import { credentials } from "@grpc/grpc-js";
import type { ChannelCredentials, ChannelOptions } from "@grpc/grpc-js";
import { messageOf } from "../../domain/errors.ts";
import { defaultAddress } from "../config/env.ts";
import { CliError, usageError } from "./errors.ts";
import { readNamed } from "./io.ts";

/** Flags of TLS. */
export interface TlsFlags {
  readonly tls?: boolean | undefined;
  readonly tlsCa?: string | undefined;
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  readonly tlsServerName?: string | undefined;
  readonly insecure?: boolean | undefined;
}

/** Flags of all client commands. */
export interface ConnectionFlags extends TlsFlags {
  readonly address?: string | undefined;
  /** Milliseconds that a call, or connecting, may take. */
  readonly timeout: number;
}

/** How to connect. */
export interface Connection {
  readonly address: string;
  readonly secure: boolean;
  readonly credentials: ChannelCredentials;
  readonly options: ChannelOptions;
  readonly timeoutMs: number;
}

/** A server that is connected to again and again, maybe for days. */
export interface Contact {
  readonly address: string;
  /** How to connect now: certificates are read anew each time, as they are exchanged from time to time. Rejects for files that can not be used. */
  readonly connection: () => Promise<Connection>;
}

/** As {@link connectionOf}, for a server that is connected to again and again. @throws as that does, if it could not be connected to now. */
export async function contactOf(flags: ConnectionFlags): Promise<Contact> {
  const { address } = await connectionOf(flags, undefined);
  return { address, connection: () => connectionOf(flags, undefined) };
}

/**
 * Makes sense of the flags; TLS is used if any flag of it is given.
 * @throws CliError for flags that contradict each other, Error for files that can not be read.
 */
export async function connectionOf(flags: ConnectionFlags, environmentAddress: string | undefined): Promise<Connection> {
  const address = checkAddress(flags.address ?? environmentAddress ?? defaultAddress);
  const secure = wantsTls(flags);
  const options = flags.tlsServerName === undefined ? {} : { "grpc.ssl_target_name_override": flags.tlsServerName, "grpc.default_authority": flags.tlsServerName };
  return { address, secure, credentials: secure ? await tlsCredentials(flags) : credentials.createInsecure(), options, timeoutMs: flags.timeout };
}

function wantsTls({ tls, tlsCa, tlsCert, tlsKey, tlsServerName, insecure }: ConnectionFlags): boolean {
  const secure = tls === true || [tlsCa, tlsCert, tlsKey, tlsServerName].some((flag) => flag !== undefined);
  if (secure && insecure) throw usageError("--insecure and TLS flags exclude each other");
  if ((tlsCert === undefined) !== (tlsKey === undefined)) throw usageError("--tls-cert and --tls-key belong together");
  return secure;
}

function checkAddress(address: string): string {
  if (address.startsWith(":")) return checkAddress(`127.0.0.1${address}`);
  const port = Number(/:(\d{1,5})$/.exec(address)?.[1] ?? 0);
  const fits = port <= 65_535 && /^(?:(?:dns|unix|ipv4|ipv6):.+|\[[^\]\s]+\]:\d{1,5}|[^:\s/]+:\d{1,5})$/.test(address);
  if (!fits) throw usageError(`${JSON.stringify(address)} is not an address`, "give HOST:PORT, as in --address 127.0.0.1:8080");
  return address;
}

async function tlsCredentials({ tlsCa, tlsCert, tlsKey }: ConnectionFlags): Promise<ChannelCredentials> {
  const read = async (flag: string, file: string | undefined): Promise<Buffer | null> => (file === undefined ? null : readNamed(flag, file));
  const [ca, cert, key] = await Promise.all([read("--tls-ca", tlsCa), read("--tls-cert", tlsCert), read("--tls-key", tlsKey)]);
  try {
    return credentials.createSsl(ca, key, cert);
  } catch (error) {
    throw new CliError(`the TLS files can not be used: ${messageOf(error)}`, { hint: "they must be PEM, and the key must belong to the certificate", cause: error });
  }
}
