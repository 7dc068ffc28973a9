/**
 * Credentials for the API server, renewed when they change.
 * @kubernetes/client-node is used file by file, and only here and in kubeconfig.ts: its entry, and even its config.js, load every generated model, 50 MB resident,
 * where config_types.js (reading of kubeconfigs) and exec_auth.js (credential plugins) cost next to nothing. The legacy auth providers (oidc, gcp, azure) need the whole
 * of it; it is loaded when a kubeconfig uses one.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import type { ConnectionOptions } from "node:tls";
import type { User } from "@kubernetes/client-node/dist/config_types.js";
import { ExecAuth } from "@kubernetes/client-node/dist/exec_auth.js";
import type { Clock } from "../../domain/clock.ts";
import { messageOf } from "../../domain/errors.ts";
import { unreadable } from "../../domain/file-reasons.ts";
import { ifInstalled } from "../../domain/left-out.ts";
import type { Log } from "../../domain/log.ts";
import { isRecord, member, stringMember } from "./json.ts";
import type { Login } from "./kubeconfig.ts";
import { readLogin } from "./kubeconfig.ts";
import type { KubeSource } from "./source.ts";

/** All that a connection and a request need. Not to be logged. */
export interface Access {
  /** Origin of the API server. */
  readonly origin: string;
  /** Path in front of every request's path; "" or "/prefix". */
  readonly basePath: string;
  /** Namespace of the context, if it names one. */
  readonly namespace: string | undefined;
  /** Headers that authenticate. */
  readonly headers: Readonly<Record<string, string>>;
  readonly tls: Pick<ConnectionOptions, "ca" | "cert" | "key" | "servername" | "rejectUnauthorized">;
  readonly proxyUrl: string | undefined;
  /** Equal for accesses that can share connections: everything but the headers. */
  readonly connectionDigest: string;
}

/** Gives credentials. */
export interface AccessSource {
  /** What is valid now, as far as known. Rejects only if nothing could ever be read. */
  current(): Promise<Access>;
  /** The server refused this one (401): reads everything anew, runs a credential plugin again. Gives the same object if there is nothing new. */
  renew(refused: Access): Promise<Access>;
}

/** Files are looked at this often, milliseconds: a rotated token or certificate is in use after that, without a refused request. */
const rereadMs = 10_000;
/** No more than one forced renewal in this time. */
const renewEveryMs = 1_000;
/** How long a request waits for them to be read again, where it has some already. */
const patienceMs = 1_000;
/** How long a credential plugin may take. */
const pluginMs = 60_000;

/** Credentials from a kubeconfig or a service account. Every read goes to the files again, so that all kinds of rotation are noticed. */
export class Credentials implements AccessSource {
  readonly #source: KubeSource;
  readonly #clock: Clock;
  readonly #log: Log;
  #access: Access | undefined;
  #readAt = 0;
  #renewedAt = Number.NEGATIVE_INFINITY;
  #reading: Promise<Access> | undefined;
  #renewing: Promise<Access> | undefined;
  #plugin = new ExecAuth();
  #legacy: { readonly key: string; readonly apply: (headers: Record<string, string>) => Promise<void> } | undefined;
  #failing = false;

  constructor(source: KubeSource, clock: Clock, log: Log) {
    this.#source = source;
    this.#clock = clock;
    this.#log = log;
  }

