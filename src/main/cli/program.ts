/** All commands and their flags. What a command does is loaded when it runs. */
import { Command, InvalidArgumentError, Option } from "commander";
import { parseGoDuration } from "../../domain/duration.ts";
import { ifInstalled } from "../../domain/left-out.ts";
import { parseListenAddress } from "../../domain/listen-address.ts";
import type { ConnectionFlags } from "./connection.ts";
import type { ExplainFlags } from "./explain-command.ts";
import type { FilterFlags } from "./client.ts";
import type { Io } from "./io.ts";
import { phases } from "./phases.ts";
import type { PreflightFlags } from "./preflight/command.ts";
import type { RenderFlags } from "./render.ts";
import type { RunFlags } from "./run.ts";
import type { EmbeddedFlags } from "./embedded.ts";
import type { Parts } from "./seams.ts";
import { CliError, InterruptedError, usageError } from "./errors.ts";
import { addSteeringCommands } from "./steering.ts";
import { versionText } from "./version.ts";

/** Makes the commands. `exit` takes exit codes that are no errors of the command itself. */
export function buildProgram(io: Io, parts: Parts, exit: (code: number) => void): Command {
  const program = new Command("wsmand").description("Workspace manager of a Gitpod cluster: watches its workspace pods, streams their statuses over gRPC.");
  program.exitOverride().configureOutput({ writeOut: (text) => void io.stdout.write(text), writeErr: (text) => void io.stderr.write(text) }).showHelpAfterError("(--help shows the usage)");
  program.version(versionText(), "--version", "print the version");
  addDaemonCommands(program, io, parts, exit);
  addExplain(program, io, exit);
  addRender(program, io, exit);
  addDecoders(program, io);
  addClientCommands(program, io);
  addSteeringCommands(program, io, withConnection);
  addBench(program, io);
  return program;
}

function addDaemonCommands(program: Command, io: Io, parts: Parts, exit: (code: number) => void): void {
  addRun(program, io, parts);

  const validate = program.command("validate-config").description("check a configuration: every problem, with its path").argument("[file]", "configuration, JSON or YAML").option("--config <file>", "the same");
  validate.action(async (file: string | undefined) => (await import("./validate-config.ts")).validateConfig(io, oneOf(file, validate.opts<{ config?: string }>().config)));

  const embedded = program.command("embedded").description("run the built-in cluster alone, for kubectl and experiments");
  embedded
    .option("--port <port>", "of its API server, on 127.0.0.1 (default: any)", numberFrom(0, 65535))
    .option("--nodes <count>", "nodes (default 2)", numberFrom(1, 1000))
    .option("--speed <factor>", "how much faster than life (default 1)", positive)
    .option("--demo <count>", "workspaces that come and go (default 0)", numberFrom(0, 10_000))
    .option("--kubeconfig-path <file>", "where its kubeconfig is written")
    .option("--config-path <file>", "where a configuration for a wsmand on it is written")
    .option("--scheduler-name <name>", "a scheduler that pods may ask for, beside default-scheduler")
    .option("--no-node-daemons", "nodes without node daemons")
    .option("--wsdaemon-port <port>", "of the node daemons (default: any)", numberFrom(0, 65535))
    .option("--wsdaemon-tls-ca <file>", "authorities that their clients' certificates must come from, PEM")
    .option("--wsdaemon-tls-cert <file>", "their own certificate, for the name wsdaemon, PEM")
    .option("--wsdaemon-tls-key <file>", "its key, PEM")
    .action(async () => (await import("./embedded.ts")).embedded(io, embedded.opts<EmbeddedFlags>(), parts));

  addPreflight(program, io, exit);
  program.command("version").description("print the version").action(() => void io.stdout.write(`${versionText()}\n`));
}

function addRun(program: Command, io: Io, parts: Parts): void {
  const run = program.command("run").description("run the daemon");
  run
    .option("--config <file>", "configuration, JSON or YAML")
    .option("--embedded", "run against the built-in cluster; needs no configuration")
    .option("--kubeconfig <file>", "the cluster to manage; default: the pod's service account, KUBECONFIG, ~/.kube/config")
    .option("--rpc-addr <host:port>", "with --embedded and no --config: where gRPC is served (default 127.0.0.1:8080)", listenAddress)
    .option("--metrics-addr <host:port>", "with --embedded and no --config: where metrics and health are served (default 127.0.0.1:9500)", listenAddress)
    .option("--demo <count>", "with --embedded: workspaces that come and go (default 8)", numberFrom(0, 10_000))
    .option("--speed <factor>", "with --embedded: how much faster than life (default 1)", positive)
    .option("--shadow", "compute everything and write nothing: not to the cluster, not to node daemons; calls that would change something are refused")
    .option("--compare <host:port>", "with --shadow: tell where the statuses differ from those of this ws-manager, which the --tls flags are for")
    .option("--settle <duration>", "with --compare: a workspace is compared once neither side has changed for so long (default 10s)", parseTimeout);
  withTls(run).action(async () => (await import("./run.ts")).run(io, run.opts<RunFlags>(), parts));
}

