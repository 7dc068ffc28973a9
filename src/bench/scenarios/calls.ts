/** Scenario calls: every call with one answer in turn, but for starts and stops, which scenario start has; those that write beside a bare patch of the same size on a pod that no workspace manager looks at. */
import { z } from "zod";
import { messageOf } from "../../domain/errors.ts";
import { labels } from "../../domain/names.ts";
import type { Lab } from "../lab.ts";
import { noteActivity } from "../load/activity.ts";
import type { Called, CallRun, Target, Work } from "../load/called.ts";
import { machineNow } from "../load/clock.ts";
import { GrpcClient } from "../load/grpc-client.ts";
import { idOfPod } from "../load/found-pods.ts";
import { ownLabel } from "../load/kube.ts";
import { pathOf } from "../load/paths.ts";
import { placeWorkspaces } from "../load/placed.ts";
import type { Placed } from "../load/placed.ts";
import { steeringCalls } from "../load/steering.ts";
import type { Steered, SteeringCall } from "../load/steering.ts";
import { inRounds } from "../load/tasks.ts";
import { addTurn, callsPlot, failureNotes, inTurn, makeCalls, noSides, overheadFigures, perSecond } from "../load/turns.ts";
import type { Side, Sides, Turns } from "../load/turns.ts";
import type { Options } from "../options.ts";
import type { Daemon } from "../parts/daemon.ts";
import type { Part } from "../parts/part.ts";
import { measured } from "../report/figures.ts";
import { limitsOf, ms, shares } from "../report/limits.ts";
import { percentilePlot } from "../report/plot.ts";
import { usagePlots } from "../report/usage-plots.ts";
import type { Scenario } from "./scenario.ts";
import { budgetNote } from "./start-report.ts";

/** Most workspaces that run on nodes, for the calls that need that. */
const maxPlaced = 8;
const nothing = z.undefined();

type Tasks = Extract<Work, { kind: "tasks" }>["tasks"];

/** A workspace or its like. */
interface Pod extends Steered {
  readonly name: string;
  readonly uid: string;
}

/** Calls that were made so far on the workspaces that a lab has for all its runs, by method and side: the next turn goes on there, and finds other values than it sets. */
const madeIn = new WeakMap<Lab, Map<string, number>>();

/** Where everything happens. */
interface Setting {
  readonly lab: Lab;
  readonly daemon: Daemon;
  readonly callers: Part;
  readonly workspaces: readonly Pod[];
  readonly twins: readonly Pod[];
  /** Those that run on nodes. */
  readonly placed: Placed;
  /** See {@link madeIn}. */
  readonly made: Map<string, number>;
}

/** What was found of a call. */
interface Found {
  readonly name: string;
  readonly call: SteeringCall;
  readonly sides: Sides;
  /** Calls and bare patches that were answered and changed nothing, as far as the API server's version tells: whatever else is written meanwhile hides some. */
  unchanged: number;
}

export const calls: Scenario = {
  summary: "every call with one answer in turn (start has starts and stops), by --concurrency callers; those that write beside a bare patch of the same size",
  uses: ["concurrency"],
  defaults: { workspaces: 100, subscribers: 1, seconds: 30, warmup: 3, qps: 100_000 },
  pulls: true,
  lives: placedOf,
  run: async (lab) => {
    const names = await lab.workspaces(lab.options.workspaces);
    // Beside nodes the daemon acts: it would end those that nobody uses.
    if (lab.ownsAll) await noteActivity(lab, names, Date.now(), Date.now);
    await lab.twins(lab.options.workspaces);
    await using daemon = await lab.daemon();
    await daemon.synced();
    await using callers = lab.part("callers", "callers");
    await callers.call("openApi", { kubeconfig: lab.kubeconfig, connections: lab.options.concurrency }, nothing);
    await using placed = await placeWorkspaces(lab, daemon, placedOf(lab.options));
    const setting: Setting = { lab, daemon, callers, placed, ...(await podsOf(lab)), made: madeIn.get(lab) ?? new Map<string, number>() };
    madeIn.set(lab, setting.made);
    const { possible, left } = await possibleCalls(setting);
    const turnCount = possible.reduce((sum, [, call]) => sum + orderOf(call).length, 0);
    const found: Found[] = [];
    const from = machineNow();
    for (const [name, call] of possible) if (!lab.signal.aborted) found.push(await measure(setting, name, call, turnCount));
    lab.usage.sample();
    const to = machineNow();
    const turns = found.flatMap(({ sides }) => Object.values(sides));
    return {
      figures: measured({ calls_per_s: callsPerSecond(found), failed: turns.reduce((sum, { failed }) => sum + failed, 0), unchanged: found.reduce((sum, { unchanged }) => sum + unchanged, 0), ...Object.fromEntries(found.flatMap((one) => Object.entries(figuresOf(one)))) }),
      notes: [
        ...limitsOf(lab.usage, turns.flatMap(({ spans }) => spans), Math.max(...turns.map(({ share }) => share))),
        ...found.flatMap(notesOf), ...left, budgetNote(lab),
        ...(lab.signal.aborted ? ["ended early by the user"] : []),
        ...shares(lab.usage, from, to),
      ],
      plots: [
        percentilePlot("Time to the answer, by percentile", Object.fromEntries(found.map(({ call, sides }) => [call.method, sides.daemon.delays]))),
        percentilePlot("Time of the bare patches, by percentile", Object.fromEntries(found.map(({ call, sides }) => [call.method, sides.bare.delays]))),
        callsPlot(from, { ...Object.fromEntries(found.map(({ call, sides }) => [call.method, sides.daemon.counted])), "bare patches": found.flatMap(({ sides }) => sides.bare.counted) }),
        ...usagePlots(lab, ["daemon", "API server", "callers"], from, to),
      ],
    };
  },
};

