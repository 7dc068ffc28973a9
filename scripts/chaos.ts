// Fault tests of the lifecycle controller at full size: tells what was done and what was lost, and ends with exit code 1 if anything was. --help tells the flags.
import { writeFileSync } from "node:fs";
import { Command, InvalidArgumentError, Option } from "commander";
import { systemClock } from "../src/domain/clock.ts";
import { Belongings } from "../test/support/chaos/belongings.ts";
import type { Lab } from "../test/support/chaos/lab.ts";
import { progressOf, Teller } from "../test/support/chaos/progress.ts";
import { reportText, runScenario, type Report, type Scenario, type Size } from "../test/support/chaos/run.ts";
import { reasonToSkip, scenarios } from "../test/support/chaos/scenarios.ts";
import { checkWritable, counted, runScript } from "./command.ts";

interface Flags {
  readonly only: readonly Scenario[];
  readonly workspaces?: number;
  readonly rounds?: number;
  readonly seed: number;
  readonly small?: boolean;
  readonly list?: boolean;
  readonly json?: string;
  readonly kubeconfig?: string;
}

const program = new Command("chaos")
  .description("Kills, cuts off, breaks and slows down what workspaces depend on, while they live, on the built-in cluster or on a real API server; then looks at everything that can be looked at. Exit code 1 if anything was lost.")
  .addOption(new Option("--only <names>", "these alone, separated by commas").argParser(chosen).default(scenarios, "all"))
  .option("--workspaces <n>", "workspaces of each, instead of what each has", whole)
  .option("--rounds <n>", "kills or rounds of each, instead of what each has", whole)
  .option("--seed <n>", "what is random begins here; the order of events is the machine's", whole, 1)
  .option("--small", "as small as in the suite")
  .option("--list", "tell what there is, and do nothing")
  .option("--kubeconfig <file>", "on the API server of this file's current context, in a namespace of their own: one of a cluster without nodes, scheduler, kubelets and controllers, which are played; default: the built-in cluster")
  .option("--json <file>", "write the reports there too, as JSON");

const reports: Report[] = [];
const teller = new Teller({ out: process.stderr, clock: systemClock });
let underWay = "nothing";
let lab: Lab | undefined;
/** It, or what it is going to be. */
let opened: Promise<Lab | undefined> = Promise.resolve(undefined);
/** What was made in another one's cluster: the built-in one goes with the process. */
let belongings = new Belongings();
const leaving = new AbortController();

await runScript(program, () => main(program.opts<Flags>()), {
  soFar() {
    teller.end();
    const lost = reports.reduce((sum, report) => sum + report.lost.length, 0);
    return `${counted(reports.length, "scenario")} done, ${lost === 0 ? "nothing lost" : `${lost} lost`}; ${underWay} was under way`;
  },
  behind: {
    async leave() {
      leaving.abort();
      if (program.opts<Flags>().kubeconfig !== undefined) await (await opened)?.abandon();
    },
    left: () => belongings.words(),
  },
});

async function main({ only, seed, list = false, json, kubeconfig, ...flags }: Flags): Promise<void> {
  if (list) {
    for (const { name, what, full } of scenarios) process.stdout.write(`${name.padEnd(10)} ${full.workspaces} workspaces: ${what}\n`);
    return;
  }
  checkWritable("--json", json);
  for (const [i, scenario] of only.entries()) {
    const reason = reasonToSkip(scenario);
    if (reason !== undefined) {
      process.stdout.write(`skip ${scenario.name}: ${reason}\n`);
      continue;
    }
    underWay = scenario.name;
    belongings = new Belongings();
    teller.begin(`${scenario.name} (${i + 1} of ${only.length})`, () => (lab ? progressOf(lab) : { step: "opening the cluster", counts: "" }));
    const report = await runScenario(scenario, sizeOf(scenario, flags), { seed, kubeconfig, belongings, signal: leaving.signal, opening }).finally(() => teller.end());
    // What was lost then was taken away.
    if (leaving.signal.aborted) return;
    lab = undefined;
    reports.push(report);
    process.stdout.write(`${reportText(report)}\n`);
    if (json !== undefined) writeFileSync(json, `${JSON.stringify(reports, undefined, 2)}\n`);
  }
  if (reports.some(({ lost }) => lost.length > 0)) process.exitCode = 1;
}

/** One that can not be opened has taken away itself what it made until then. */
function opening(coming: Promise<Lab>): void {
  opened = coming.then((made) => (lab = made), () => undefined);
}

function sizeOf(scenario: Scenario, { small = false, workspaces, rounds }: Pick<Flags, "small" | "workspaces" | "rounds">): Size {
  const size = small ? scenario.small : scenario.full;
  return { ...size, ...(workspaces !== undefined && { workspaces }), ...(rounds !== undefined && { rounds }) };
}

function chosen(names: string): readonly Scenario[] {
  return names.split(",").map((name) => {
    const scenario = scenarios.find((each) => each.name === name);
    if (!scenario) throw new InvalidArgumentError(`there is no ${name}; there are ${scenarios.map((each) => each.name).join(", ")}`);
    return scenario;
  });
}

function whole(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError("must be a whole number from 1 on");
  return Number(text);
}
