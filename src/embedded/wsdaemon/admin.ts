/** Node daemons over HTTP, below /embedded/v1/node-daemons: what they hold, and their faults. */
import { status } from "@grpc/grpc-js";
import type { JsonObject } from "../../domain/json.ts";
import { checkMembers, numberOf, percentOf, textOf } from "../apiserver/admin.ts";
import type { AdminActions } from "../apiserver/admin.ts";
import { badRequest } from "../apiserver/errors.ts";
import { nodeDaemonMethods } from "./contents.ts";
import type { NodeContent, NodeDaemonMethod } from "./contents.ts";
import type { NodeFault } from "./faults.ts";
import type { NodeDaemons } from "./fleet.ts";
import type { EmbeddedNodeDaemon } from "./index.ts";
import { kindOf } from "./initializers.ts";
import type { NodeDaemonService } from "./service.ts";

/** GET node-daemons: what they are and hold; POST node-daemons/faults: a {@link NodeFault}; DELETE node-daemons/faults: none any more. */
export function nodeDaemonActions(all: NodeDaemons): AdminActions {
  return new Map<string, (body: JsonObject) => JsonObject>([
    ["GET node-daemons", () => ({ port: all.port, daemons: all.daemons.map(shownDaemon), objects: [...all.storage.urls()] })],
    ["POST node-daemons/faults", (body) => {
      all.faults.add(faultOf(body, all.daemons.flatMap(({ service }) => [...service.nodes])));
      return {};
    }],
    ["DELETE node-daemons/faults", () => {
      all.faults.clear();
      return {};
    }],
  ]);
}

function shownDaemon({ service, host, port }: EmbeddedNodeDaemon): JsonObject {
  const { nodes, serving, contents } = service;
  return { nodes: [...nodes], address: `${host}:${port}`, serving, workspaces: contents.list().map(shownContent), calls: countsOf(service) };
}

/** Of an initializer the kind alone is shown. */
function shownContent({ id, owner, metaId, initializer, state, snapshots, backups }: NodeContent): JsonObject {
  return { id, owner, metaId, initializer: kindOf(initializer), state, snapshots, backups };
}

/** How many of the last calls each method had. */
function countsOf({ calls }: NodeDaemonService): JsonObject {
  return Object.fromEntries(nodeDaemonMethods.map((method) => [method, calls.filter((call) => call.method === method).length]));
}

const members = ["node", "method", "workspace", "code", "message", "delayMs", "afterwards", "percent", "times"];

/** @param nodes those that there are. */
function faultOf(body: JsonObject, nodes: readonly string[]): NodeFault {
  checkMembers(body, members);
  return {
    node: nodeOf(textOf(body, "node"), nodes), method: methodOf(textOf(body, "method")), workspace: textOf(body, "workspace"), code: codeOf(body["code"]), message: textOf(body, "message"),
    delayMs: numberOf(body, "delayMs"), afterwards: flagOf(body, "afterwards"), percent: percentOf(body), times: numberOf(body, "times"),
  };
}

function nodeOf(name: string | undefined, nodes: readonly string[]): string | undefined {
  if (name !== undefined && !nodes.includes(name)) throw badRequest(`node: no such node: ${name}; there are ${nodes.join(", ")}`);
  return name;
}

function methodOf(name: string | undefined): NodeDaemonMethod | undefined {
  const method = nodeDaemonMethods.find((known) => known === name);
  if (name !== undefined && !method) throw badRequest(`method: no such method: ${name}; there are ${nodeDaemonMethods.join(", ")}`);
  return method;
}

/** By name and by number. */
const codes: ReadonlyMap<unknown, number> = new Map<unknown, number>(Object.entries(status).flatMap(([name, code]): (readonly [unknown, number])[] => (typeof code === "number" && code !== status.OK ? [[name, code], [code, code]] : [])));

/** A gRPC status, by its name or its number. */
function codeOf(value: unknown): number | undefined {
  const code = codes.get(value);
  if (value !== undefined && code === undefined) throw badRequest(`code: must be a gRPC status other than OK, such as "UNAVAILABLE"`);
  return code;
}

function flagOf(body: JsonObject, name: string): boolean | undefined {
  const value = body[name];
  if (value === undefined || typeof value === "boolean") return value;
  throw badRequest(`${name}: must be true or false`);
}
