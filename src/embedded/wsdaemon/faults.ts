/** How calls to node daemons go wrong, or late, on demand. */
import { Rules } from "../rules.ts";
import type { Rule } from "../rules.ts";
import type { NodeDaemonMethod } from "./contents.ts";

/** Which calls a fault strikes, and how. What is left out matches everything. */
export interface NodeFault extends Rule {
  readonly node?: string | undefined;
  readonly method?: NodeDaemonMethod | undefined;
  /** ID of a workspace. */
  readonly workspace?: string | undefined;
  /** How long the call takes, milliseconds. */
  readonly delayMs?: number | undefined;
  /** gRPC status instead of the answer; nothing is done then. */
  readonly code?: number | undefined;
  readonly message?: string | undefined;
  /** The call is done all the same, as where an answer is lost. */
  readonly afterwards?: boolean | undefined;
}

/** A call as rules see it. */
export interface NodeFaultTarget {
  /** Nodes whose daemon it came to: one, or all where they share one. */
  readonly nodes: readonly string[];
  readonly method: NodeDaemonMethod;
  readonly workspace: string;
}

/** The rules for all node daemons. */
export type NodeFaults = Rules<NodeFault, NodeFaultTarget>;

/** Makes an empty list. @param random gives numbers from 0 to below 1, for faults that strike a share of the calls. */
export function nodeFaults(random: () => number = Math.random): NodeFaults {
  return new Rules(fits, random);
}

function fits(rule: NodeFault, { nodes, method, workspace }: NodeFaultTarget): boolean {
  return (rule.node === undefined || nodes.includes(rule.node)) && (rule.method ?? method) === method && (rule.workspace ?? workspace) === workspace;
}
