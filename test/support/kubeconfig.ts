/** Reads what tests need of a kubeconfig file: the current context's server and credentials. */
import { readFile } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { parse } from "yaml";
import { record, records, text } from "../../src/embedded/kubelet/json.ts";
import type { Json } from "../../src/embedded/kubelet/json.ts";

/** How to reach an API server. */
export interface KubeConnection {
  readonly url: string;
  readonly token?: string;
  /** PEM. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly insecure: boolean;
  /** Namespace of the context. */
  readonly namespace: string;
}

/** Reads the file. Throws if the current context is not complete. */
export async function readKubeconfig(path: string): Promise<KubeConnection> {
  const config = record(parse(await readFile(path, "utf8")));
  const context = named(config["contexts"], text(config["current-context"]), "context");
  const cluster = named(config["clusters"], text(context["cluster"]), "cluster");
  const user = context["user"] === undefined ? {} : named(config["users"], text(context["user"]), "user");
  const url = text(cluster["server"]).replace(/\/$/, "");
  if (url === "") throw new Error(`${path}: the current context's cluster has no server`);
  const [token, ca, cert, key] = await Promise.all([
    user["token"] === undefined ? fileOf(path, user["tokenFile"]) : text(user["token"]),
    pem(path, cluster, "certificate-authority"), pem(path, user, "client-certificate"), pem(path, user, "client-key"),
  ]);
  return {
    url, insecure: cluster["insecure-skip-tls-verify"] === true, namespace: text(context["namespace"], "default"),
    ...(token ? { token: token.trim() } : {}), ...(ca ? { ca } : {}), ...(cert ? { cert } : {}), ...(key ? { key } : {}),
  };
}

function named(list: unknown, name: string, kind: string): Json {
  const found = records(list).find((entry) => entry["name"] === name);
  if (!found) throw new Error(`kubeconfig has no ${kind} "${name}"`);
  return record(found[kind]);
}

async function pem(path: string, source: Json, member: string): Promise<string | undefined> {
  const data = text(source[`${member}-data`]);
  return data === "" ? fileOf(path, source[member]) : Buffer.from(data, "base64").toString("utf8");
}

async function fileOf(path: string, file: unknown): Promise<string | undefined> {
  return typeof file === "string" && file !== "" ? readFile(resolve(dirname(path), file), "utf8") : undefined;
}