function addPreflight(program: Command, io: Io, exit: (code: number) => void): void {
  const preflight = program.command("preflight").description("before wsmand takes a cluster over: check configuration, rights, nodes and workspaces, and tell what would become of them; writes nothing");
  preflight
    .requiredOption("--config <file>", "the configuration that the ws-manager has, JSON or YAML")
    .option("--kubeconfig <file>", "the cluster, as for run")
    .option("--as <user>", "ask for the rights of this user, such as system:serviceaccount:NAMESPACE:NAME (default: whoever runs this)")
    .option("--no-nodes", "do not ask node daemons")
    .addOption(new Option("--timeout <duration>", "how long a short check may take; longer ones may take twice to twenty times as long").argParser(parseTimeout).default(15_000, "15s"))
    .option("--json", "print JSON")
    .addHelpText("after", "\nThe exit code is 0 without problems (there may be warnings), 1 with some.")
    .action(async () => exit(await (await import("./preflight/command.ts")).preflight(io, preflight.opts<PreflightFlags>())));
}

const failureHelp = '\nWhere the standard output is no terminal, a failure is {"error": "..."} there, and words on the standard error';

function addExplain(program: Command, io: Io, exit: (code: number) => void): void {
  const explain = program.command("explain").description('print what the daemon makes of a workspace: its status, what the controller would do, and when it times out');
  explain
    .requiredOption("--config <file>", "configuration, JSON or YAML")
    .argument("[id]", 'a workspace of the cluster; without it, {"pod": Pod, "events": [Event...]} or a Pod is read from the standard input')
    .option("--kubeconfig <file>", "the cluster, as for run")
    .option("--now <time>", "RFC 3339; default: now")
    .option("--last-activity <time>", "RFC 3339; default: what the pod's annotation says")
    .option("--show-secrets", "with an ID: print the owner token, too (of a pod on the standard input it is printed as it was given)")
    .addHelpText("after", `${failureHelp}; with an ID, the words alone.`)
    .action(async (id?: string) => exit(await (await import("./explain-command.ts")).explainCommand(io, { ...explain.opts<ExplainFlags>(), id })));
}

function addRender(program: Command, io: Io, exit: (code: number) => void): void {
  const render = program.command("render").description("read a StartWorkspaceRequest (proto3 JSON) from the standard input; print the pod that it starts, and the volume claim if any");
  render
    .requiredOption("--config <file>", "configuration, JSON or YAML")
    .option("--owner-token <token>", "the owner's token; default: a random one")
    .option("--cli-api-key <token>", "the token of the workspace's own command line; default: a random one")
    .addHelpText("after", `${failureHelp}.`)
    .action(async () => exit(await (await import("./render.ts")).renderCommand(io, render.opts<RenderFlags>())));
}

function addDecoders(program: Command, io: Io): void {
  const spec = program.command("decode-imagespec").description("read the value of a pod's annotation gitpod/imageSpec from the standard input; print it as JSON").option("--show-secrets", "print signed links and layers, too");
  spec.action(async () => (await import("./decode.ts")).decodeImageSpec(io, spec.opts<OutputOptions>()));
  const initializer = program.command("decode-initializer").description("read the value of a pod's annotation gitpod/contentInitializer from the standard input; print it as JSON").option("--show-secrets", "print credentials, too");
  initializer.action(async () => (await import("./decode.ts")).decodeInitializer(io, initializer.opts<OutputOptions>()));
}

/** The load tool has a command line of its own. */
function addBench(program: Command, io: Io): void {
  program.command("bench").description("measure a workspace manager: this one or another, here or on any cluster").helpOption(false).allowUnknownOption().argument("[args...]")
    .action(async (args: string[]) => {
      const tool = await ifInstalled(() => import("../../bench/command.ts"));
      if (!tool) throw new CliError("the load tool is not part of this installation", { hint: "the container image leaves it out: run it from the sources, npm run bench" });
      if (!(await tool.bench(args, io))) throw new InterruptedError();
    });
}

interface FilterOptions {
  readonly owner?: string;
  readonly metaId?: string;
  readonly annotation?: ReadonlyMap<string, string>;
}
interface OutputOptions {
  readonly json?: boolean;
  readonly showSecrets?: boolean;
}

