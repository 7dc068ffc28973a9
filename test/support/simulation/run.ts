/** Runs a plan, and says what was found. */
import { wsman } from "../../../src/gen/proto.js";
import { annotations } from "../../../src/domain/names.ts";
import type { Seen } from "../chaos/witness.ts";
import { Faults } from "./faults.ts";
import { leaveOutIdleness } from "./idleness.ts";
import type { Breach } from "./laws.ts";
import type { Person } from "./people.ts";
import type { Happened } from "./metrics-check.ts";
import { hour, minute, type FaultPlan, type Plan } from "./plan.ts";
import { aftermathMs, Simulation } from "./simulation.ts";
import { Thread } from "./time.ts";
import { phaseName } from "./subscribers.ts";

/** What became of a plan. */
export interface Outcome {
  readonly breaches: readonly Breach[];
  /** Of all that happened: the same for the same plan. */
  readonly digest: string;
  readonly lines: number;
  /** Timers that fired. */
  readonly steps: number;
  readonly hours: number;
  readonly counts: ReadonlyMap<string, number>;
}

/** Quiet time at the end in which nothing may happen any more, milliseconds. */
const calmMs = 10 * minute;
const lookEveryMs = minute;

/** Plays it until all is over, or a promise is broken. @param options.file where the journal is written to; options.prepare changes the simulation before it begins. */
export async function runPlan(plan: Plan, { file, prepare }: { readonly file?: string | undefined; readonly prepare?: (simulation: Simulation) => void } = {}): Promise<Outcome> {
  const simulation = await Simulation.open(plan, file);
  const { clock, agenda, ledger, journal } = simulation;
  const thread = new Thread();
  const unhandled = (error: unknown): void => ledger.breach("every promise is looked after", textOf(error));
  process.on("unhandledRejection", unhandled);
  thread.open();
  let steps = 0;
  const isBroken = (): boolean => ledger.breaches.length > 0;
  const until = async (at: number, isOver: () => boolean = () => false): Promise<void> => {
    steps += await thread.play(clock, at, () => isBroken() || isOver());
  };
  try {
    prepare?.(simulation);
    const faults = new Faults(simulation);
    faults.begin();
    simulation.begin();
    let isEvening = false;
    agenda.add(plan.hours * hour, () => {
      isEvening = true;
    });
    leaveOutIdleness(simulation);
    await until(plan.hours * hour, () => isEvening);
    if (!isBroken()) {
      journal.note("the time of faults is over");
      simulation.late = true;
      faults.cease();
      const evening = clock.monotonic();
      const end = evening + aftermathMs;
      for (let at = evening; at < end && !isBroken() && !isCalm(simulation); at += lookEveryMs) await until(at + lookEveryMs);
      simulation.over = true;
      await until(clock.monotonic() + calmMs);
      if (!isBroken()) judge(simulation);
      if (!isBroken()) await simulation.metrics.judge(happened(simulation), ledger);
    }
  } catch (error) {
    ledger.breach("nothing is thrown into the event loop", textOf(error));
  } finally {
    thread.close();
    process.off("unhandledRejection", unhandled);
  }
  return { breaches: ledger.breaches, digest: journal.end(), lines: journal.lines, steps, hours: agenda.now / hour, counts: ledger.counts };
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

/** What is there still; a claim with work that nobody has saved stays, or that was not made for the pod that used it last, and so does one whose pod was taken away from under everybody's eyes. */
function leftovers({ world: { cluster: { store } }, taken, claimedWork }: Simulation): readonly string[] {
  const pods = store.list("pods", "default").filter(({ metadata }) => metadata.labels?.["gpwsman"] === "true");
  const claims = store.list("persistentvolumeclaims", "default").filter((claim) => !claimedWork.hasUnsaved(claim) && !claimedWork.isInherited(claim) && !taken.has(claim.metadata.name.slice("ws-".length)));
  return [...pods, ...claims].map(({ kind, metadata }) => `${kind} ${metadata.name}${metadata.finalizers?.length ? ` (held by ${metadata.finalizers.join(", ")})` : ""}`);
}

/** Everybody has what they can expect, and the Lease of who led and is gone has run out. */
function isCalm(simulation: Simulation): boolean {
  return simulation.isLed && simulation.people.every(({ done }) => done) && leftovers(simulation).length === 0 && untold(simulation).length === 0;
}

/** Who was told of a workspace, and not of its end. */
function untold(simulation: Simulation): readonly string[] {
  return simulation.able().flatMap((replica) => simulation.listeners(replica).flatMap((listener) => [...listener.lasts()].filter(([, { phase }]) => phase !== wsman.WorkspacePhase.STOPPED)
    .map(([id, { phase }]) => `${listener.name} was told that ${id} is ${phaseName(phase)}, and not that it has stopped`)));
}

function judge(simulation: Simulation): void {
  const { ledger, witness, people } = simulation;
  for (const what of leftovers(simulation)) ledger.breach("nothing is left", what);
  for (const what of untold(simulation)) ledger.breach("every end is told", what);
  for (const what of witness.wrongs) ledger.breach("what became of a content is written once", what);
  for (const { plan: { id }, done } of people) if (!done) ledger.breach("everybody is answered", `the user of ${id} waits still`);
  if (simulation.able().length < simulation.slots.length) ledger.breach("replicas live", `${simulation.able().length} of ${simulation.slots.length} serve`);
  for (const { id } of witness.all()) judgeLife(simulation, id);
}

/** What was told of it, without what differs from one to the other. */
function reasonOf(failed: string): string {
  return failed.replaceAll(/ws-\S+|\bw\d+\b|node-\d+|\d+h\d+m/g, "…").slice(0, 160);
}

function judgeLife(simulation: Simulation, id: string): void {
  const { ledger, witness, world, ends, taken, lives } = simulation;
  const seen = witness.of(id);
  const person = simulation.people.find(({ plan }) => plan.id === id);
  if (!seen || !person) return;
  const numbers = lives.of(id);
  ledger.did("workspaces lived", numbers.length);
  // What never could be used may have been the beginning of a start that failed.
  for (const life of numbers) if (!ends.has(life) && !taken.has(id) && (life === numbers.at(-1) || lives.isReady(life))) ledger.breach("every end is told", `nobody was told that life ${life} of ${id} has stopped`);
  const backups = world.nodes.storage.urls().filter((url) => url.includes(`/${seen.metaId}/backup-`)).length - (simulation.backupsByHand.get(id) ?? 0);
  // A start that is asked for again after the workspace's end is another one.
  if (backups > numbers.length) ledger.breach("one backup", `${id}: ${backups} backups of ${numbers.length}`);
  const isHeld = world.nodes.daemons.some(({ service }) => service.contents.get(id) !== undefined);
  // What a life that has failed left there stays, whatever became of the next one.
  if (isHeld && numbers.every((life) => failedOf(simulation, life) === "") && !taken.has(id)) ledger.breach("no content is left on a node", id);
  judgeBackups(simulation, person, backups, seen);
  for (const life of numbers) judgeClaim(simulation, id, life);
}

function failedOf({ ends }: Simulation, life: number): string {
  return ends.get(life)?.conditions?.failed ?? "";
}

/** Prebuilds have snapshots, claims are kept as volume snapshots. */
function judgeBackups(simulation: Simulation, { plan: { id, type, claim } }: Person, backups: number, { disposal }: Seen): void {
  const { ledger, lives, taken } = simulation;
  const used = lives.of(id).filter((life) => lives.isReady(life));
  if (type !== "REGULAR" || claim) return;
  ledger.did("backups made", backups);
  for (const failed of used.map((life) => failedOf(simulation, life)).filter((text) => text !== "").slice(0, used.length - backups)) ledger.did(`backups that failed: ${reasonOf(failed)}`);
  const [good, isTaken] = [used.filter((life) => failedOf(simulation, life) === ""), taken.has(id)];
  if (backups >= good.length) return;
  if (isTaken) ledger.did("backups not made, as the pod was taken away");
  else ledger.breach("work is saved, or its loss is told", `${id}: ${backups} backups of ${good.length} that were used and have not failed, and no word of it (${disposal || `no ${annotations.disposalStatus}`})`);
}

/** Work on a claim is in the snapshot that the end tells of, or its loss is told; then it is on the claim still, or that would have been noticed when it went. */
function judgeClaim(simulation: Simulation, id: string, life: number): void {
  const { ledger, claimedWork, ends, taken } = simulation;
  if (!claimedWork.has(life)) return;
  const name = ends.get(life)?.conditions?.volumeSnapshot?.volumeSnapshotName ?? "";
  const failed = failedOf(simulation, life);
  if (claimedWork.isIn(name, life)) ledger.did("claims saved");
  else if (failed !== "") ledger.did(`claims not saved: ${reasonOf(failed)}`);
  else if (taken.has(id)) ledger.did("claims not saved, as the pod was taken away");
  else ledger.breach("work is saved, or its loss is told", `${id}: the work of life ${life} is not in ${name === "" ? "a volume snapshot" : `volume snapshot ${name}, of which its end tells`}, and nobody was told`);
}

/** What disturbs processes, and requests to the API server: then a process may not have counted what it did. */
const disturbances: ReadonlySet<FaultPlan["kind"]> = new Set<FaultPlan["kind"]>([
  "crash", "restart", "pause", "cut-off", "clock", "workers", "workers-slow", "api-away", "api-slow", "api-fails", "api-lost", "api-hangs", "watches-cut", "watches-silent", "compaction", "by-hand",
]);

/** What the metrics are to say. */
function happened(simulation: Simulation): Happened {
  const { plan, lives, answered, people } = simulation;
  const all = people.flatMap(({ plan: { id, type } }) => lives.of(id).map((life) => ({ life, kept: type === "REGULAR" && lives.isReady(life) })));
  const ends = all.flatMap(({ life, kept }) => (kept ? [lives.disposalOf(life)] : []).filter((disposal) => disposal !== undefined));
  const unsaved = ends.filter((disposal) => disposal.includes('"backupFailure"')).length;
  return { begun: all.length, answered: answered.size, saved: ends.length - unsaved, unsaved, undisturbed: !plan.faults.some(({ kind }) => disturbances.has(kind)), able: new Set(simulation.able().map(({ name }) => name)) };
}
