/** mTLS for servers: client certificates required, certificate files read again when they change. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { createSecureContext } from "node:tls";
import type { SecureContextOptions } from "node:tls";
import { ServerCredentials } from "@grpc/grpc-js";
import type { Clock } from "../../domain/clock.ts";
import { messageOf } from "../../domain/errors.ts";
import type { Log } from "../../domain/log.ts";

/** Paths of PEM files. */
export interface TlsFiles {
  /** Authorities that client certificates must come from. */
  readonly ca: string;
  /** The server's certificate, followed by its intermediates. */
  readonly crt: string;
  readonly key: string;
}

/** Settings of TLS that follow their files. */
export interface WatchedContext {
  /** As the files were when they were first read. */
  readonly context: SecureContextOptions;
  /** Stops looking at the files. */
  close(): void;
}

/** Credentials that follow their files. */
export interface WatchedCredentials {
  readonly credentials: ServerCredentials;
  /** Stops looking at the files. */
  close(): void;
}

/** What servers ask of clients beside that. */
export const clientRules = { requestCert: true, rejectUnauthorized: true, minVersion: "TLSv1.2" } as const;

interface Material {
  readonly ca: Buffer;
  readonly crt: Buffer;
  readonly key: Buffer;
}

/** How often the files are looked at, milliseconds. */
export const pollIntervalMs = 10_000;
const maxFileBytes = 1024 * 1024;

/**
 * grpc-js' own reloading credentials can't be told a minimum TLS version, and drop all connections while files do not match;
 * these switch the context of new connections and leave open ones alone.
 */
class ReloadableCredentials extends ServerCredentials {
  constructor(context: SecureContextOptions) {
    super(clientRules, context);
  }

  replace(context: SecureContextOptions): void {
    this.updateSecureContextOptions(context);
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}

function contextOptions(material: Material): SecureContextOptions {
  return { ca: material.ca, cert: material.crt, key: material.key, minVersion: "TLSv1.2" };
}

/** How files are watched. */
export interface WatchOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** Default: 10 s. */
  readonly intervalMs?: number;
}

/** As {@link watchTlsContext}, for the gRPC server. */
export async function watchTls(files: TlsFiles, options: WatchOptions): Promise<WatchedCredentials> {
  const watched = await watchTlsContext(files, options, (context) => credentials.replace(context));
  const credentials = new ReloadableCredentials(watched.context);
  return { credentials, close: () => watched.close() };
}

/**
 * Reads the files, and again every 10 s (secret volumes swap symbolic links, which file system events miss). What was read takes effect, by way of `replace`, if
 * it parses, the key belongs to the certificate, and that has not expired; otherwise a warning says what is wrong, once, and the former stays.
 * @throws Error naming the file, if the files can not be used to begin with. An expired certificate is only warned of here.
 */
export async function watchTlsContext(files: TlsFiles, options: WatchOptions, replace: (context: SecureContextOptions) => void): Promise<WatchedContext> {
  const { clock, log } = options;
  let current = await read(files);
  const expired = check(current, files, clock.now());
  if (expired !== undefined) log.warn({ file: files.crt }, expired);
  const context = contextOptions(current);
  let lastProblem: string | undefined;
  let closed = false;

  const reload = async (): Promise<void> => {
    const next = await read(files);
    if (same(next, current)) return;
    const problem = check(next, files, clock.now());
    if (problem !== undefined) throw new Error(problem);
    if (closed) return;
    replace(contextOptions(next));
    current = next;
    log.info({ ...files }, "TLS certificates were read again");
  };
  const poll = async (): Promise<void> => {
    try {
      await reload();
      lastProblem = undefined;
    } catch (error) {
      const problem = messageOf(error);
      if (problem !== lastProblem) log.warn({ problem }, "changed TLS files can not be used: the former certificates stay");
      lastProblem = problem;
    }
    if (!closed) schedule();
  };
  let cancel = (): void => {};
  const schedule = (): void => {
    cancel = clock.timer(options.intervalMs ?? pollIntervalMs, () => void poll());
  };
  schedule();
  return {
    context,
    close() {
      closed = true;
      cancel();
    },
  };
}

async function read(files: TlsFiles): Promise<Material> {
  const [ca, crt, key] = await Promise.all([readBounded(files.ca), readBounded(files.crt), readBounded(files.key)]);
  return { ca, crt, key };
}

async function readBounded(file: string): Promise<Buffer> {
  const { size } = await stat(file);
  if (size > maxFileBytes) throw new Error(`${file} has ${size} bytes: too many for a PEM file`);
  return readFile(file);
}

function same(a: Material, b: Material): boolean {
  return a.ca.equals(b.ca) && a.crt.equals(b.crt) && a.key.equals(b.key);
}

/** Throws if the material can not be used at all; gives words if its certificate has expired. */
function check(material: Material, files: TlsFiles, now: number): string | undefined {
  certificates(material.ca, files.ca);
  const [own] = certificates(material.crt, files.crt);
  const key = attempt(`${files.key} holds no usable private key`, () => createPrivateKey(material.key));
  if (!own.checkPrivateKey(key)) throw new Error(`the key in ${files.key} does not belong to the certificate in ${files.crt}`);
  attempt(`${files.crt}, ${files.key} and ${files.ca} can not be used for TLS`, () => createSecureContext(contextOptions(material)));
  return own.validToDate.getTime() <= now ? `the certificate in ${files.crt} expired at ${own.validToDate.toISOString()}` : undefined;
}

function certificates(pem: Buffer, file: string): [X509Certificate, ...X509Certificate[]] {
  const blocks = pem.toString("latin1").match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  const [first, ...rest] = blocks.map((block, i) => attempt(`certificate ${i + 1} in ${file} does not parse`, () => new X509Certificate(block)));
  if (!first) throw new Error(`${file} holds no certificate`);
  return [first, ...rest];
}

function attempt<T>(problem: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new Error(`${problem}: ${messageOf(error)}`, { cause: error });
  }
}
