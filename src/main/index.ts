#!/usr/bin/env node
/** The command line: one command per line, each loaded when it is called. */
import { readFileSync } from "node:fs";
import { Command } from "commander";

const oldest = 24;
if (Number(process.versions.node.split(".", 1)[0]) < oldest) {
  process.stderr.write(`wsmand needs Node ${oldest} or newer, this is ${process.versions.node}: run it through its npm scripts, which bring their own\n`);
  process.exit(1);
}

function packageVersion(): string {
  const found: unknown = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  return typeof found === "object" && found !== null && "version" in found ? String(found.version) : "unknown";
}

const program = new Command("wsmand").description("Workspace manager daemon: watches the workspace pods of a Kubernetes cluster and streams their statuses over gRPC.").version(packageVersion());
program.command("version").description("print the version").action(() => {
  process.stdout.write(`${packageVersion()}\n`);
});
program
  .command("run")
  .description("run the daemon")
  .requiredOption("--config <file>", "configuration, JSON or YAML")
  .option("--kubeconfig <file>", "access to the cluster; otherwise the pod's service account, KUBECONFIG or ~/.kube/config")
  .action(async (options: { config: string; kubeconfig?: string }) => (await import("./cli/run.ts")).run(options));
program
  .command("validate-config")
  .description("check a configuration file and tell every problem with its path")
  .argument("<file>")
  .action(async (file: string) => (await import("./cli/check.ts")).validateConfig(file));
program
  .command("explain")
  .description('what the daemon makes of a pod: reads {"pod", "events"} as JSON from stdin')
  .requiredOption("--config <file>", "configuration, JSON or YAML")
  .option("--now <time>", "RFC 3339; default: now")
  .option("--last-activity <time>", "RFC 3339; default: what the pod says")
  .action(async (options: { config: string; now?: string; lastActivity?: string }) => (await import("./cli/check.ts")).explainPod(options));

await program.parseAsync();
