/** The command line of the load tool. */
import { accessSync, constants, statSync } from "node:fs";
import { extname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Command, InvalidArgumentError, Option } from "commander";
import { reasonOf } from "../domain/file-reasons.ts";

/** What can be set; scenarios have defaults of their own for most of it. */
export interface Options {
  readonly workspaces: number;
  readonly subscribers: number;
  /** Connections that they share. */
  readonly connections: number;
  /** Changes (or arrivals) per second. */
  readonly rate: number;
  /** Changes of a burst, in all. */
  readonly changes: number;
  readonly seconds: number;
  readonly warmup: number;
  /** Until memory has come to rest, seconds. */
  readonly rest: number;
  /** Bytes of a pod as JSON. */
  readonly size: number;
  /** Subscribers that do not read, beside the others. */
  readonly stalled: number;
  /** Calls that are under way at the same time. */
  readonly concurrency: number;
  /** Calls at the same moment. */
  readonly storm: number;
  /** Requests per second that our daemon may make of the API server; 0: as many as it does by itself. */
  readonly qps: number;
  /** Other Events in the namespace. */
  readonly events: number;
  readonly runs: number;
  /** Processes of subscribers. */
  readonly clients: number;
  readonly entry: string;
  readonly workers?: number | undefined;
  readonly kubeconfig?: string | undefined;
  readonly namespace?: string | undefined;
  readonly target?: { readonly host: string; readonly port: number } | undefined;
  readonly pid?: number | undefined;
  readonly metrics?: string | undefined;
  readonly tlsCa?: string | undefined;
  readonly tlsCert?: string | undefined;
  readonly tlsKey?: string | undefined;
  /** TLS with the system's authorities. */
  readonly tls?: boolean | undefined;
  /** Images of workspaces that are started. */
  readonly image?: string | undefined;
  readonly ideImage?: string | undefined;
  readonly supervisorImage?: string | undefined;
  readonly json?: string | undefined;
  readonly html?: string | undefined;
  /** Folder for CPU profiles of the programs that the tool starts. */
  readonly cpuProf?: string | undefined;
}

/** Defaults that a scenario has. */
export type Defaults = Partial<Pick<Options, NumberName>>;

interface TextOutput {
  write(text: string): unknown;
}

type NumberName = (typeof numbers)[number]["name"];
type Given = Partial<Options>;

/** What the command line tells of a scenario. */
export interface Described {
  readonly summary: string;
  readonly defaults: Defaults;
  /** Which of the flags that do nothing in most scenarios do something here. */
  readonly uses?: readonly RareName[];
  /** Where cluster and daemon are the tool's own, the pods come from a replayer: no other API server is needed. */
  readonly replays?: boolean;
  /** Says why it can not be run so; undefined: it can. Known before anything is started. */
  readonly refuses?: (options: Options) => string | undefined;
  /** It starts workspaces whose images may be pulled, with --target. */
  readonly pulls?: boolean;
}

const numbers = [
  { name: "workspaces", unit: "<n>", about: "workspaces", min: 1, max: 20_000, common: 1000 },
  { name: "subscribers", unit: "<n>", about: "subscribers", min: 1, max: 10_000, common: 50 },
  { name: "rate", unit: "<n>", about: "changes, or arrivals, per second", min: 1, max: 100_000, common: 500 },
  { name: "changes", unit: "<n>", about: "changes in a burst", min: 1, max: 10_000_000, common: 150_000 },
  { name: "seconds", unit: "<n>", about: "how long is measured; parts of a second will do for a look whether all works", min: 0.1, max: 86_400, common: 10 },
  { name: "warmup", unit: "<n>", about: "seconds before that", min: 0, max: 600, common: 3 },
  { name: "rest", unit: "<n>", about: "seconds of rest before memory is read, where it is read after the load", min: 0, max: 600, common: 2 },
  { name: "size", unit: "<bytes>", about: "of a pod as JSON", min: 0, max: 200_000, common: 20_000 },
  { name: "stalled", unit: "<n>", about: "subscribers that do not read, beside the others", min: 0, max: 10_000, common: 0 },
  { name: "concurrency", unit: "<n>", about: "calls under way at a time", min: 1, max: 1000, common: 4 },
  { name: "storm", unit: "<n>", about: "calls at the same moment; 0: none", min: 0, max: 20_000, common: 1000 },
  { name: "qps", unit: "<n>", about: "requests per second that our daemon may make of the API server, and twice as many at once; 0: what it does by itself", min: 0, max: 500_000, common: 0 },
  { name: "events", unit: "<n>", about: "other Events that are written into the namespace first", min: 0, max: 100_000, common: 0 },
  { name: "runs", unit: "<n>", about: "runs; the median of each figure is reported, and its spread", min: 1, max: 100, common: 1 },
  { name: "clients", unit: "<n>", about: "processes of subscribers", min: 1, max: 64, common: 1 },
] as const;

