// Makes everything that a release has from a tag of this repository: image, chart, bill of materials, changelog, checksums. The same tag gives the same bytes. --help tells the flags.
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { Argument, Command, InvalidArgumentError } from "commander";
import { runScript } from "./command.ts";
import { inNewFolderAsync } from "./image/base.ts";
import { makeTree, places, sizeLimit, sizeOf } from "./image/tree.ts";
import { sha256Of } from "./image/archive.ts";
import { ociArchive } from "./image/whole.ts";
import { notesOf } from "./release/changelog.ts";
import { packChart } from "./release/chart.ts";
import { chartFolder, versionProblems } from "./release/versions.ts";

interface Flags {
  readonly out: string;
}

interface Artefact {
  readonly file: string;
  readonly bytes: Uint8Array;
}

const repository = resolve(import.meta.dirname, "..");
const say = (text: string): void => void process.stderr.write(`${text}\n`);
let underWay = "nothing";

const program = new Command("release")
  .description("Makes what a release has from a tag: the image as an OCI archive, the chart, the bill of materials, the changelog and checksums. The tag's own sources are taken, whatever is checked out; nothing is published.")
  .addArgument(new Argument("<tag>", "as in v1.2.3").argParser(tagName))
  .option("--out <folder>", "where the files go", "release-out");

await runScript(program, () => release(String(program.processedArgs[0]), program.opts<Flags>()), () => `${underWay} was under way`);

async function release(tag: string, { out }: Flags): Promise<void> {
  const commit = git("rev-parse", "--verify", "--quiet", `refs/tags/${tag}^{commit}`);
  const epoch = Number(git("log", "-1", "--format=%ct", commit));
  const artefacts = await inNewFolderAsync(async (folder) => {
    const root = join(folder, "source");
    step("the tag's sources", () => checkOut(commit, root, folder));
    const version = tag.slice(1);
    const notes = notesOf(readFileSync(join(root, "CHANGELOG.md"), "utf8"), version);
    step("npm ci", () => void execFileSync("npm", ["ci"], { cwd: root, stdio: ["ignore", process.stderr.fd, process.stderr.fd] }));
    step("versions", () => checkVersions(root, version));
    return make({ root, folder, version, commit, epoch, notes });
  });
  mkdirSync(out, { recursive: true });
  const sums = artefacts.map(({ file, bytes }) => `${sha256Of(bytes)}  ${file}\n`).join("");
  for (const { file, bytes } of [...artefacts, { file: "SHA256SUMS", bytes: Buffer.from(sums) }]) writeFileSync(join(out, file), bytes);
  process.stdout.write(sums);
}

interface Source {
  readonly root: string;
  readonly folder: string;
  readonly version: string;
  readonly commit: string;
  readonly epoch: number;
  readonly notes: string;
}

async function make({ root, folder, version, commit, epoch, notes }: Source): Promise<readonly Artefact[]> {
  const tree = step("the image's tree", () => makeTree(root, join(folder, "image"), epoch));
  const { total } = sizeOf(tree);
  if (total > sizeLimit) throw new Error(`the image has ${total} bytes; it must have at most ${sizeLimit}`);
  underWay = "the archives";
  const { archive, digest } = await ociArchive(root, tree, `wsmand:${version}`, epoch, commit);
  say(`the image has ${total} bytes in all; its digest is ${digest}`);
  const chart = await packChart(join(root, chartFolder), epoch);
  return [
    { file: `wsmand-${version}-image-amd64.oci.tar`, bytes: archive },
    chart,
    { file: `wsmand-${version}.cdx.json`, bytes: readFileSync(join(tree.app, places.sbom)) },
    { file: `CHANGELOG-${version}.md`, bytes: Buffer.from(`${notes}\n`) },
  ];
}

function checkOut(commit: string, root: string, folder: string): void {
  const tar = join(folder, "source.tar");
  git("archive", "--output", tar, commit);
  mkdirSync(root);
  execFileSync("tar", ["--extract", "--file", tar, "--directory", root]);
}

function checkVersions(root: string, version: string): void {
  const told = execFileSync(process.execPath, [join(root, "dist/main/index.js"), "--version"], { encoding: "utf8" });
  const named = /^wsmand (\S+)/.exec(told)?.[1] ?? "";
  const problems = [...(named === version ? [] : [`the tag says ${version}, package.json ${named}`]), ...versionProblems(root, told)];
  if (problems.length > 0) throw new Error(`versions do not agree: ${problems.join("; ")}`);
}

function step<T>(what: string, work: () => T): T {
  underWay = what;
  say(`== ${what}`);
  return work();
}

function git(...args: readonly string[]): string {
  try {
    return execFileSync("git", ["-C", repository, ...args], { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] }).trim();
  } catch (error) {
    throw new Error(args[0] === "rev-parse" ? `there is no such tag: ${args.at(-1) ?? ""}` : `git ${args[0] ?? ""} failed`, { cause: error });
  }
}

function tagName(text: string): string {
  if (!/^v\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?$/.test(text)) throw new InvalidArgumentError("It must be a tag such as v1.2.3.");
  return text;
}
