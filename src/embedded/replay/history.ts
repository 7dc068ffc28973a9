/** Which change has which resourceVersion. A history without end in a few numbers, since changes follow a plan: they are made anew whenever somebody asks for them. */

/** Changes that follow each other: change n is one of pod (`from` + n) mod `pods`, and carries the stamp `base` + n. */
interface Run {
  /** Version of its first change. */
  readonly first: number;
  readonly base: number;
  readonly pods: number;
  readonly from: number;
  /** Changes that were made so far. */
  made: number;
}

/** A change, or what a pod is like since. */
export interface Change {
  readonly pod: number;
  readonly version: number;
  readonly stamp: number;
}

/** Most runs that are remembered; the changes of older ones can not be asked for any more. */
const maxRuns = 100;
/** Version of all pods before any change. Ten digits, as all versions after it. */
const firstVersion = 1_000_000_000;

/** The changes of some pods. */
export class ReplayHistory {
  readonly #runs: Run[] = [];
  /** What each pod was like before the first of the runs. */
  readonly #versions: Float64Array;
  readonly #stamps: Float64Array;
  #head = firstVersion;
  #oldest = firstVersion;

  constructor(pods: number) {
    this.#versions = new Float64Array(pods).fill(firstVersion);
    this.#stamps = new Float64Array(pods);
  }

  /** The newest version. */
  get head(): number {
    return this.#head;
  }

  /** Changes after this version can be told. */
  get oldest(): number {
    return this.#oldest;
  }

  /** A run of changes begins, with one of pod `from`; the one before is over. @throws RangeError for more pods than there are. */
  begin(base: number, pods: number, from: number): void {
    if (pods < 1 || pods > this.#versions.length) throw new RangeError(`there are ${this.#versions.length} pods, not ${pods}`);
    this.#runs.push({ first: this.#head + 1, base, pods, from: from % pods, made: 0 });
    if (this.#runs.length > maxRuns) this.#forget();
  }

  /** So many changes of the present run are made now, in all. */
  make(changes: number): void {
    const run = this.#runs.at(-1);
    if (!run || changes <= run.made) return;
    run.made = changes;
    this.#head = run.first + changes - 1;
  }

  /** The change that led to a version, from behind `oldest` up to `head`. @throws RangeError for another one. */
  changeAt(version: number): Change {
    const run = this.#runs.findLast(({ first }) => first <= version);
    const n = run ? version - run.first : 0;
    if (!run || n >= run.made) throw new RangeError(`no change has version ${version}`);
    return { pod: (run.from + n) % run.pods, version, stamp: run.base + n };
  }

  /** What a pod is like at a version, not older than `oldest`. */
  stateAt(pod: number, version: number): Change {
    for (let i = this.#runs.length - 1; i >= 0; i--) {
      const run = this.#runs[i];
      if (!run) break;
      const n = latest(run, pod, version);
      if (n >= 0) return { pod, version: run.first + n, stamp: run.base + n };
    }
    return { pod, version: this.#versions[pod] ?? firstVersion, stamp: this.#stamps[pod] ?? 0 };
  }

  /** The oldest run becomes what the pods are like before the others. */
  #forget(): void {
    const run = this.#runs.shift();
    if (!run) return;
    this.#oldest = run.first + run.made - 1;
    for (let pod = 0; pod < run.pods; pod++) {
      const n = latest(run, pod, this.#oldest);
      if (n < 0) continue;
      this.#versions[pod] = run.first + n;
      this.#stamps[pod] = run.base + n;
    }
  }
}

/** Number of a run's newest change of a pod, up to a version; negative if there is none. */
function latest({ first, pods, from, made }: Run, pod: number, version: number): number {
  const last = Math.min(made, version - first + 1) - 1;
  const earliest = (pod - from + pods) % pods;
  return pod >= pods || last < earliest ? -1 : last - ((last - earliest) % pods);
}
