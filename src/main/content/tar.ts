/** Small tar archives: the layers that are made here. Equal entries give equal bytes, for the digest of a layer must not change from call to call. */

/** An entry. */
export interface TarEntry {
  /** Absolute. */
  readonly name: string;
  readonly mode: number;
  /** User and group. */
  readonly owner: number;
  /** Text of a file; undefined: a directory. */
  readonly content?: string;
}

/** Nothing tells when it was made. */
const mtime = new Date(0);

/** An uncompressed tar of the entries, in their order. */
export async function tarOf(entries: readonly TarEntry[]): Promise<Buffer> {
  const { pack } = await import("tar-stream");
  const archive = pack();
  for (const { name, mode, owner, content } of entries) {
    const header = { name, mode, uid: owner, gid: owner, mtime };
    if (content === undefined) archive.entry({ ...header, type: "directory" });
    else archive.entry({ ...header, type: "file" }, Buffer.from(content));
  }
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive) if (Buffer.isBuffer(chunk)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** Entries that are named; a layer of ours has fewer. */
const maxNames = 100;

/** Names of the entries of a tar; what is none has no names. */
export async function namesIn(tar: Uint8Array): Promise<readonly string[]> {
  const { extract } = await import("tar-stream");
  const reader = extract();
  const names: string[] = [];
  reader.end(Buffer.from(tar));
  try {
    for await (const entry of reader) {
      if (names.push(entry.header.name) === maxNames) break;
      entry.resume();
    }
  } catch {
    // Told by the names that there are.
  }
  return names;
}
