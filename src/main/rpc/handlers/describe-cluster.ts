/** DescribeCluster: the configured workspace classes (spec: api). */
import { wsman } from "../../../gen/proto.js";
import type { UnaryHandler } from "../calls.ts";
import type { ClusterClass } from "../ports.ts";

/** Answers with the classes, sorted by ID; encoded once. */
export function describeCluster(classes: readonly ClusterClass[]): UnaryHandler {
  const sorted = classes.toSorted((a, b) => Buffer.compare(Buffer.from(a.id), Buffer.from(b.id)));
  const response = Buffer.from(
    wsman.DescribeClusterResponse.encode({
      WorkspaceClasses: sorted.map(({ id, name }) => ({ Id: id, DisplayName: name === undefined || name === "" ? id : name })),
    }).finish(),
  );
  return () => response;
}
