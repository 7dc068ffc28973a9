/** What a fault test has made in another one's cluster and has not taken away yet. */
import { messageOf } from "../../../src/domain/errors.ts";

/** Nodes that are named; more are counted. */
const namedNodes = 5;

/** Kept while it is made and taken away, so that what stays can be told at any moment. What may be there, since nobody answered, counts. */
export class Belongings {
  /** The namespace is there, and is to be deleted. */
  namespace: string | undefined;
  readonly nodes = new Set<string>();
  /** What is in a namespace, once that is deleted; undefined: the pods were not counted yet. */
  pods: { readonly namespace: string; left: number | undefined } | undefined;
  #problem: string | undefined;

  /** The first reason why something could not be taken away is told. */
  failed(error: unknown): void {
    this.#problem ??= messageOf(error);
  }

  /** In words; "" if there is nothing. */
  words(): string {
    const nodes = [...this.nodes];
    const [shown, more] = [nodes.slice(0, namedNodes).join(", "), nodes.length - namedNodes];
    const parts = [
      this.namespace === undefined ? "" : `the namespace ${this.namespace}`,
      this.pods === undefined || this.pods.left === 0 ? "" : `${podsText(this.pods.left)} in the namespace ${this.pods.namespace}`,
      nodes.length === 0 ? "" : `${nodes.length === 1 ? "the node" : "the nodes"} ${shown}${more > 0 ? ` and ${more} more` : ""}`,
    ].filter((part) => part !== "");
    if (parts.length === 0) return "";
    return `${parts.join(", ")}${this.#problem === undefined ? "" : ` (${this.#problem})`}`;
  }
}

function podsText(count: number | undefined): string {
  if (count === undefined) return "pods, if there are any,";
  return count === 1 ? "1 pod" : `${count} pods`;
}
