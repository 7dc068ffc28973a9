/** Says what limited a run, where that was not the daemon. */
import { cpus } from "node:os";
import type { Histogram } from "hdr-histogram-js";
import type { Lab } from "../lab.ts";
import type { Balance } from "../load/ledger.ts";
import type { Usage } from "./usage.ts";

/** The process that the user has started, as it is watched. */
export const toolName = "bench";
/** Above this share of its time a load process' thread can not be trusted to be on time. */
const busyShare = 0.9;
/** Of all cores. */
const fullShare = 0.95;
/** Of a core, that others take: less may be the clocks' doing. */
const othersShare = 0.1;
/** Milliseconds that a change may go out late. */
const lateMs = 10;

/** A percentile of a histogram of microseconds, as milliseconds. */
export function ms(histogram: Histogram, percentile: number): number {
  return histogram.totalCount === 0 ? Number.NaN : histogram.getValueAtPercentile(percentile) / 1000;
}

/** A time, on the machine's clock. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** Notes on the load side. @param share of the busiest load process' time that its thread was busy. */
export function limits(usage: Usage, from: number, to: number, share: number, late?: Histogram): readonly string[] {
  return limitsOf(usage, [{ from, to }], share, late);
}

/** The same for a load in several times, with others between them: each must be good by itself, and the tool's own thread in it. */
export function limitsOf(usage: Pick<Usage, "machine" | "cost">, spans: readonly Span[], callersShare: number, late?: Histogram): readonly string[] {
  const notes: string[] = [];
  const share = Math.max(callersShare, ...spans.map(({ from, to }) => usage.cost(toolName, from, to)?.main ?? 0));
  // Clocks of a virtual machine may tell more of a short time.
  const machine = most(spans.flatMap(({ from, to }) => usage.machine(from, to) ?? []));
  if (share > busyShare) notes.push(`the load side was the limit: one of its threads ran for ${percent(share)} of the time; where it is subscribers, give them more processes (--clients)`);
  if (late && ms(late, 99) > lateMs) notes.push(`the load side was late: 1 % of the changes went out more than ${ms(late, 99).toFixed(1)} ms after they were due (the API server may be slow to answer the ones before)`);
  if (machine !== undefined && machine > fullShare) notes.push(`the machine was the limit: ${percent(Math.min(1, machine))} of its CPU time was used, so that the figures hold waits for a free core`);
  return notes;
}

/** Of a load that is to be more than the daemon can take: only a watch that is replayed is as fast. */
export function notReplayed({ ownsAll }: Pick<Lab, "ownsAll">): readonly string[] {
  if (ownsAll) return [];
  return ["the load side was the limit: changes were written to an API server, which takes far fewer than a replayed watch brings, so that the figures are the least that the daemon does, and a ratio to another server tells nothing of it"];
}

/** Changes that an API server did not take. */
export function notTaken(failed: number): readonly string[] {
  return failed > 0 ? [`the API server did not take ${failed} changes`] : [];
}

/** Streams that ended although nobody had closed them. @param why the first of them did. */
export function endedEarly(ended: number, why: string): readonly string[] {
  return ended > 0 ? [`${ended} streams ended early: ${why}`] : [];
}

/** What counts as lost because it had not come when it was waited for no longer. @param waited for how long, seconds; undefined: all came. */
export function lateness({ lost }: Pick<Balance, "lost">, waited: number | undefined): readonly string[] {
  return waited === undefined || lost === 0 ? [] : [`${lost} statuses had not come ${waited.toFixed(1)} s after the last change was written, and count as lost: they may be late`];
}

/** What each process took, for people: a note, or none of a time that was too short to tell. @param what was measured, where a run has several such times. @param told which of them are told one by one. */
export function shares(usage: Pick<Usage, "names" | "cost" | "machine">, from: number, to: number, what?: string, told: (name: string) => boolean = () => true): readonly string[] {
  const seen = usage.names.flatMap((name) => {
    const cost = usage.cost(name, from, to);
    return cost ? [{ told: told(name), cpu: cost.cpu, text: `${name} ${percent(cost.cpu)} (main thread ${percent(cost.main)}), ${cost.rssMb.toFixed(0)} MiB` }] : [];
  });
  if (seen.length === 0) return [];
  const machine = usage.machine(from, to);
  const others = machine === undefined ? 0 : machine * cpus().length - seen.reduce((sum, { cpu }) => sum + cpu, 0);
  const untold = seen.filter((one) => !one.told);
  const parts = [...seen.filter((one) => one.told).map(({ text }) => text), ...(untold.length > 0 ? [`the tool's other processes ${percent(untold.reduce((sum, { cpu }) => sum + cpu, 0))}`] : []), ...(others >= othersShare ? [`other programs ${percent(others)}`] : [])];
  return [`${what === undefined ? "" : `${what}: `}CPU of one core: ${parts.join("; ")}${machine === undefined ? "" : `; of all of the machine's cores together ${percent(machine)} were used`}`];
}

/** What is counted of an API server, or a daemon, that works for others as well. @param figures that hold it. */
export function othersNote({ ownsAll }: Pick<Lab, "ownsAll">, figures: string): readonly string[] {
  return ownsAll ? [] : [`${figures} hold what was asked for others in that time, too: neither the API server nor a daemon that was there already tells for whom a request is`];
}

function most(values: readonly number[]): number | undefined {
  return values.length === 0 ? undefined : Math.max(...values);
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`;
}
