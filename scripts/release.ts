// Makes everything that a release has from a tag of this repository: image, chart, bill of materials, changelog, checksums. The same tag gives the same bytes. --help tells the flags.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Argument, Command, InvalidArgumentError, Option } from "commander";
import { runScript } from "./command.ts";
import { inNewFolderAsync } from "./image/folders.ts";
import { checkSize, makeTree, places } from "./image/tree.ts";
import { sha256Of } from "./image/archive.ts";
import { ociArchive } from "./image/whole.ts";
import { notesOf } from "./release/changelog.ts";
import { packChart } from "./release/chart.ts";
import { chartFolder, versionProblems } from "./release/versions.ts";

interface Flags {
  readonly out: string;
  readonly commit?: string;
  readonly time?: string;
}

interface Artefact {
  readonly file: string;
  readonly bytes: Uint8Array;
}

const root = resolve(import.meta.dirname, "..");
const say = (text: string): void => void process.stderr.write(`${text}\n`);
let underWay = "nothing";

// A release is made in two steps: this checkout gets the tag's sources and installs what they need; then the tag's own scripts/release.ts makes everything, with the Node.js of the tag. It is told so by the hidden flags,
// which must mean the same in all versions.
const program = new Command("release")
  .description("Makes what a release has from a tag: the image as an OCI archive, the chart, the bill of materials, the changelog and checksums. The tag's own sources and scripts are taken, whatever is checked out; nothing is published.")
  .addArgument(new Argument("<tag>", "as in v1.2.3").argParser(tagName))
  .option("--out <folder>", "where the files go", "release-out")
  .addOption(new Option("--commit <hash>", "make it from the sources that this script is in, which are those of this commit").hideHelp())
  .addOption(new Option("--time <seconds>", "of the commit, since 1970").hideHelp());

await runScript(program, () => main(String(program.processedArgs[0]), program.opts<Flags>()), { soFar: () => `${underWay} was under way` });

function main(tag: string, { out, commit, time }: Flags): Promise<void> {
  if (commit === undefined) return prepare(tag, resolve(out));
  if (time === undefined || !/^\d+$/.test(time)) throw new Error("--commit needs --time, in seconds since 1970");
  return make({ version: tag.slice(1), commit, epoch: Number(time) }, resolve(out));
}

async function prepare(tag: string, out: string): Promise<void> {
  const commit = git("rev-parse", "--verify", "--quiet", `refs/tags/${tag}^{commit}`);
  const time = git("log", "-1", "--format=%ct", commit);
  await inNewFolderAsync(async (folder) => {
    const source = join(folder, "source");
    await step("the tag's sources", () => checkOut(commit, source, folder));
    notesOf(readFileSync(join(source, "CHANGELOG.md"), "utf8"), tag.slice(1));
    await step("npm ci", () => void execFileSync("npm", ["ci"], { cwd: source, stdio: ["ignore", process.stderr.fd, process.stderr.fd] }));
    underWay = "the tag's own scripts/release.ts";
    const { status } = spawnSync(join(source, "node_modules/.bin/node"), ["scripts/release.ts", tag, "--out", out, "--commit", commit, "--time", time], { cwd: source, stdio: ["ignore", "inherit", "inherit"] });
    if (status !== 0) throw new Error(`the scripts/release.ts of ${tag} did not make it`);
  });
}

interface Source {
  readonly version: string;
  readonly commit: string;
  /** Seconds since 1970. */
  readonly epoch: number;
}

async function make(source: Source, out: string): Promise<void> {
  const artefacts = await artefactsOf(source);
  mkdirSync(out, { recursive: true });
  const sums = artefacts.map(({ file, bytes }) => `${sha256Of(bytes)}  ${file}\n`).join("");
  for (const { file, bytes } of [...artefacts, { file: "SHA256SUMS", bytes: Buffer.from(sums) }]) writeFileSync(join(out, file), bytes);
  process.stdout.write(sums);
}

async function artefactsOf({ version, commit, epoch }: Source): Promise<readonly Artefact[]> {
  await step("versions", () => checkVersions(version));
  const notes = notesOf(readFileSync(join(root, "CHANGELOG.md"), "utf8"), version);
  return inNewFolderAsync(async (folder) => {
    const tree = await step("the image's tree", () => makeTree(root, folder, epoch));
    const { total, layers } = checkSize(tree);
    const { archive, digest } = await step("the image's archive", () => ociArchive(root, tree, `wsmand:${version}`, epoch, commit));
    say(`the image's files have ${total} bytes, its layers ${layers}; its digest is ${digest}`);
    const chart = await packChart(join(root, chartFolder), epoch);
    return [
      { file: `wsmand-${version}-image-amd64.oci.tar`, bytes: archive },
      chart,
      { file: `wsmand-${version}.cdx.json`, bytes: readFileSync(join(tree.app, places.sbom)) },
      { file: `CHANGELOG-${version}.md`, bytes: Buffer.from(`${notes}\n`) },
    ];
  });
}

function checkOut(commit: string, source: string, folder: string): void {
  const tar = join(folder, "source.tar");
  git("archive", "--output", tar, commit);
  mkdirSync(source);
  execFileSync("tar", ["--extract", "--file", tar, "--directory", source]);
}

function checkVersions(version: string): void {
  const told = execFileSync(process.execPath, [join(root, "dist/main/index.js"), "--version"], { encoding: "utf8" });
  const named = /^wsmand (\S+)/.exec(told)?.[1] ?? "";
  const problems = [...(named === version ? [] : [`the tag says ${version}, package.json ${named}`]), ...versionProblems(root, told)];
  if (problems.length > 0) throw new Error(`versions do not agree: ${problems.join("; ")}`);
}

async function step<T>(what: string, work: () => T | Promise<T>): Promise<T> {
  underWay = what;
  say(`== ${what}`);
  return work();
}

function git(...args: readonly string[]): string {
  try {
    return execFileSync("git", ["-C", root, ...args], { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }).trim();
  } catch (error) {
    throw new Error(args[0] === "rev-parse" ? `there is no such tag: ${args.at(-1) ?? ""}` : `git ${args[0] ?? ""} failed`, { cause: error });
  }
}

function tagName(text: string): string {
  if (!/^v\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?$/.test(text)) throw new InvalidArgumentError("It must be a tag such as v1.2.3.");
  return text;
}
