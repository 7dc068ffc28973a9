#!/usr/bin/env bash
# Which programs of others are not here, and what is not checked for want of them: a line each, none if all are here. They are looked for where the tests look.
set -euo pipefail
cd "${0%/*}/.."

has() { command -v "$1" >/dev/null; }
lacks() { printf '%s: %s\n' "$1" "$2"; }

has "${WSMAND_TEST_HELM:-helm}" || lacks "helm (WSMAND_TEST_HELM)" "the chart is not linted, rendered or installed"
has promtool || lacks "promtool (Debian: prometheus)" "rules are not checked, alerts not tested"
has prometheus || lacks "prometheus (Debian: prometheus)" "rules and dashboards are not tried on a running daemon"
if [ -z "${KUBEBUILDER_ASSETS:-}" ] && [ ! -e ../shared/kube/unpack.sh ]; then
  lacks "etcd and kube-apiserver (KUBEBUILDER_ASSETS)" "nothing runs on a real API server: rights, the chart's objects, changing over, all that the built-in one may do otherwise"
fi
has kubectl || lacks "kubectl (Debian: kubernetes-client)" "the commands of docs/migration.md are not typed"
if [ -z "${WSMAND_TEST_VERSITYGW:-}" ] && [ ! -e ../shared/kube/unpack.sh ]; then
  lacks "versitygw (WSMAND_TEST_VERSITYGW)" "backups are not read from a real S3 server"
fi
[ -n "${WSMAND_TEST_CRDS:-}" ] || lacks "definitions of others' kinds (WSMAND_TEST_CRDS)" "the chart's ServiceMonitor, PrometheusRule and Certificates are not validated by an API server"
if [ -z "${WSMAND_TEST_CASES:-}" ] && [ ! -d ../shared/conformance/cases ]; then
  lacks "recorded pods of the Go daemon (WSMAND_TEST_CASES)" "they are not taken over, looked at or compared"
fi
