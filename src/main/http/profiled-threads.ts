/** Threads of this process whose profiles can be taken: the main thread by way of V8's inspector, workers by way of Node. What comes out opens in Chrome's DevTools. */
import type { Readable } from "node:stream";
import { getHeapSnapshot, getHeapStatistics } from "node:v8";
import type { Worker } from "node:worker_threads";

/** A profile that is being recorded. */
export interface Recording {
  /** Ends it and gives it, as JSON. @throws Error if the thread has ended. */
  stop(): Promise<string>;
  /** Ends it for nothing. */
  discard(): Promise<void>;
}

/** A thread. All of it rejects if the thread has ended. */
export interface ProfiledThread {
  /** `main`, `worker-0`, `worker-1` and so on. */
  readonly name: string;
  /** Where its time goes. */
  cpu(): Promise<Recording>;
  /** What it allocates and keeps. */
  heap(): Promise<Recording>;
  /** All that it allocates, whether or not it keeps it; undefined: this can not be had of this thread. */
  readonly allocations: (() => Promise<Recording>) | undefined;
  /** Size of its heap, bytes. */
  heapUsed(): Promise<number>;
  /** All of its heap. The thread stands still until it is made, and it is kept whole in memory. */
  snapshot(): Promise<Readable>;
}

/** How often the main thread is looked at, microseconds; workers are with V8's default, which is the same. */
const cpuIntervalMicros = 1000;
/** One allocation in so many bytes is noted, on average, of the main thread; of workers one in 512 KiB, which can not be chosen. */
const heapIntervalBytes = 32 * 1024;

/** The main thread and the workers there are now. */
export function profiledThreads(workers: readonly Worker[]): readonly ProfiledThread[] {
  return [mainThread, ...workers.map(workerThread)];
}

const mainThread: ProfiledThread = {
  name: "main",
  cpu: recordCpu,
  heap: () => recordHeap(false),
  allocations: () => recordHeap(true),
  heapUsed: async () => getHeapStatistics().used_heap_size,
  snapshot: async () => getHeapSnapshot(),
};

function workerThread(worker: Worker, index: number): ProfiledThread {
  return {
    name: `worker-${index}`,
    cpu: async () => recordingOf(await worker.startCpuProfile()),
    heap: async () => recordingOf(await worker.startHeapProfile()),
    allocations: undefined,
    heapUsed: async () => (await worker.getHeapStatistics()).used_heap_size,
    snapshot: () => worker.getHeapSnapshot(),
  };
}

function recordingOf(handle: { stop(): Promise<string>; [Symbol.asyncDispose](): Promise<void> }): Recording {
  return { stop: () => handle.stop(), discard: () => handle[Symbol.asyncDispose]() };
}

/** Loaded when it is needed. A session's end ends what it has begun. */
async function openSession() {
  const { Session } = await import("node:inspector/promises");
  const session = new Session();
  session.connect();
  return session;
}

type Session = Awaited<ReturnType<typeof openSession>>;

async function record(begin: (session: Session) => Promise<void>, end: (session: Session) => Promise<unknown>): Promise<Recording> {
  const session = await openSession();
  try {
    await begin(session);
  } catch (error) {
    session.disconnect();
    throw error;
  }
  return {
    async stop() {
      try {
        return JSON.stringify(await end(session));
      } finally {
        session.disconnect();
      }
    },
    discard: async () => session.disconnect(),
  };
}

function recordCpu(): Promise<Recording> {
  return record(
    async (session) => {
      await session.post("Profiler.enable");
      await session.post("Profiler.setSamplingInterval", { interval: cpuIntervalMicros });
      await session.post("Profiler.start");
    },
    async (session) => (await session.post("Profiler.stop")).profile,
  );
}

function recordHeap(collectedToo: boolean): Promise<Recording> {
  // Node's types know the first of them only.
  const how = { samplingInterval: heapIntervalBytes, includeObjectsCollectedByMajorGC: collectedToo, includeObjectsCollectedByMinorGC: collectedToo };
  return record(
    (session) => session.post("HeapProfiler.startSampling", how),
    async (session) => (await session.post("HeapProfiler.stopSampling")).profile,
  );
}
