// The layers of docs/architecture.md: imports point down. Checked on the built code, since types do not count.
/** Each layer may import itself and those after it. */
const layers = ["main/shadow", "main/cli", "main/http", "main/rpc", "main/lifecycle", "main/subscriptions", "main/pipeline", "main/state", "main/wsdaemon", "main/content", "main/kube", "main/grpc", "main/tracing"];
const upward = layers.map((layer, i) => ({
  name: `no-upward-from-${layer.replace("main/", "")}`,
  severity: "error",
  from: { path: `^dist/${layer}/` },
  to: { path: [...layers.slice(0, i).map((l) => `^dist/${l}/`), "^dist/main/(app|index)\\.js$"].filter((p) => layer !== "main/cli" || !p.includes("(app")) },
})).filter((rule) => rule.to.path.length > 0);

module.exports = {
  forbidden: [
    { name: "no-circular", severity: "error", from: { path: "^dist" }, to: { circular: true } },
    ...upward,
    { name: "domain-imports-nothing-of-ours", severity: "error", from: { path: "^dist/domain/" }, to: { path: "^dist/(?!domain/|gen/)" } },
    { name: "render-is-pure", severity: "error", from: { path: "^dist/main/render/" }, to: { path: "^dist/(?!main/render/|main/config/(describe-value|url-template)\\.js$|domain/|gen/)" } },
    { name: "workers-import-domain-only", severity: "error", from: { path: "^dist/workers/" }, to: { path: "^dist/(?!workers/|domain/|gen/)" } },
    { name: "workers-do-no-io", severity: "error", from: { path: "^dist/workers/" }, to: { dependencyTypes: ["core"], path: "^(node:)?(fs|net|http|https|http2|tls|child_process|dns|dgram)" } },
    { name: "metrics-stand-below", severity: "error", from: { path: "^dist/metrics/" }, to: { path: "^dist/(main|embedded|workers)/" } },
    { name: "embedded-stands-alone", severity: "error", from: { path: "^dist/embedded/" }, to: { path: "^dist/(main|workers|metrics)/" } },
    // The load tool measures from outside: of ours it has the contract, credentials, made-up pods, and what it compares with.
    { name: "bench-looks-from-outside", severity: "error", from: { path: "^dist/bench/" }, to: { path: "^dist/(?!bench/|domain/|gen/|embedded/|main/kube/|workers/batch\\.js)" } },
    { name: "only-the-command-line-knows-bench", severity: "error", from: { path: "^dist/(?!bench/|main/cli/)" }, to: { path: "^dist/bench/" } },
    { name: "only-the-wiring-knows-embedded", severity: "error", from: { path: "^dist/main/(?!app|cli/|index)" }, to: { path: "^dist/embedded/" } },
    // What a shadow consists of is loaded where there is one; what keeps it silent is in every daemon.
    { name: "shadows-are-loaded-when-needed", severity: "error", from: { path: "^dist/(?!main/shadow/)" }, to: { dynamic: false, path: "^dist/main/shadow/(?!silence)" } },
    // A daemon that needs no content storage pays nothing for it.
    { name: "storage-libraries-are-loaded-when-needed", severity: "error", from: { path: "^dist" }, to: { dynamic: false, path: "node_modules/(@aws-sdk|@google-cloud|tar-stream)/" } },
    // What a daemon's start does not need would be paid for with every start.
    { name: "seldom-used-libraries-are-loaded-when-needed", severity: "error", from: { path: "^dist" }, to: { dynamic: false, path: "node_modules/(@grpc/reflection|@grpc/proto-loader|grpc-health-check|yaml)/" } },
    { name: "no-dev-dependencies", severity: "error", from: { path: "^dist" }, to: { dependencyTypes: ["npm-dev", "npm-no-pkg"] } },
  ],
  options: { doNotFollow: { path: "node_modules" } },
};
