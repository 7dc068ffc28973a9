/** Command `explain`: a pod and its events, from the standard input or the cluster; what the daemon makes of them as JSON on the standard output. */
import { parseTimeMs } from "../../domain/rfc3339.ts";
import { withoutSecrets } from "../../domain/status-json.ts";
import { toDeriveConfig, toTimeouts, type Config } from "../config/index.ts";
import { loadConfig } from "./config-flags.ts";
import { exitCodes, failWithJson, usageError } from "./errors.ts";
import { explain } from "./explain.ts";
import { readInput, type Input, type Io } from "./io.ts";
import { reckoningOf } from "./reckoning.ts";
import { toSafeJson } from "./text.ts";

/** Flags of `explain`. */
export interface ExplainFlags {
  readonly config: string;
  /** Workspace of the cluster; without it, the standard input is read. */
  readonly id?: string | undefined;
  /** The cluster's, with id. */
  readonly kubeconfig?: string | undefined;
  /** RFC 3339; default: the clock's time. */
  readonly now?: string | undefined;
  /** RFC 3339; default: what the pod's own annotation says. */
  readonly lastActivity?: string | undefined;
  /** With id: the owner token, too. */
  readonly showSecrets?: boolean | undefined;
}

const podInput: Input = {
  what: 'a Pod, or {"pod": Pod, "events": [Event...]} (JSON)',
  instead: "give the ID of a workspace of the cluster",
  // No pod of Kubernetes, with its events, comes near this.
  maxBytes: 64 * 1024 * 1024,
};

/** Explains; what can not be done is told as failWithJson says, about a workspace of the cluster in words. Resolves with the exit code. @throws CliError for flags that are no times. */
export async function explainCommand(io: Io, flags: ExplainFlags): Promise<number> {
  const now = timeFlag("--now", flags.now) ?? io.clock.now();
  const lastActivity = timeFlag("--last-activity", flags.lastActivity);
  if (flags.id === undefined && flags.kubeconfig !== undefined) throw usageError("--kubeconfig is for workspaces of the cluster", "give the workspace's ID, or a pod on the standard input without --kubeconfig");
  try {
    // It makes no pod, so it needs no templates: they may be on the daemon's machine alone.
    const config = await loadConfig(io, flags.config, { elsewhere: true });
    const { input, ledSince } = await given(io, flags, config, now);
    const explained = explain(input, { derive: toDeriveConfig(config), timeouts: toTimeouts(config), reckoning: reckoningOf(config, { now: () => now }, ledSince) }, { now, ...(lastActivity === undefined ? {} : { lastActivity }) });
    // A pod that was given has its token in it; of one that is read from the cluster, nobody has seen it yet.
    const shown = flags.id === undefined || flags.showSecrets === true ? explained : { ...explained, status: withoutSecrets(explained.status) };
    io.stdout.write(`${toSafeJson(shown, 2)}\n`);
    return exitCodes.ok;
  } catch (error) {
    if (flags.id !== undefined) throw error;
    return failWithJson(io, error);
  }
}

function timeFlag(flag: string, text: string | undefined): number | undefined {
  const time = parseTimeMs(text);
  if (text !== undefined && time === undefined) throw usageError(`${flag}: ${JSON.stringify(text)} is not a time`, "give RFC 3339, as in 2026-01-31T12:00:00Z");
  return time;
}

/** What is to be explained, and since when there is a leader, Unix milliseconds. */
interface Given {
  readonly input: unknown;
  readonly ledSince: number;
}

/** A pod that is given is explained as by a leader who was always there. */
async function given(io: Io, { id, kubeconfig }: ExplainFlags, { manager: { namespace }, wsmand: { leaderElection } }: Config, now: number): Promise<Given> {
  if (id === undefined) return { input: parseInput(await readInput(io, podInput)), ledSince: 0 };
  const { readWorkspace } = await import("./explain-cluster.ts");
  const { pod, events, ledSince } = await readWorkspace(io, { id, kubeconfig, namespace, elected: leaderElection.enabled });
  // Where nobody leads, as by whoever begins now, or did then.
  return { input: { pod, events }, ledSince: ledSince ?? Math.min(now, io.clock.now()) };
}

/** The parser's own message quotes the input, which may hold tokens. */
function parseInput(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error('the standard input is not JSON: give {"pod": ..., "events": [...]}, or a Pod');
  }
}