  async current(): Promise<Access> {
    const known = this.#access;
    if (!known) return this.#read();
    if (this.#clock.monotonic() - this.#readAt < rereadMs) return known;
    return this.#readInTime(known);
  }

  async renew(refused: Access): Promise<Access> {
    if (this.#access && this.#access !== refused) return this.#access;
    if (!this.#renewing && this.#clock.monotonic() - this.#renewedAt < renewEveryMs) return refused;
    // All whose request was refused wait for the same renewal.
    this.#renewing ??= this.#renewOnce().finally(() => {
      this.#renewing = undefined;
    });
    return this.#renewing;
  }

  /** Reads anew; a plugin that takes long holds nobody up for long, since what is known may still do. */
  async #readInTime(known: Access): Promise<Access> {
    const late = Promise.withResolvers<Access>();
    const cancel = this.#clock.timer(patienceMs, () => late.resolve(known));
    try {
      return await Promise.race([this.#read(), late.promise]);
    } finally {
      cancel();
    }
  }

  async #renewOnce(): Promise<Access> {
    this.#renewedAt = this.#clock.monotonic();
    // A new one forgets the credential that was refused, although it had not expired.
    this.#plugin = new ExecAuth();
    await this.#reading?.catch(() => undefined);
    return this.#read();
  }

  /** Many requests, one reading. */
  async #read(): Promise<Access> {
    this.#reading ??= this.#readOnce().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #readOnce(): Promise<Access> {
    try {
      const access = await this.#build(await readLogin(this.#source));
      if (this.#failing) this.#log.info({}, "credentials for the API server can be read again");
      this.#failing = false;
      this.#access = this.#access && same(this.#access, access) ? this.#access : access;
    } catch (error) {
      // Half-written files and plugins that fail for a while: what we have may still do.
      if (!this.#access) throw error;
      if (!this.#failing) this.#log.warn({ error: messageOf(error) }, "credentials for the API server can not be read, keeping the last ones");
      this.#failing = true;
    }
    this.#readAt = this.#clock.monotonic();
    return this.#access;
  }

  async #build(login: Login): Promise<Access> {
    const { cluster, user } = login;
    const url = serverUrl(cluster.server);
    const headers: Record<string, string> = {};
    const pluginTls = await this.#authenticate(login, headers);
    const tls = {
      ...defined("ca", await fileOrData("certificate-authority", cluster.caFile, cluster.caData)),
      ...defined("cert", pluginTls.cert ?? (await fileOrData("client-certificate", user?.certFile, user?.certData))),
      ...defined("key", pluginTls.key ?? (await fileOrData("client-key", user?.keyFile, user?.keyData))),
      ...defined("servername", cluster.tlsServerName),
      ...(cluster.skipTLSVerify ? { rejectUnauthorized: false } : {}),
    };
    const proxyUrl = cluster.proxyUrl ?? undefined;
    const connectionDigest = createHash("sha256").update(JSON.stringify([url.origin, tls, proxyUrl])).digest("base64");
    return { origin: url.origin, basePath: url.pathname.replace(/\/$/, ""), namespace: login.namespace, headers, tls, proxyUrl, connectionDigest };
  }

  /** Sets the headers; gives the client certificate if a plugin made one. A token file goes before a token, as in kubectl. */
  async #authenticate(login: Login, headers: Record<string, string>): Promise<{ cert?: string; key?: string }> {
    const { user, tokenFile } = login;
    if (user?.impersonateUser) headers["impersonate-user"] = user.impersonateUser;
    if (tokenFile) headers["authorization"] = `Bearer ${(await textOf("tokenFile", tokenFile)).trim()}`;
    else if (!user) return {};
    else if (user.token) headers["authorization"] = `Bearer ${user.token.trim()}`;
    else if (user.username) headers["authorization"] = `Basic ${Buffer.from(`${user.username}:${user.password ?? ""}`).toString("base64")}`;
    else if (this.#plugin.isAuthProvider(user)) return this.#runPlugin(login, user, headers);
    else if (user.authProvider) await this.#legacyProvider(user, headers);
    return {};
  }

  async #runPlugin(login: Login, user: User, headers: Record<string, string>): Promise<{ cert?: string; key?: string }> {
    const exec: unknown = user.exec ?? member(member(user.authProvider, "config"), "exec");
    const command = stringMember(exec, "command") ?? "";
    const options: { headers: Record<string, string>; cert?: string; key?: string } = { headers: {} };
    const run = this.#plugin.applyAuthentication({ ...user, exec: withInfo(exec, login) }, options);
    // What the plugin printed can hold the credential: of its error only the code is looked at.
    const failure = await withDeadline(run, this.#clock, pluginMs).then(() => undefined, pluginFailure);
    if (failure) throw new Error(`credential plugin ${command} ${failure}`);
    const token = options.headers["Authorization"];
    if (token) headers["authorization"] = token;
    return { ...defined("cert", options.cert), ...defined("key", options.key) };
  }

  /** oidc, gcp and azure keep refreshed tokens in memory, so the object is kept while the user is the same. */
  async #legacyProvider(user: User, headers: Record<string, string>): Promise<void> {
    const key = JSON.stringify(user);
    if (this.#legacy?.key !== key) {
      const library = await ifInstalled(() => import("@kubernetes/client-node"));
      if (!library) throw new Error("the user of the kubeconfig has an auth-provider (oidc, gcp, azure), which the container image leaves out: use a token, a client certificate, a credential plugin or the service account");
      const config = new library.KubeConfig();
      config.loadFromClusterAndUser({ name: "cluster", server: "https://unused.invalid", skipTLSVerify: false }, user);
      this.#legacy = { key, apply: async (into) => {
        const options: { headers: Record<string, string> } = { headers: into };
        await config.applyToHTTPSOptions(options);
      } };
    }
    const set: Record<string, string> = {};
    await withDeadline(this.#legacy.apply(set), this.#clock, pluginMs);
    if (set["Authorization"]) headers["authorization"] = set["Authorization"];
  }
}

