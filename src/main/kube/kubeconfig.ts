/** Reads kubeconfig files, and the service account of a pod, into the cluster and user that count. */
import { readFile } from "node:fs/promises";
import { dirname, isAbsolute, join, resolve } from "node:path";
import type { Cluster, Context, User } from "@kubernetes/client-node/dist/config_types.js";
import { newClusters, newContexts, newUsers } from "@kubernetes/client-node/dist/config_types.js";
import { reasonOf } from "../../domain/file-reasons.ts";
import { isRecord, member, stringMember } from "./json.ts";
import type { KubeSource } from "./source.ts";

/** A cluster, how to authenticate there, and the namespace of the context. */
export interface Login {
  readonly cluster: Cluster;
  readonly user: User | undefined;
  /** File that holds the bearer token and is read again and again. */
  readonly tokenFile: string | undefined;
  readonly namespace: string | undefined;
}

interface Entries {
  readonly clusters: readonly Cluster[];
  readonly users: readonly User[];
  readonly contexts: readonly Context[];
  /** User name to token file. */
  readonly tokenFiles: ReadonlyMap<string, string>;
  readonly currentContext: string | undefined;
}

/** Reads the source as it is now. Throws an Error that says which file is wrong; it never holds what stands in there. */
export async function readLogin(source: KubeSource): Promise<Login> {
  if (source.kind === "in-cluster") return inClusterLogin(source);
  const all: Entries[] = [];
  for (const file of source.files) all.push(await readEntries(file));
  const current = all.find((entries) => entries.currentContext)?.currentContext;
  const where = source.files.join(", ");
  const context = all.flatMap((entries) => entries.contexts).find(({ name }) => name === current);
  if (!current || !context) throw new Error(`kubeconfig ${where}: ${current ? `context ${current} is not there` : "current-context is not set"}`);
  const cluster = all.flatMap((entries) => entries.clusters).find(({ name }) => name === context.cluster);
  if (!cluster) throw new Error(`kubeconfig ${where}: cluster ${context.cluster} is not there`);
  const holder = all.find((entries) => entries.users.some(({ name }) => name === context.user));
  return {
    cluster,
    user: holder?.users.find(({ name }) => name === context.user),
    tokenFile: holder?.tokenFiles.get(context.user),
    namespace: context.namespace,
  };
}

async function inClusterLogin(source: Extract<KubeSource, { kind: "in-cluster" }>): Promise<Login> {
  const host = source.host.includes(":") ? `[${source.host}]` : source.host;
  const namespace = await readFile(join(source.directory, "namespace"), "utf8").catch(() => "");
  return {
    cluster: { name: "in-cluster", server: `https://${host}:${source.port}`, caFile: join(source.directory, "ca.crt"), skipTLSVerify: false },
    user: { name: "service-account" },
    tokenFile: join(source.directory, "token"),
    namespace: namespace.trim() || undefined,
  };
}

async function readEntries(file: string): Promise<Entries> {
  const entries = await interpret(await textOf(file), dirname(resolve(file)));
  if (typeof entries === "string") throw new Error(`kubeconfig ${file} ${entries}`);
  return entries;
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    throw new Error(`kubeconfig ${file} can not be read: ${reasonOf(error)}`, { cause: error });
  }
}

/** What is in the text, or what is wrong with it. Errors of the parser are dropped: they quote the text, which holds credentials. */
async function interpret(text: string, directory: string): Promise<Entries | string> {
  try {
    const config: unknown = await parsed(text);
    if (!isRecord(config)) return "is not a kubeconfig";
    const users = config["users"];
    return {
      clusters: newClusters(config["clusters"]).map((cluster) => ({ ...cluster, ...absolute(directory, { caFile: cluster.caFile }) })),
      users: newUsers(users).map((user) => absoluteUser(directory, user)),
      contexts: newContexts(config["contexts"]),
      tokenFiles: new Map(Array.isArray(users) ? users.flatMap((entry) => tokenFileOf(directory, entry)) : []),
      currentContext: stringMember(config, "current-context"),
    };
  } catch (error) {
    // client-node names the missing member, "clusters[0].name is missing".
    const known = error instanceof Error && /^\w+\[\d+\][\w.]* is missing$/.test(error.message);
    return known ? `is not a kubeconfig: ${error.message}` : "is not a kubeconfig";
  }
}

/** JSON, which needs nothing to be loaded, or YAML. */
async function parsed(text: string): Promise<unknown> {
  if (text.trimStart().startsWith("{")) {
    try {
      const value: unknown = JSON.parse(text);
      return value;
    } catch {
      // YAML may begin like that, too.
    }
  }
  return (await import("yaml")).parse(text);
}

function tokenFileOf(directory: string, entry: unknown): [string, string][] {
  const name = stringMember(entry, "name");
  const file = stringMember(member(entry, "user"), "tokenFile");
  return name && file ? [[name, fromDirectory(directory, file)]] : [];
}

/** Files in a kubeconfig are relative to it; so is the command of an exec plugin if it is a path. */
function absoluteUser(directory: string, user: User): User {
  const exec: unknown = user.exec;
  const command = stringMember(exec, "command");
  return {
    ...user,
    ...absolute(directory, { certFile: user.certFile, keyFile: user.keyFile }),
    ...(isRecord(exec) && command?.includes("/") ? { exec: { ...exec, command: fromDirectory(directory, command) } } : {}),
  };
}

function absolute(directory: string, files: Record<string, string | undefined>): Record<string, string> {
  const result: Record<string, string> = {};
  for (const [key, file] of Object.entries(files)) if (file) result[key] = fromDirectory(directory, file);
  return result;
}

function fromDirectory(directory: string, file: string): string {
  return isAbsolute(file) ? file : join(directory, file);
}
