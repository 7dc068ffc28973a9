# Guard of the build that follows an install: says what is missing where the development dependencies were left out.
# A shell script, as no Node.js that could run the other scripts may be there.
if [ ! -e node_modules/typescript/package.json ] || [ ! -e node_modules/node/package.json ]; then
  cat >&2 <<'END'
wsmand is built when it is installed, and the tools for that (Node.js 24 and TypeScript) are development dependencies, which were left out.
With them: npm ci --include=dev, and afterwards, to be rid of them, npm prune --omit=dev --ignore-scripts.
Where dist/ has been built already: npm ci --omit=dev --ignore-scripts.
END
  exit 1
fi
