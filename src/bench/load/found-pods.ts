/** Reads which pods there are from an API server's list of them. */
import { z } from "zod";

const podsSchema = z.object({
  metadata: z.object({ continue: z.string().optional() }),
  items: z.array(z.object({ metadata: z.object({ name: z.string(), uid: z.string(), deletionTimestamp: z.string().optional(), labels: z.record(z.string(), z.string()).optional(), annotations: z.record(z.string(), z.string()).optional() }) })),
});

/** What is known of a pod. */
export interface FoundPod {
  readonly name: string;
  readonly uid: string;
  readonly deletionTimestamp?: string | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
}

/** The pods of a page, and where the next one begins; undefined: there is none. @throws Error if that is no list of pods. */
export function podsIn(text: string): { readonly pods: readonly FoundPod[]; readonly next: string | undefined } {
  const { metadata, items } = podsSchema.parse(JSON.parse(text));
  return { pods: items.map((item) => item.metadata), next: metadata.continue || undefined };
}

/** ID of the workspace whose pod has this name. */
export function idOfPod(name: string): string {
  return name.slice(name.indexOf("-") + 1);
}
