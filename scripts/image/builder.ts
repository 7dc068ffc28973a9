/** The image by its Containerfile, with buildah or podman, and the base that it is built on from Debian's own packages where no registry is at hand. */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";

/** Name of the base that is made here. */
const ownBase = "localhost/wsmand-build-base";

/** Whether a program is there. */
export function isThere(program: string): boolean {
  return (process.env["PATH"] ?? "").split(":").some((folder) => existsSync(join(folder, program)));
}

/** Runs a program that tells what it does; its output goes to the standard error. @throws Error if it fails. */
export function runLoud(program: string, args: readonly string[]): void {
  execFileSync(program, args, { stdio: ["ignore", process.stderr.fd, process.stderr.fd] });
}

/**
 * Makes the base for builds from Debian's packages, with mmdebstrap (as root, or with user namespaces), and imports it; gives its name. Made once for each release of Debian.
 * @param work folder for the root file system.
 */
export function makeBuildBase(suite: string, work: string): string {
  const name = `${ownBase}:${suite}`;
  if (imageIs(name)) return name;
  mkdirSync(work, { recursive: true });
  const tar = join(work, `${suite}.tar`);
  if (!existsSync(tar)) makeRootFileSystem(suite, tar);
  const container = execFileSync("buildah", ["from", "scratch"], { encoding: "utf8" }).trim();
  try {
    runLoud("buildah", ["add", "--quiet", container, tar, "/"]);
    runLoud("buildah", ["commit", "--quiet", container, name]);
  } finally {
    runLoud("buildah", ["rm", container]);
  }
  return name;
}

/** Whole or not at all: what was cut off is made again the next time. */
function makeRootFileSystem(suite: string, tar: string): void {
  const begun = tar.replace(/\.tar$/, ".begun.tar");
  runLoud("mmdebstrap", ["--variant=minbase", suite, begun, ...sourcesOf(suite)]);
  renameSync(begun, tar);
}

/** As in Debian's own images: what base.json pins may be an update. */
function sourcesOf(suite: string): readonly string[] {
  return [`deb http://deb.debian.org/debian ${suite} main`, `deb http://deb.debian.org/debian ${suite}-updates main`, `deb http://deb.debian.org/debian-security ${suite}-security main`];
}

function imageIs(name: string): boolean {
  return execFileSync("buildah", ["images", "--format", "{{.Name}}:{{.Tag}}"], { encoding: "utf8" }).split("\n").includes(name);
}

/** How the image is built. */
export interface BuildOptions {
  readonly root: string;
  readonly name: string;
  /** Replaces the Containerfile's. */
  readonly buildBase: string | undefined;
  readonly version: string;
  readonly revision: string;
  readonly epoch: number;
  /** Further flags of the builder: mounts, networks, isolation. */
  readonly flags: readonly string[];
}

/** Builds the image with buildah. */
export function buildImage({ root, name, buildBase, version, revision, epoch, flags }: BuildOptions): void {
  const values = { ...(buildBase !== undefined && { BUILD_BASE: buildBase }), VERSION: version, REVISION: revision, SOURCE_DATE_EPOCH: String(epoch) };
  const args = Object.entries(values).flatMap(([key, value]) => ["--build-arg", `${key}=${value}`]);
  runLoud("buildah", ["build", "--layers", "--timestamp", String(epoch), ...args, ...flags, "--file", join(root, "deploy/image/Containerfile"), "--tag", name, root]);
}