function addClientCommands(program: Command, io: Io): void {
  const watch = withFilter(withConnection(program.command("watch").description("show workspaces and their changes as they happen: a live table in a terminal, else one line per change")));
  watch.addHelpText("after", "\nFields of a line, separated by tabs: time (of the change; - for what was so at the beginning), ID, phase, type, owner/meta ID, node, message.\nA change that none of them shows has no line; with --json, every status has one.");
  watch.action(async () => (await import("./watch.ts")).watch(io, { ...watch.opts<ConnectionFlags>(), ...outputOf(watch), filter: filterOf(watch) }));

  const list = withFilter(withConnection(program.command("list").description("list the workspaces"))).option("--phase <name...>", "only these phases: PENDING, RUNNING, ...", collectPhases);
  list.action(async () => (await import("./list.ts")).list(io, { ...list.opts<ConnectionFlags>(), ...outputOf(list), filter: filterOf(list), phases: list.opts<{ phase?: string[] }>().phase ?? [] }));

  const describe = withSecrets(withConnection(program.command("describe").description("show all about one workspace").argument("<id>", "the workspace's ID")));
  describe.action(async (id: string) => (await import("./describe.ts")).describe(io, { ...describe.opts<ConnectionFlags>(), ...outputOf(describe), id }));

  const spec = withConnection(program.command("image-spec").description("show what a workspace's image is put together from").argument("<id>", "the workspace's ID").option("--show-secrets", "print signed links, and with --json layers, too"));
  spec.action(async (id: string) => (await import("./image-spec.ts")).imageSpec(io, { ...spec.opts<ConnectionFlags>(), ...outputOf(spec), id }));

  const classes = withConnection(program.command("classes").description("list the workspace classes"));
  classes.action(async () => (await import("./list.ts")).classes(io, { ...classes.opts<ConnectionFlags>(), json: outputOf(classes).json }));
}

function withConnection(command: Command): Command {
  return withTls(command.option("--address <host:port>", "the ws-manager, this or another (default: WSMAN_ADDRESS, else 127.0.0.1:8080)"))
    .addOption(new Option("--timeout <duration>", "how long connecting, or a call, may take").argParser(parseTimeout).default(10_000, "10s"))
    .option("--json", "print proto3 JSON");
}

function withTls(command: Command): Command {
  return command
    .option("--tls", "use TLS, with the system's authorities; any other --tls flag implies it")
    .option("--tls-ca <file>", "authorities that the server's certificate must come from, PEM")
    .option("--tls-cert <file>", "client certificate, PEM")
    .option("--tls-key <file>", "its key, PEM")
    .option("--tls-server-name <name>", "name that the server's certificate must have, if not the address's")
    .option("--insecure", "no TLS (the default without TLS flags)");
}

/** For commands that print statuses. */
function withSecrets(command: Command): Command {
  return command.option("--show-secrets", "print owner tokens, too");
}

function withFilter(command: Command): Command {
  return withSecrets(command)
    .option("--owner <id>", "only workspaces of this owner")
    .option("--meta-id <id>", "only instances of this workspace")
    .option("--annotation <key=value>", "only workspaces with this annotation; may be given several times", collectAnnotation);
}

function outputOf(command: Command): { json: boolean; showSecrets: boolean } {
  const { json = false, showSecrets = false } = command.opts<OutputOptions>();
  return { json, showSecrets };
}

function filterOf(command: Command): FilterFlags {
  const { owner = "", metaId = "", annotation = new Map<string, string>() } = command.opts<FilterOptions>();
  return { owner, metaId, annotations: Object.fromEntries(annotation) };
}

function oneOf(argument: string | undefined, flag: string | undefined): string {
  const file = argument ?? flag;
  if (file === undefined) throw usageError("FILE is missing", "usage: wsmand validate-config FILE");
  if (argument !== undefined && flag !== undefined) throw usageError("FILE and --config are the same: give one of them");
  return file;
}

function listenAddress(text: string): string {
  if (parseListenAddress(text) === undefined) throw new InvalidArgumentError('It must be an address to listen on such as "127.0.0.1:8080" or ":8080".');
  return text;
}

function parseTimeout(text: string): number {
  const ms = parseGoDuration(text);
  if (ms === undefined || ms <= 0 || ms > 86_400_000) throw new InvalidArgumentError('It must be a duration such as "10s", at most 24h.');
  return ms;
}

function numberFrom(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (text.trim() === "" || !Number.isInteger(value) || value < min || value > max) throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
    return value;
  };
}

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0 && value <= 1_000_000)) throw new InvalidArgumentError("It must be a number above 0.");
  return value;
}

function collectAnnotation(text: string, before: ReadonlyMap<string, string> = new Map()): ReadonlyMap<string, string> {
  const at = text.indexOf("=");
  if (at < 1) throw new InvalidArgumentError("It must be key=value.");
  return new Map([...before, [text.slice(0, at), text.slice(at + 1)]]);
}

const phaseNames: ReadonlySet<string> = new Set(phases);

function collectPhases(text: string, before: readonly string[] = []): readonly string[] {
  const typed = text.split(",").map((name) => name.trim());
  const names = typed.map((name) => name.toUpperCase());
  const wrong = typed.find((name) => !phaseNames.has(name.toUpperCase()));
  if (wrong !== undefined) throw new InvalidArgumentError(`${JSON.stringify(wrong)} is no phase; the phases are ${phases.join(", ")}.`);
  return [...before, ...names];
}
