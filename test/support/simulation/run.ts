/** Runs a plan, and says what was found. */
import { wsman } from "../../../src/gen/proto.js";
import { annotations } from "../../../src/domain/names.ts";
import type { Seen } from "../chaos/witness.ts";
import { Faults } from "./faults.ts";
import { leaveOutIdleness } from "./idleness.ts";
import type { Breach } from "./laws.ts";
import type { Person } from "./people.ts";
import { hour, minute, type Plan } from "./plan.ts";
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

/** What is there still; a claim whose pod was taken away from under everybody's eyes stays, for nobody has saved what is on it. */
function leftovers({ world: { cluster: { store } }, taken }: Simulation): readonly string[] {
  const pods = store.list("pods", "default").filter(({ metadata }) => metadata.labels?.["gpwsman"] === "true");
  const claims = store.list("persistentvolumeclaims", "default").filter(({ metadata }) => !taken.has(metadata.name.slice("ws-".length)));
  return [...pods, ...claims].map(({ kind, metadata }) => `${kind} ${metadata.name}${metadata.finalizers?.length ? ` (held by ${metadata.finalizers.join(", ")})` : ""}`);
}

/** Everybody has what they can expect. */
function isCalm(simulation: Simulation): boolean {
  return simulation.people.every(({ done }) => done) && leftovers(simulation).length === 0 && untold(simulation).length === 0;
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
  const { ledger, witness, world, ends, taken } = simulation;
  const seen = witness.of(id);
  const person = simulation.people.find(({ plan }) => plan.id === id);
  if (!seen || !person) return;
  ledger.did("workspaces lived");
  if (!ends.has(id) && !taken.has(id)) ledger.breach("every end is told", `nobody was told that ${id} has stopped`);
  const backups = world.nodes.storage.urls().filter((url) => url.includes(`/${seen.metaId}/backup-`)).length;
  // A start that is asked for again after the workspace's end is another one.
  if (backups > simulation.lives.begun(id)) ledger.breach("one backup", `${id}: ${backups} backups`);
  judgeSaving(simulation, person, seen, backups);
}

/** Prebuilds have snapshots, claims are kept as volume snapshots. */
function isSaved({ type, claim }: Person["plan"], { everReady }: Seen): boolean {
  return everReady && type === "REGULAR" && !claim;
}

function judgeSaving({ ledger, world, ends, taken }: Simulation, { plan }: Person, seen: Seen, backups: number): void {
  const { id } = plan;
  const saves = isSaved(plan, seen);
  const failed = ends.get(id)?.status.conditions?.failed ?? "";
  const isHeld = world.nodes.daemons.some(({ service }) => service.contents.get(id) !== undefined);
  if (isHeld && failed === "" && !taken.has(id)) ledger.breach("no content is left on a node", id);
  if (saves && backups === 0) {
    ledger.did(taken.has(id) ? "backups not made, as the pod was taken away" : `backups that failed: ${reasonOf(failed)}`);
    if (failed === "" && !taken.has(id)) ledger.breach("work is saved, or its loss is told", `${id}: no backup, and no word of it (${seen.disposal || `no ${annotations.disposalStatus}`})`);
  } else if (saves) ledger.did("backups made");
}
