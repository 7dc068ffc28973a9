/** Where a reflector puts what it reads; the pod pipeline and the event store are such sinks. */

/**
 * Takes the objects of a list and the lines of a watch as bytes, in the order in which they came. Lines come while a list is read as well: an item may then be older than
 * a line about the same object that came before it, or of an object that a line has told to be deleted. What a line tells is always as new as the watch, which tells
 * everything after the list's resourceVersion, or begins even earlier.
 * Bytes are only valid during the call: a sink copies what it keeps. A returned promise means "full": the reflector
 * stops reading until it resolves.
 */
export interface ReflectorSink {
  /**
   * A complete list begins: its items follow, then listFinished or listAborted. What came before it may be newer than the list all the same.
   * @param setBack the API server's store was set back (etcd restored from a backup): resourceVersions lower than those known are the newest now.
   * @param resourceVersion the list's, if it was told before the items.
   */
  listStarted(setBack: boolean, resourceVersion: string | undefined): void;
  /** One item of the list: the object's JSON. */
  item(bytes: Uint8Array): void | Promise<void>;
  /** The list is complete, as of this resourceVersion: what was known and was not among the items is gone, unless a line has told of it in a later version. */
  listFinished(resourceVersion: string): void;
  /**
   * Whether the list that took effect last told of something as it was before a version that is known, although the list is newer than that: the store was set back, and its versions
   * were raised after that (etcdutl snapshot restore --bump-revision), or have been passed again.
   */
  readonly contradicted?: boolean;
  /** The list broke off: nothing follows from what was not among the items. */
  listAborted(): void;
  /** An ADDED, MODIFIED or DELETED line of a watch, without the line break. */
  line(bytes: Uint8Array): void | Promise<void>;
  /**
   * Resolves when all that was handed over has taken effect, with the resourceVersion of the last line among it, from which a watch can go on;
   * undefined if there was none (since the store was set back, if it ever was).
   */
  settled(): Promise<string | undefined>;
}
