// Makes the container image from Debian's packages, npm's and this checkout, and tries it as the chart runs it. --help tells the steps.
import { execFileSync } from "node:child_process";
import { mkdirSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join, resolve } from "node:path";
import { Argument, Command } from "commander";
import { readBase } from "./image/base.ts";
import { buildImage, isThere, makeBuildBase, runLoud } from "./image/builder.ts";
import { differences } from "./image/compare.ts";
import { usualSources } from "./image/downloads.ts";
import { checkSize, largestIn, makeTree, places, sizeOf, treeIn } from "./image/tree.ts";
import { tryImage } from "./image/trial.ts";
import { refreshBase } from "./image/refresh.ts";
import { epochOf, ociArchive, revisionOf, versionOf } from "./image/whole.ts";
import { builtEntry, refuseOldBuild } from "./built.ts";
import { runScript } from "./command.ts";

interface Flags {
  readonly out: string;
  readonly name?: string;
  readonly buildBase?: string;
  readonly builderFlag: readonly string[];
  readonly engine: string;
  readonly engineFlag: readonly string[];
}

const root = resolve(import.meta.dirname, "..");
const say = (text: string): void => void process.stdout.write(`${text}\n`);

const program = new Command("image")
  .description("Makes the container image and tries it. Steps: tree (the root file system, in OUT/base and OUT/app), archive (an OCI archive of that tree, without a builder), build (by the Containerfile, with buildah), "
    + "compare (the built image has the same files as the tree), try (runs it under the chart's security settings), refresh (pins the newest packages in deploy/image/base.json).")
  .addArgument(new Argument("<steps...>", "in this order").choices(["tree", "archive", "build", "compare", "try", "refresh"]))
  .option("--out <folder>", "where trees and archives go", "image-out")
  .option("--name <name>", "of the image (default: localhost/wsmand:VERSION)")
  .option("--build-base <image>", "image of the pinned release of Debian to build on; \"own\": one made with mmdebstrap (default: the Containerfile's)")
  .option("--builder-flag <flag>", "a further flag of buildah build; may be given several times", collect, [])
  .option("--engine <program>", "what runs the trial: podman or docker", "podman")
  .option("--engine-flag <flag>", "a further flag of its run; may be given several times", collect, []);

await runScript(program, () => main(program.processedArgs.flat().map(String), program.opts<Flags>()), { soFar: () => "what was made so far is there" });

async function main(steps: readonly string[], flags: Flags): Promise<void> {
  const out = resolve(flags.out);
  const name = flags.name ?? `localhost/wsmand:${versionOf(root)}`;
  const work: Readonly<Record<string, () => void | Promise<void>>> = {
    refresh: () => refreshBase(root, usualSources()),
    tree: () => tellTree(out),
    archive: async () => {
      // Its labels say of which commit it is.
      refuseOldBuild(root);
      refuseOldTree(out);
      const { archive, digest } = await ociArchive(root, treeIn(out), name, epochOf(root), revisionOf(root));
      writeFileSync(join(out, "wsmand.oci.tar"), archive);
      say(`${join(out, "wsmand.oci.tar")}: ${archive.length} bytes, ${digest}`);
    },
    build: () => build(out, name, flags),
    compare: () => compareWithTree(out, name),
    try: () => tell(name, flags),
  };
  for (const step of steps) await work[step]?.();
}

/** @throws Error if the tree holds another build than dist/. */
function refuseOldTree(out: string): void {
  const timeOf = (folder: string): number => statSync(join(folder, builtEntry), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const made = timeOf(join(treeIn(out).app, places.app));
  if (made === 0) throw new Error(`${out} holds no tree: step tree comes first`);
  if (made < timeOf(root)) throw new Error(`the tree in ${out} is older than dist/: step tree comes first`);
}

async function tellTree(out: string): Promise<void> {
  refuseOldBuild(root);
  const tree = await makeTree(root, out, epochOf(root));
  const { base, app, total, layers } = sizeOf(tree);
  for (const [what, bytes] of largestIn(tree, 15)) say(`${String(bytes).padStart(11)}  ${what}`);
  say(`base ${base} bytes, app ${app} bytes, together ${total} bytes; as layers ${layers} bytes`);
  checkSize(tree);
}

function build(out: string, name: string, { buildBase, builderFlag }: Flags): void {
  if (!isThere("buildah")) throw new Error("buildah is not installed: on Debian, apt-get install buildah");
  const base = buildBase === "own" ? makeBuildBase(readBase(root).suite, join(out, "build-base")) : buildBase;
  buildImage({ root, name, buildBase: base, version: versionOf(root), revision: revisionOf(root), epoch: epochOf(root), flags: builderFlag });
}

/** Takes the built image apart: it must hold what the tree holds, file by file. */
function compareWithTree(out: string, name: string): void {
  const mounted = join(out, "built");
  mkdirSync(mounted, { recursive: true });
  const container = execFileSync("buildah", ["from", "--pull-never", name], { encoding: "utf8" }).trim();
  try {
    const place = execFileSync("buildah", ["mount", container], { encoding: "utf8" }).trim();
    const found = differences(treeIn(out), place);
    for (const line of found.slice(0, 20)) say(line);
    if (found.length > 0) throw new Error(`the built image and the tree differ in ${found.length} files`);
    say("the built image has the same files as the tree");
  } finally {
    runLoud("buildah", ["rm", container]);
  }
}

async function tell(image: string, { engine, engineFlag }: Flags): Promise<void> {
  if (!isThere(engine)) throw new Error(`${engine} is not installed: on Debian, apt-get install podman crun`);
  const findings = await tryImage({ engine, image, flags: engineFlag, ports: { rpc: await freePort(), metrics: await freePort() } });
  for (const { what, ok, found } of findings) say(`${ok ? "ok    " : "FAILED"}  ${what}: ${found}`);
  const failed = findings.filter(({ ok }) => !ok).length;
  if (failed > 0) throw new Error(`${failed} of ${findings.length} things are not as they should be`);
}

function freePort(): Promise<number> {
  return new Promise((done, fail) => {
    const server = createServer().once("error", fail);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => done(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}