/** How many workspaces run on nodes. */
function placedOf({ workspaces }: Pick<Options, "workspaces">): number {
  return Math.min(workspaces, maxPlaced);
}

/** The pods that were made, as the API server has them. */
async function podsOf(lab: Lab): Promise<Pick<Setting, "workspaces" | "twins">> {
  const known = new Map((await lab.cluster.pods(`${ownLabel}=${lab.cluster.run}`)).map((pod) => [pod.name, pod]));
  const found = (names: readonly string[]): readonly Pod[] => names.flatMap((name) => {
    const pod = known.get(name);
    return pod ? [{ name, uid: pod.uid, id: idOfPod(name), metaId: pod.labels?.[labels.metaId] ?? "" }] : [];
  });
  const { workspaces } = lab.options;
  return { workspaces: found(await lab.workspaces(workspaces)), twins: found(await lab.twins(workspaces)) };
}

/** The calls that can be made here, and why others can not. */
async function possibleCalls(setting: Setting): Promise<{ readonly possible: readonly (readonly [string, SteeringCall])[]; readonly left: readonly string[] }> {
  const possible: (readonly [string, SteeringCall])[] = [];
  const left: string[] = [];
  for (const [name, call] of Object.entries(steeringCalls)) {
    const problem = call.optional === true ? await problemWith(setting, call) : undefined;
    if (problem === undefined) possible.push([name, call]);
    else left.push(`${call.method} is left out: ${problem}`);
  }
  return { possible, left };
}

async function problemWith({ lab, daemon, placed, workspaces }: Setting, { method, needs, onNode = false, request }: SteeringCall): Promise<string | undefined> {
  const [first] = onNode ? placed.workspaces : workspaces;
  if (!first) return placed.problem ?? "there is no workspace";
  if (needs !== undefined && (await lab.cluster.send("GET", needs)).code !== 200) return `the API server does not serve ${needs}`;
  try {
    using client = new GrpcClient(daemon.endpoint);
    await client.call(method, request(first, 0));
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

/** Both sides in turn, or the daemon alone. */
function orderOf({ annotations }: SteeringCall): readonly Side[] {
  return annotations ? inTurn : inTurn.filter((side) => side === "daemon");
}

/** @param turnCount turns of all calls, which share the time. */
async function measure(setting: Setting, name: string, call: SteeringCall, turnCount: number): Promise<Found> {
  const { lab } = setting;
  const { warmup, seconds } = lab.options;
  const found: Found = { name, call, sides: noSides(), unchanged: 0 };
  const order = orderOf(call);
  // Half as many as there are turns.
  if (warmup > 0) for (const side of new Set(order)) await turn(setting, call, side, (2 * warmup) / turnCount);
  for (const side of order) {
    if (lab.signal.aborted) break;
    lab.measures();
    lab.say(`${call.method}, ${side === "bare" ? "bare patches" : "the daemon"}`);
    const before = call.annotations ? await lab.cluster.version() : 0;
    const called = await turn(setting, call, side, seconds / turnCount);
    addTurn(found.sides[side], called);
    if (call.annotations) found.unchanged += Math.max(0, called.sent - called.failed - (await lab.cluster.version()) + before);
  }
  return found;
}

async function turn(setting: Setting, call: SteeringCall, side: Side, seconds: number): Promise<Called> {
  const { lab, callers, daemon, made } = setting;
  const { concurrency } = lab.options;
  const target: Target = side === "bare" ? { kind: "api", method: "PATCH", contentType: "application/merge-patch+json" } : { kind: "grpc", endpoint: daemon.endpoint, connections: concurrency };
  const key = `${side} ${call.method}`;
  const first = made.get(key) ?? 0;
  const tasks = side === "bare" ? patches(setting, call) : requests(setting, call);
  const run: CallRun = { target, work: { kind: "tasks", first, tasks }, pace: { kind: "loop", callers: concurrency, seconds } };
  const called = await makeCalls(lab, callers, run);
  made.set(key, first + called.sent);
  return called;
}

function requests({ workspaces, placed }: Setting, { method, onNode = false, request }: SteeringCall): Tasks {
  return inRounds<Steered>(onNode ? placed.workspaces : workspaces, (workspace, round) => ({ path: pathOf(method), request: request(workspace, round) }));
}

/** What the daemon's patches say, of pods that no one looks at. */
function patches({ lab, twins }: Setting, { annotations }: SteeringCall): Tasks {
  const path = `/api/v1/namespaces/${lab.cluster.namespace}/pods/`;
  return inRounds(twins, (twin, round) => ({ path: `${path}${twin.name}`, request: Buffer.from(JSON.stringify({ metadata: { uid: twin.uid, annotations: annotations?.(twin, round) } })) }));
}

function notesOf({ call, sides, unchanged }: Found): readonly string[] {
  return [...failureNotes(call.method, sides), ...(unchanged > 0 ? [`${unchanged} calls of ${call.method}, or bare patches beside them, changed nothing`] : [])];
}

function figuresOf({ name, call, sides }: Found): Readonly<Record<string, number>> {
  const { daemon } = sides;
  const delays = call.annotations ? overheadFigures(name, `bare_${name}`, sides) : { [`${name}_p50_ms`]: ms(daemon.delays, 50), [`${name}_p99_ms`]: ms(daemon.delays, 99) };
  return { ...delays, [`${name}_per_s`]: perSecond(daemon) };
}

/** Over all calls, each with the time that it had. */
function callsPerSecond(found: readonly Found[]): number {
  const sum = (value: (turns: Turns) => number): number => found.reduce((total, { sides }) => total + value(sides.daemon), 0);
  return (sum(({ calls }) => calls) * 1000) / sum(({ timeMs }) => timeMs);
}
