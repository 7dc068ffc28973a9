/** Reads tars that tests get. */
import { extract } from "tar-stream";

/** An entry. */
export interface Entry {
  readonly name: string;
  readonly type: string;
  /** As in `ls`, "755". */
  readonly mode: string;
  /** user:group */
  readonly owner: string;
  readonly text: string;
}

/** All entries, in their order. */
export async function entriesOf(tar: Uint8Array): Promise<Entry[]> {
  const reader = extract();
  reader.end(Buffer.from(tar));
  const entries: Entry[] = [];
  for await (const entry of reader) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) if (Buffer.isBuffer(chunk)) chunks.push(chunk);
    const { name, type, mode, uid, gid } = entry.header;
    entries.push({ name, type: type ?? "", mode: mode.toString(8), owner: `${uid}:${gid}`, text: Buffer.concat(chunks).toString() });
  }
  return entries;
}
