/** Command `preflight`: looks, before a change-over, at the old configuration, the cluster, rights, nodes and workspaces, and writes nothing. */
import { deadline, systemClock } from "../../../domain/clock.ts";
import { messageOf } from "../../../domain/errors.ts";
import { silentLog } from "../../../domain/log.ts";
import { ConfigError, load, type Config } from "../../config/index.ts";
import { lineOf } from "../../config/problems.ts";
import { KubeClient } from "../../kube/client.ts";
import { Credentials } from "../../kube/credentials.ts";
import { changesNothing } from "../../kube/read-only.ts";
import { findKubeSource, type KubeSource } from "../../kube/source.ts";
import { exitCodes, InterruptedError } from "../errors.ts";
import { wantsColor, type Io } from "../io.ts";
import { painter, sanitize } from "../text.ts";
import { count, problem, warning, type Check, type Context, type Finding } from "./check.ts";
import { apiServer, leader, namespace } from "./cluster-checks.ts";
import { ClusterView } from "./cluster-view.ts";
import { files } from "./files.ts";
import { namedObjects, storageClasses } from "./named-objects.ts";
import { nodes } from "./nodes.ts";
import { countOf, renderReport, reportJson, type Result } from "./report.ts";
import { rights } from "./rights.ts";
import { workspaces } from "./workspaces.ts";

/** Flags of `preflight`. */
export interface PreflightFlags {
  readonly config: string;
  readonly kubeconfig?: string | undefined;
  /** Whose rights are asked for. */
  readonly as?: string | undefined;
  /** How long a short check may take, milliseconds. */
  readonly timeout: number;
  /** Default yes; false: node daemons are not asked. */
  readonly nodes: boolean;
  readonly json?: boolean | undefined;
}

/** In the order in which they are made and told. */
const checks: readonly Check[] = [files, apiServer, namespace, rights, leader, storageClasses, namedObjects, workspaces, nodes];
/** Without it there is nothing to look at. */
const basis = apiServer.name;
/** Progress is told no more often than this, milliseconds. */
const progressMs = 2_000;

/** Checks, and tells. Resolves with the exit code: 0 without problems, else 1. @throws InterruptedError when the signal aborts. */
export async function preflight(io: Io, flags: PreflightFlags): Promise<number> {
  const source = sourceOf(io, flags);
  const { result, config } = await configuration(flags.config, !isInCluster(source));
  const chosen = checks.filter(({ name }) => flags.nodes || name !== nodes.name);
  const results = [result, ...(config ? await onCluster(io, flags, { config, source }, chosen) : chosen.map((check) => skipped(check, "the configuration can not be used")))];
  if (io.signal.aborted) throw new InterruptedError();
  const text = flags.json ? reportJson(results) : renderReport(results, painter(wantsColor(io))).join("\n");
  io.stdout.write(`${text}\n`);
  return countOf(results, "problem") > 0 ? exitCodes.error : exitCodes.ok;
}

/** @param elsewhere this is not where the daemon will be. */
async function configuration(file: string, elsewhere: boolean): Promise<{ readonly result: Result; readonly config?: Config }> {
  const what = { name: "configuration", title: "configuration" };
  try {
    const { config, warnings } = await load(file, { elsewhere });
    const findings: Finding[] = warnings.map(warning);
    const { manager } = config;
    return { config, result: { ...what, summary: `${file}: namespace ${manager.namespace}, ${count(manager.workspaceClasses.length, "class", "classes")}`, findings, data: { namespace: manager.namespace } } };
  } catch (error) {
    const findings = error instanceof ConfigError ? [...error.problems.map((one) => problem(lineOf(one))), ...error.warnings.map(warning)] : [problem(messageOf(error))];
    return { result: { ...what, summary: `${file} can not be used`, findings } };
  }
}

function skipped({ name, title }: Pick<Check, "name" | "title">, why: string): Result {
  return { name, title, summary: why, findings: [], skipped: true };
}

/** How the cluster is reached, or why it can not be. */
type Source = KubeSource | { readonly problem: string };

/** Only there are all files where the daemon finds them. */
function isInCluster(source: Source): boolean {
  return "kind" in source && source.kind === "in-cluster";
}

function sourceOf({ env }: Io, { kubeconfig }: PreflightFlags): Source {
  try {
    return findKubeSource({ kubeconfig, env: env.variables, home: env.home });
  } catch (error) {
    return { problem: messageOf(error) };
  }
}

async function onCluster(io: Io, flags: PreflightFlags, { config, source }: { readonly config: Config; readonly source: Source }, chosen: readonly Check[]): Promise<readonly Result[]> {
  const results: Result[] = [];
  if ("problem" in source) return chosen.map((check) => (check.name === basis ? { ...skipped(check, "no access"), skipped: false, findings: [problem(source.problem)] } : skipped(check, "there is no access to a cluster")));
  let skewMs: number | undefined;
  const observe = (dateMs: number): void => {
    skewMs = dateMs - io.clock.now();
  };
  const client = new KubeClient({ credentials: new Credentials(source, systemClock, silentLog), clock: io.clock, userAgent: "wsmand preflight", hooks: { permits: changesNothing, observe } });
  const context: Omit<Context, "signal" | "progress"> = { config, cluster: new ClusterView(client, io.clock), inCluster: isInCluster(source), user: flags.as, skewMs: () => skewMs, nodesInUse: new Set(), clock: io.clock };
  try {
    for (const check of chosen) {
      if (io.signal.aborted) break;
      const unreachable = results.some(({ name, findings }) => name === basis && findings.some(({ verdict }) => verdict === "problem"));
      results.push(unreachable ? skipped(check, "the API server does not answer") : await made(io, flags, check, context));
    }
    return results;
  } finally {
    await client.close();
  }
}

/** Makes one. What it can not do is a problem. */
async function made(io: Io, { timeout }: PreflightFlags, check: Check, context: Omit<Context, "signal" | "progress">): Promise<Result> {
  const { name, title, share } = check;
  const limitMs = timeout * share;
  const limit = deadline(io.clock, limitMs, io.signal);
  const since = io.clock.monotonic();
  let toldAt = since;
  const progress = (text: string): void => {
    if (io.clock.monotonic() - toldAt < progressMs) return;
    toldAt = io.clock.monotonic();
    io.stderr.write(`${sanitize(`${title}: ${text}`)}\n`);
  };
  try {
    const outcome = await check.run({ ...context, signal: limit.signal, progress });
    // What ended early for want of time says less than it should.
    const late = limit.signal.aborted && !io.signal.aborted ? [problem(tooLong(limitMs))] : [];
    return { name, title, ...outcome, findings: [...outcome.findings, ...late] };
  } catch (error) {
    const text = limit.signal.aborted && !io.signal.aborted ? tooLong(limitMs) : messageOf(error);
    return { name, title, summary: "can not be checked", findings: [problem(text)] };
  } finally {
    limit.cancel();
  }
}

function tooLong(ms: number): string {
  return `was not done within ${ms / 1000} s; --timeout allows more`;
}
