/** Gets what the image stands on, each file by its digest: from earlier downloads, from apt and npm, and what Debian's mirrors have dropped meanwhile from its archive of all that they ever had. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { messageOf } from "../../src/domain/errors.ts";
import { baseFile, type Base, type DebianPackage } from "./base.ts";
import { inNewFolder, inNewFolderAsync } from "./folders.ts";

/** Where files come from. */
export interface Sources {
  /** Folder in which they are kept between builds; what is there counts only with the right digest. */
  readonly kept: string;
  /** apt-get. */
  readonly apt: string;
  /** Debian's archive, which has every file of every mirror by its SHA-1, for ever. */
  readonly archive: string;
  /** Time for a file of the archive, milliseconds. */
  readonly archiveMs: number;
}

/** A file of the archive may have this many bytes. */
const archivedBytes = 64 * 1024 * 1024;

/** The usual ones. */
export function usualSources(): Sources {
  const kept = join(process.env["XDG_CACHE_HOME"] ?? join(process.env["HOME"] ?? tmpdir(), ".cache"), "wsmand-image");
  return { kept, apt: "apt-get", archive: "https://snapshot.debian.org", archiveMs: 120_000 };
}

/** Gets the pinned Debian packages; gives their files by name. @throws Error that says why a file can not be had, or that it is not the pinned one. */
export async function getDebianPackages({ debian, architecture }: Base, sources: Sources): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>();
  for (const wanted of debian) files.set(wanted.name, await getDebianPackage(wanted, architecture, sources));
  return files;
}

/** The newest file of a Debian package that apt knows, by its SHA-256; gives the file. */
export function getNewest(wanted: Omit<DebianPackage, "sha1" | "files">, architecture: string, sources: Sources): string {
  const { name, version } = wanted;
  const kept = keptAs(wanted, architecture, sources);
  if (isFile(kept, "sha256", wanted.sha256)) return kept;
  return inNewFolder((folder) => {
    execFileSync(sources.apt, ["download", `${name}:${architecture}=${version}`], { cwd: folder, stdio: ["ignore", "ignore", "pipe"], timeout: 120_000 });
    const file = readdirSync(folder).find((entry) => entry.endsWith(".deb"));
    if (file === undefined) throw new Error(`${sources.apt} has put no file of ${name} there`);
    return keep(join(folder, file), kept, "sha256", wanted.sha256);
  });
}

async function getDebianPackage(wanted: DebianPackage, architecture: string, sources: Sources): Promise<string> {
  const { name, version, sha1, sha256 } = wanted;
  try {
    return getNewest(wanted, architecture, sources);
  } catch (error) {
    return inNewFolderAsync(async (folder) => {
      const file = join(folder, name);
      try {
        writeFileSync(file, await fetched(`${sources.archive}/file/${sha1}`, sources.archiveMs));
      } catch (other) {
        throw new Error(`${name} ${version} can not be had, neither with ${sources.apt} download (${reasonOf(error)}) nor from Debian's archive (${messageOf(other)})`, { cause: other });
      }
      return keep(file, keptAs(wanted, architecture, sources), "sha256", sha256);
    });
  }
}

/** What apt says; the first line of an error only repeats the command. */
function reasonOf(error: unknown): string {
  const text = messageOf(error);
  return text.split("\n").slice(1).join(" ").trim() || text;
}

async function fetched(url: string, ms: number): Promise<Buffer> {
  const response = await fetch(url, { signal: AbortSignal.timeout(ms) });
  if (!response.ok) throw new Error(`${url} answers ${response.status}`);
  const chunks: Uint8Array[] = [];
  let size = 0;
  const reader: ReadableStreamDefaultReader<Uint8Array> | undefined = response.body?.getReader();
  for (let next = await reader?.read(); next?.value; next = await reader?.read()) {
    size += next.value.length;
    if (size > archivedBytes) {
      await reader?.cancel();
      throw new Error(`${url} has more than ${archivedBytes} bytes`);
    }
    chunks.push(next.value);
  }
  return Buffer.concat(chunks);
}

/** Gets the archive of the npm package that holds Node.js; gives its file. */
export function getNode({ node: { name, version, integrity } }: Base, sources: Sources): string {
  const kept = join(sources.kept, `${name}-${version}.tgz`);
  const [algorithm = "", digest = ""] = integrity.split(/-(.*)/s);
  const hex = Buffer.from(digest, "base64").toString("hex");
  if (isFile(kept, algorithm, hex)) return kept;
  return inNewFolder((folder) => {
    execFileSync("npm", ["pack", "--silent", `${name}@${version}`], { cwd: folder, stdio: ["ignore", "ignore", "inherit"], timeout: 200_000 });
    const file = readdirSync(folder).find((entry) => entry.endsWith(".tgz"));
    if (file === undefined) throw new Error(`npm has put no file of ${name} there`);
    return keep(join(folder, file), kept, algorithm, hex);
  });
}

function keptAs({ name, version }: Pick<DebianPackage, "name" | "version">, architecture: string, { kept }: Sources): string {
  return join(kept, `${name}_${version.replace(":", "%3a")}_${architecture}.deb`);
}

/** @throws Error if it is not the pinned file. */
function keep(file: string, kept: string, algorithm: string, hex: string): string {
  if (!isFile(file, algorithm, hex)) throw new Error(`${kept.split("/").at(-1) ?? kept} is not the file whose digest is in ${baseFile}`);
  mkdirSync(join(kept, ".."), { recursive: true });
  // Whole or not at all, for other builds that look at the same time.
  copyFileSync(file, `${kept}.${process.pid}`);
  renameSync(`${kept}.${process.pid}`, kept);
  return kept;
}

function isFile(path: string, algorithm: string, hex: string): boolean {
  return existsSync(path) && digestOf(path, algorithm) === hex;
}

/** Digest of a file, hexadecimal. */
export function digestOf(path: string, algorithm: string): string {
  return createHash(algorithm).update(readFileSync(path)).digest("hex");
}