function same(a: Access, b: Access): boolean {
  return a.connectionDigest === b.connectionDigest && a.basePath === b.basePath && a.namespace === b.namespace && JSON.stringify(a.headers) === JSON.stringify(b.headers);
}

function serverUrl(server: string): URL {
  if (!URL.canParse(server)) throw new Error("the kubeconfig's cluster has a server that is not a URL");
  const url = new URL(server);
  if (url.protocol !== "https:" && url.protocol !== "http:") throw new Error(`the kubeconfig's cluster has a server of unknown scheme ${url.protocol}`);
  return url;
}

function pluginFailure(error: unknown): string {
  return stringMember(error, "code") === "ENOENT" ? "was not found" : "failed; run it by hand to see why";
}

/** Plugins are told which API version to answer in, and of the cluster if they ask for it (KUBERNETES_EXEC_INFO). */
function withInfo(exec: unknown, login: Login): unknown {
  if (!isRecord(exec)) return exec;
  const { cluster } = login;
  const about = { server: cluster.server, "tls-server-name": cluster.tlsServerName, "insecure-skip-tls-verify": cluster.skipTLSVerify, "certificate-authority-data": cluster.caData, "proxy-url": cluster.proxyUrl };
  const info = {
    apiVersion: stringMember(exec, "apiVersion") ?? "client.authentication.k8s.io/v1",
    kind: "ExecCredential",
    spec: { interactive: false, ...(exec["provideClusterInfo"] === true ? { cluster: about } : {}) },
  };
  const given: unknown[] = Array.isArray(exec["env"]) ? exec["env"] : [];
  return { ...exec, env: [...given, { name: "KUBERNETES_EXEC_INFO", value: JSON.stringify(info) }] };
}

async function withDeadline(work: Promise<void>, clock: Clock, ms: number): Promise<void> {
  const late = Promise.withResolvers<never>();
  const cancel = clock.timer(ms, () => late.reject(new Error("not in time")));
  try {
    await Promise.race([work, late.promise]);
  } finally {
    cancel();
  }
}

/** @param key the kubeconfig's, which names the file. @throws Error that says which file can not be read, and why. */
async function fileOrData(key: string, file: string | undefined, data: string | undefined): Promise<string | undefined> {
  if (file) return textOf(key, file);
  return data ? Buffer.from(data, "base64").toString("utf8") : undefined;
}

async function textOf(key: string, file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw unreadable(key, file, error);
  }
}

function defined<K extends string, V>(key: K, value: V | undefined): { [P in K]?: V } {
  const result: { [P in K]?: V } = {};
  if (value !== undefined) result[key] = value;
  return result;
}
