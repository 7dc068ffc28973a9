/**
 * Placeholders: pods that stand for a workspace while its pod, which a node refused, is made anew. They hold all that the new one is made from, and are never scheduled, so that no process
 * needs to remember a start (see docs/architecture.md, "Lifecycle").
 */

/** No workspace's pod begins like this: theirs begin with one of four other words. */
const prefix = "placeholder-";

/** The name of the placeholder for a workspace's pod. */
export function placeholderName(podName: string): string {
  return `${prefix}${podName}`;
}

/** Whether a pod of that name is a placeholder. */
export function isPlaceholderName(podName: string): boolean {
  return podName.startsWith(prefix);
}

/** The name of the workspace's pod, whether it is there or a placeholder stands for it. */
export function workspacePodName(podName: string): string {
  return isPlaceholderName(podName) ? podName.slice(prefix.length) : podName;
}