/** Flags that do nothing in most scenarios: there they are refused, rather than ignored. */
const rare = ["changes", "rest", "stalled", "concurrency", "storm"] as const;
type RareName = (typeof rare)[number];

const imageFlags = [
  { flag: "--image", name: "image", about: "image of the workspaces that are started with --target, for a cluster that really pulls it; their content is empty then" },
  { flag: "--ide-image", name: "ideImage", about: "likewise, of their IDE" },
  { flag: "--supervisor-image", name: "supervisorImage", about: "likewise, of their supervisor" },
] as const;
/** Name, tag and digest, as far as that tells it from something else. */
const imageReference = /^[\da-z][\w./:-]*(@sha256:[\da-f]{64})?$/i;

/** What a command line asks for. */
export interface Asked<Scenario> {
  readonly name: string;
  readonly scenario: Scenario;
  readonly options: Options;
}

/** Reads a command line. @throws CommanderError, after having told, for a wrong one and for --help. */
export function parseOptions<Scenario extends Described>(argv: readonly string[], scenarios: ReadonlyMap<string, Scenario>, out: { readonly stdout: TextOutput; readonly stderr: TextOutput }): Asked<Scenario> {
  const first = argv.find((text) => !text.startsWith("-")) ?? "";
  const program = commandFor(scenarios, first).configureOutput({ writeOut: (text) => void out.stdout.write(text), writeErr: (text) => void out.stderr.write(text) });
  program.parse([...argv], { from: "user" });
  const [name = ""] = program.args;
  const scenario = scenarios.get(name);
  if (!scenario) return program.error(`error: there is no scenario ${JSON.stringify(name)}; there are ${[...scenarios.keys()].join(", ")}`);
  const given = program.opts<Given>();
  const options = complete(scenario.defaults, given);
  const problem = problemOf(given, name, scenario, scenarios) ?? scenario.refuses?.(options);
  return problem === undefined ? { name, scenario, options } : program.error(`error: ${problem}`);
}

/** What is wrong with flags, alone or together. */
function problemOf(given: Given, name: string, scenario: Described, scenarios: ReadonlyMap<string, Described>): string | undefined {
  return metricsProblem(given) ?? conflict(given) ?? rareProblem(given, name, scenario, scenarios) ?? eventsProblem(given, name, scenario) ?? imageProblem(given, name, scenario, scenarios);
}

