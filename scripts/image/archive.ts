/** Archives that are the same, byte for byte, for the same files: entries in order, one time, no owners. */
import { createHash } from "node:crypto";
import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { pack } from "tar-stream";
import { compare } from "./lock.ts";

/** An entry of an archive. */
export interface Entry {
  /** Without a slash at the beginning. */
  readonly name: string;
  /** Bytes of a file, or where they are; missing: a folder, or a link. */
  readonly content?: Uint8Array | { readonly file: string };
  /** Where a symbolic link leads. */
  readonly link?: string;
  readonly mode: number;
}

/** A tar of the entries, sorted by name. @param epoch seconds since 1970, the time of all entries. */
export async function tarOf(entries: readonly Entry[], epoch: number): Promise<Buffer> {
  const archive = pack();
  for (const { name, content, link, mode } of entries.toSorted((a, b) => compare(a.name, b.name))) {
    const header = { name, mode, uid: 0, gid: 0, mtime: new Date(epoch * 1000) };
    if (link !== undefined) archive.entry({ ...header, type: "symlink", linkname: link });
    else if (content === undefined) archive.entry({ ...header, type: "directory" });
    else archive.entry({ ...header, type: "file" }, content instanceof Uint8Array ? content : readFileSync(content.file));
  }
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive) if (Buffer.isBuffer(chunk)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Compresses so that equal bytes give equal bytes: no time, no name, one level. */
export function gzipOf(bytes: Uint8Array): Buffer {
  return gzipSync(bytes, { level: 6 });
}

/** All that is in a folder, with plain modes: 755 for folders and programs, 644 for files; a folder that everybody may write to keeps that. */
export function entriesBelow(folder: string, prefix = ""): readonly Entry[] {
  return readdirSync(folder).flatMap((entry) => {
    const path = join(folder, entry);
    const name = `${prefix}${entry}`;
    const stat = lstatSync(path);
    if (stat.isSymbolicLink()) return [{ name, link: readlinkSync(path), mode: 0o777 }];
    if (stat.isDirectory()) return [{ name, mode: (stat.mode & 0o1777) === 0o1777 ? 0o1777 : 0o755 }, ...entriesBelow(path, `${name}/`)];
    return [{ name, content: { file: path }, mode: (stat.mode & 0o100) === 0 ? 0o644 : 0o755 }];
  });
}

/** SHA-256, hexadecimal. */
export function sha256Of(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
