/** What a workspace on a claim runs before it stops: nobody can look at its files afterwards (spec: content-layers). */

/** Where it lies in the image. */
export const preStopHookPath = "/.supervisor/prestophook.sh";

/** The script. What fails leaves its file out or empty, and does not keep the rest from being saved. */
export const preStopHook = `#!/bin/bash
# Saves what is to be known of the working copy once the workspace is gone.

saved=/.workspace/prestophookdata
mkdir -p "$saved" || exit 1

# Logs of a prebuild, if this was one.
for log in /workspace/.gitpod/prebuild-log*; do
  [ -f "$log" ] && cp -- "$log" "$saved/"
done

[ -n "$GITPOD_REPO_ROOT" ] && cd -- "$GITPOD_REPO_ROOT" || exit 0

# The files belong to the workspace's user, and this may run as another one.
export HOME="\${HOME:-/root}"
git config --global --add safe.directory "$GITPOD_REPO_ROOT"

git status --porcelain=v2 --branch --untracked-files=all > "$saved/git_status.txt"
# What no remote has.
git log --pretty='%h: %s' --branches --not --remotes > "$saved/git_log_1.txt"
git log --pretty=%H -n 1 > "$saved/git_log_2.txt"
exit 0
`;
