/** Content initializers: where they check repositories out, and their bytes. */
import { contentservice } from "../../gen/proto.js";

type Initializer = contentservice.WorkspaceInitializer.$Properties;
type Git = contentservice.GitInitializer.$Properties;

const cases = ["empty", "git", "snapshot", "prebuild", "composite", "download", "backup"] as const;

/** Whether one of the initializer's cases is set. */
export function hasInitializer(initializer: Initializer | null | undefined): boolean {
  return cases.some((name) => initializer?.[name] !== undefined && initializer[name] !== null);
}

/** Where repositories are checked out, as the request says it. Empty for initializers that know no repository. */
export function checkoutLocations({ git, prebuild, composite, backup }: Initializer): readonly string[] {
  if (git) return [git.checkoutLocation ?? ""];
  if (prebuild) return (prebuild.git ?? []).map(({ checkoutLocation }) => checkoutLocation ?? "");
  if (composite) return (composite.initializer ?? []).flatMap(checkoutLocations);
  return backup ? [backup.checkoutLocation ?? ""] : [];
}

/** The initializer's bytes: equal for equal initializers, whatever order their maps came in. */
export function encodeInitializer(initializer: Initializer): Uint8Array {
  return contentservice.WorkspaceInitializer.encode(sorted(initializer)).finish();
}

function sorted(initializer: Initializer): Initializer {
  const { git, prebuild, composite } = initializer;
  return {
    ...initializer,
    ...(git && { git: sortedGit(git) }),
    ...(prebuild && { prebuild: { ...prebuild, git: (prebuild.git ?? []).map(sortedGit) } }),
    ...(composite && { composite: { ...composite, initializer: (composite.initializer ?? []).map(sorted) } }),
  };
}

function sortedGit(git: Git): Git {
  const custom = git.config?.customConfig;
  if (!custom) return git;
  const customConfig = Object.fromEntries(Object.entries(custom).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  return { ...git, config: { ...git.config, customConfig } };
}