/** The command line. @param name the scenario that is asked for: what it does, its flags and their defaults are told. */
export function commandFor(scenarios: ReadonlyMap<string, Described>, name: string | undefined): Command {
  const named = scenarios.get(name ?? "");
  const program = new Command("wsmand bench").exitOverride().showHelpAfterError("(--help tells what there is)")
    .description("Measures a workspace manager from outside, through gRPC and the Kubernetes API. Without --kubeconfig and --target it starts the built-in cluster and the daemon, each in a process of its own." + (named ? `\n\n${name}: ${named.summary}` : ""))
    .argument("<scenario>", [...scenarios.keys()].join(", "));
  for (const number of numbers) program.addOption(numberOption(number, named));
  program
    .option("--connections <n>", "connections that subscribers share (default: one each)", whole(1, 10_000))
    .option("--workers <n>", "worker threads of the daemon (default: its own)", whole(1, 64))
    .option("--entry <file>", "wsmand's program (default: this one)", readableFile)
    .option("--kubeconfig <file>", "a cluster to work on, instead of the built-in one")
    .option("--namespace <name>", "of the workspaces; with --target, where that daemon looks for them (default: the kubeconfig's); otherwise one that is made and removed")
    .option("--target <host:port>", "a daemon that runs already, on the cluster of --kubeconfig", hostAndPort)
    .option("--pid <n>", "its process, for CPU and memory", whole(1, 2 ** 22))
    .option("--metrics <url>", "its /metrics")
    .option("--tls", "use TLS, with the system's authorities; any other --tls flag implies it")
    .option("--tls-ca <file>", "authorities that its certificate must come from, PEM", readableFile)
    .option("--tls-cert <file>", "client certificate, PEM", readableFile)
    .option("--tls-key <file>", "its key, PEM", readableFile);
  for (const { flag, about } of imageFlags) program.addOption(new Option(`${flag} <ref>`, about).hideHelp(named !== undefined && named.pulls !== true));
  program
    .option("--json <file>", "write figures, parameters, machine and versions there")
    .option("--html <file>", "write a page with plots there")
    .option("--cpu-prof <folder>", "write CPU profiles of our daemon's threads there, and of the built-in API server's, and tell what they say; figures hold what that costs")
    .addHelpText("after", `\nScenarios (bench SCENARIO --help tells their defaults):\n${[...scenarios].map(([name, { summary }]) => `  ${name.padEnd(10)} ${summary}`).join("\n")}\n\nThe exit code is 0 when something was measured, ended early or not; 1 when a run failed (what was measured before is reported); 2 when the command line is wrong, or asks for what the scenario can not do; 130 when Ctrl-C came before anything was measured.`);
  return program;
}

function numberOption({ name, unit, about, min, max, common }: (typeof numbers)[number], named: Described | undefined): Option {
  const value = named?.defaults[name] ?? common;
  return new Option(`--${name} ${unit}`, `${about} (default: ${value}${named ? "" : ", unless the scenario has another"})`)
    .argParser((name === "seconds" ? decimal : whole)(min, max)).hideHelp(named !== undefined && uselessIn(named).some((one) => one === name));
}

/** Which of the rare flags do nothing in a scenario. */
export function uselessIn({ uses = [] }: Described): readonly RareName[] {
  return rare.filter((name) => !uses.includes(name));
}

function rareProblem(given: Given, name: string, scenario: Described, scenarios: ReadonlyMap<string, Described>): string | undefined {
  const useless = uselessIn(scenario).find((flag) => given[flag] !== undefined);
  return useless && `--${useless} does nothing in ${name}: it is for ${[...scenarios].filter(([, { uses }]) => uses?.includes(useless)).map(([other]) => other).join(", ")}`;
}

function eventsProblem({ events, kubeconfig }: Given, name: string, { replays }: Described): string | undefined {
  if (events === undefined || kubeconfig !== undefined || !replays) return undefined;
  return `--events does nothing in ${name} without --kubeconfig: its pods come from a replayer, and there is no API server to write Events to`;
}

function conflict(given: Given): string | undefined {
  const { target, tlsCert, tlsKey, json, html } = given;
  const misplaced = target ? besideTarget(given) : needsTarget(given);
  if (misplaced !== undefined) return misplaced;
  if ((tlsCert === undefined) !== (tlsKey === undefined)) return "--tls-cert and --tls-key go together";
  if (json !== undefined && html !== undefined && resolve(json) === resolve(html)) return "--json and --html name the same file";
  return undefined;
}

/** Told in words that do not repeat it, unlike what is told of other values: it may hold a password. */
function metricsProblem({ metrics }: Given): string | undefined {
  if (metrics === undefined) return undefined;
  const url = URL.parse(metrics);
  if (url?.protocol !== "http:" && url?.protocol !== "https:") return "--metrics must be an http or https URL";
  return url.username !== "" || url.password !== "" ? "--metrics must not hold credentials: the tool does not send them" : undefined;
}

