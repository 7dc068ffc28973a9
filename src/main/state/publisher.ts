/** Publishing: a status gets its version, becomes a frame, is kept at hand, and is handed on. */
import type { WorkspaceFacts } from "../../domain/messages.ts";
import type { StatusCache } from "./cache.ts";
import { buildFrame } from "./frame.ts";
import type { StateHooks } from "./hooks.ts";
import type { Registry, WorkspaceRecord } from "./registry.ts";
import type { Version, VersionClock } from "./version.ts";

/** A status that was published. */
export interface Published {
  readonly frame: Buffer;
  /** The frame, if it is at hand for reads. */
  readonly kept: Buffer | undefined;
  readonly version: Version;
  /** Its place among all that this process published. */
  readonly sequence: number;
}

/** What it works with. */
export interface PublisherOptions {
  readonly registry: Pick<Registry, "setFrame">;
  readonly cache: Pick<StatusCache, "set">;
  readonly versions: Pick<VersionClock, "tick">;
  readonly published: StateHooks["published"];
}

/** Publishes statuses, one after the other. */
export class Publisher {
  readonly #options: PublisherOptions;
  #sequence = 0;

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  /** Count of publications so far. */
  get sequence(): number {
    return this.#sequence;
  }

  /** Publishes an encoded status. @param keep a slow reader must get this one even if a newer one follows. @param objects what it was derived from, if changes are traced. */
  publish(facts: WorkspaceFacts, encoded: Uint8Array, keep: boolean, objects?: Uint8Array): Published {
    const version = this.#options.versions.tick();
    const frame = buildFrame(encoded, version);
    this.#sequence++;
    const kept = this.#keep(facts.id, frame);
    this.#options.published(objects ? { facts, frame, keep, objects } : { facts, frame, keep });
    return { frame, kept, version, sequence: this.#sequence };
  }

  /** Publishes a status of a record that is known, and notes it there. */
  publishOf(record: WorkspaceRecord, encoded: Uint8Array, digest: string, keep: boolean, objects?: Uint8Array): Buffer {
    const { frame, kept, version, sequence } = this.publish(record.facts, encoded, keep, objects);
    record.digest = digest;
    this.#options.registry.setFrame(record, kept);
    record.version = version;
    record.sequence = sequence;
    return frame;
  }

  /** A frame that was evicted is made again, with the version that it was published with. */
  rebuild(record: WorkspaceRecord, encoded: Uint8Array): Buffer {
    const frame = buildFrame(encoded, record.version);
    this.#options.registry.setFrame(record, this.#keep(record.facts.id, frame));
    return frame;
  }

  /** Puts a frame into the cache; gives it if it is there then. */
  #keep(id: string, frame: Buffer): Buffer | undefined {
    return this.#options.cache.set(id, frame) ? frame : undefined;
  }
}
