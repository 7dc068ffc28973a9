/** Names in the storage, and the bounds that any storage is used within. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { systemClock } from "../../../src/domain/clock.ts";
import { BoundedStorage } from "../../../src/main/content/bounded.ts";
import { openStorage } from "../../../src/main/content/open.ts";
import { placeOf } from "../../../src/main/content/places.ts";
import { isUsablePlace, type ObjectInfo, type StorageDriver } from "../../../src/main/content/storage.ts";
import { FakeClock } from "../../support/fake-clock.ts";
import { until } from "../../support/until.ts";

const never = new AbortController().signal;
const place = { bucket: "bucket", object: "o" };
const owner = { owner: "jane", metaId: "meta" };

test("each kind of storage has its own names for buckets and objects", () => {
  const at = (kind: "gcloud" | "minio", bucket?: string): object => placeOf({ kind, stage: "prodcopy", minio: { secure: false, bucket } }, owner, "full.tar");
  assert.deepEqual(at("gcloud", "ignored"), { bucket: "gitpod-prodcopy-user-jane", object: "workspaces/meta/full.tar" });
  assert.deepEqual(at("minio"), { bucket: "gitpod-user-jane", object: "workspaces/meta/full.tar" });
  assert.deepEqual(at("minio", "all"), { bucket: "all", object: "jane/workspaces/meta/full.tar" });
});

test("a place that can be used is a path of its own below its bucket, however it is read", () => {
  for (const bucket of ["abc", "gitpod-user-0a1b", "a.b", "Old_Name", "x".repeat(222)]) assert.ok(isUsablePlace({ bucket, object: "o" }), bucket);
  for (const bucket of ["", "a", "ab", ".ab", "a..b", "ab.", "a b", "a/b", "a%2fb", "x".repeat(223), "ä".repeat(5)]) assert.ok(!isUsablePlace({ bucket, object: "o" }), bucket);
  fc.assert(fc.property(fc.array(fc.constantFrom("a", "..", ".", "", "...", "b c", "%2e%2e", "\\", "?", "#"), { maxLength: 6 }).map((parts) => parts.join("/")), (object) => {
    if (!isUsablePlace({ bucket: "bucket", object })) return;
    const path = object.split("/").map(encodeURIComponent).join("/");
    // What normalizes paths, as browsers and servers do, leaves it where it is; %2e%2e is a name once it is escaped.
    assert.equal(new URL(`http://host/bucket/${path}`).pathname, `/bucket/${path}`);
  }));
});

/** A driver that answers when a test says so. */
class HeldDriver implements StorageDriver {
  readonly waiting: PromiseWithResolvers<ObjectInfo | undefined>[] = [];
  closed = false;

  info(): Promise<ObjectInfo | undefined> {
    const held = Promise.withResolvers<ObjectInfo | undefined>();
    this.waiting.push(held);
    return held.promise;
  }

  async sign(): Promise<string> {
    return "http://127.0.0.1:1/";
  }

  close(): void {
    this.closed = true;
  }
}

test("so many requests go at once, a place is free when the request has ended and not when its caller has gone, and too many are refused", async () => {
  const driver = new HeldDriver();
  const clock = new FakeClock();
  const storage = new BoundedStorage({ open: async () => driver, clock, maxRequests: 2 });
  const gone = new AbortController();
  const first = assert.rejects(storage.info(place, gone.signal), { code: "CANCELLED" });
  const others = Array.from({ length: 1_001 }, () => storage.info(place, never));
  await assert.rejects(storage.info(place, never), { code: "RESOURCE_EXHAUSTED" });
  await until("two are asked", () => driver.waiting.length === 2);
  gone.abort();
  await first;
  assert.equal(driver.waiting.length, 2);
  driver.waiting[0]?.resolve(undefined);
  await until("the next is asked", () => driver.waiting.length === 3);
  const settled = Promise.allSettled(others);
  clock.advance(10_000);
  assert.ok((await settled).every((result) => result.status === "rejected" && /no answer within 10000 ms/.test(String(result.reason))));
});

test("a driver is loaded by the first call, once, and again if that failed", async () => {
  let opened = 0;
  const storage = new BoundedStorage({
    open: async () => {
      if (++opened === 1) throw new Error("no module at /secret/path");
      return { info: async () => ({ contentType: "t", digest: "d" }), sign: async () => "", close() {} };
    },
    clock: systemClock,
  });
  assert.equal(opened, 0);
  await assert.rejects(storage.info(place, never), { code: "UNAVAILABLE", message: "the content storage can not be asked for bucket/o: it can not be reached, or its credentials can not be used" });
  const calls = await Promise.all([storage.info(place, never), storage.info(place, never)]);
  assert.deepEqual(calls, [{ contentType: "t", digest: "d" }, { contentType: "t", digest: "d" }]);
  assert.equal(opened, 2);
});

test("after its end nothing is asked any more", async () => {
  const driver = new HeldDriver();
  const storage = new BoundedStorage({ open: async () => driver, clock: systemClock });
  await storage.sign(place, never);
  await storage.close();
  assert.ok(driver.closed);
  await assert.rejects(storage.info(place, never), { code: "UNAVAILABLE", message: "the daemon is ending" });
  await new BoundedStorage({ open: async () => driver, clock: systemClock }).close();
});

test("without a kind there is no storage", () => {
  const config = { stage: "dev", gcloud: {}, minio: { secure: false }, backupTrail: { enabled: false } } as const;
  assert.equal(openStorage({ ...config, kind: "" }, systemClock), undefined);
  assert.ok(openStorage({ ...config, kind: "gcloud" }, systemClock));
});