function imageProblem(given: Given, name: string, { pulls }: Described, scenarios: ReadonlyMap<string, Described>): string | undefined {
  const [flag] = imageFlags.filter((one) => given[one.name] !== undefined).map((one) => one.flag);
  if (flag === undefined) return undefined;
  if (!pulls) return `${flag} does nothing in ${name}: ${pulling(scenarios).join(", ")} start workspaces`;
  if (given.target === undefined) return `${flag} needs --target: otherwise ${name} starts no workspaces whose images are pulled`;
  if (given.image === undefined) return `${flag} needs --image`;
  const wrong = imageFlags.find((one) => !imageReference.test(given[one.name] ?? "a"));
  return wrong && `${wrong.flag} must be a reference such as registry.example.com/name:tag, or one with a digest`;
}

/** The scenarios in which images matter. */
function pulling(scenarios: ReadonlyMap<string, Described>): readonly string[] {
  return [...scenarios].filter(([, { pulls }]) => pulls).map(([name]) => name);
}

/** What a daemon that runs already needs beside it, and what it rules out. */
function besideTarget({ kubeconfig, cpuProf }: Given): string | undefined {
  if (kubeconfig === undefined) return "--target needs --kubeconfig: the cluster whose workspaces that daemon manages";
  return cpuProf === undefined ? undefined : "--cpu-prof does nothing with --target: it profiles a daemon that the tool starts";
}

/** Flags that tell of a daemon that runs already would do nothing without one. */
function needsTarget({ pid, metrics, tls, tlsCa, tlsCert, tlsKey }: Given): string | undefined {
  if (pid !== undefined) return "--pid needs --target: it is the process of a daemon that runs already";
  if (metrics !== undefined) return "--metrics needs --target: the tool knows where its own daemon's are";
  return [tls, tlsCa, tlsCert, tlsKey].some((value) => value !== undefined) ? "the --tls flags need --target: the tool's own daemon serves without" : undefined;
}

function complete(defaults: Defaults, given: Given): Options {
  const value = (name: NumberName): number => given[name] ?? defaults[name] ?? numbers.find((number) => number.name === name)?.common ?? 0;
  const subscribers = value("subscribers");
  return {
    entry: fileURLToPath(new URL(`../main/index${extname(import.meta.url)}`, import.meta.url)), connections: subscribers, ...given,
    workspaces: value("workspaces"), subscribers, rate: value("rate"), changes: value("changes"), seconds: value("seconds"), warmup: value("warmup"), rest: value("rest"), size: value("size"),
    stalled: value("stalled"), concurrency: value("concurrency"), storm: value("storm"), qps: value("qps"), events: value("events"), runs: value("runs"), clients: value("clients"),
  };
}

function whole(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isInteger(value) || value < min || value > max) throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
    return value;
  };
}

function decimal(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !(value >= min && value <= max)) throw new InvalidArgumentError(`It must be a number from ${min} to ${max}.`);
    return value;
  };
}

/** What a run would find out late, with all that it needs under way, is told before anything is started. */
function readableFile(path: string): string {
  const problem = whyUnreadable(path);
  if (problem !== undefined) throw new InvalidArgumentError(`The file can not be read: ${problem}.`);
  return path;
}

function whyUnreadable(path: string): string | undefined {
  try {
    accessSync(path, constants.R_OK);
    return statSync(path).isDirectory() ? "it is a directory" : undefined;
  } catch (error) {
    return reasonOf(error);
  }
}

function hostAndPort(text: string): { readonly host: string; readonly port: number } {
  const [, host = "", port = ""] = /^\[?([^\]]+?)\]?:(\d+)$/.exec(text) ?? [];
  if (host === "" || Number(port) < 1 || Number(port) > 65_535) throw new InvalidArgumentError("It must be host:port.");
  return { host, port: Number(port) };
}
