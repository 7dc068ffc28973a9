{{/* Name of the chart. */}}
{{- define "wsmand.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Name of what is made: the release's, with the chart's unless it has it already. */}}
{{- define "wsmand.fullname" -}}
{{- $name := include "wsmand.name" . }}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) }}
{{- default $full .Values.fullnameOverride | trunc 52 | trimSuffix "-" }}
{{- end }}

{{/* Name of what is made for the whole cluster: another release may have the same name in another namespace. */}}
{{- define "wsmand.clusterName" -}}
{{- printf "%s-%s" .Release.Namespace (include "wsmand.fullname" .) }}
{{- end }}

{{- define "wsmand.selectorLabels" -}}
app.kubernetes.io/name: {{ include "wsmand.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "wsmand.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "wsmand.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "wsmand.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "wsmand.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name is required with serviceAccount.create false" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "wsmand.workspaceNamespace" -}}
{{- .Values.workspaceNamespace | default .Values.config.manager.namespace | default .Release.Namespace }}
{{- end }}

{{/* Secrets of TLS; empty: none. */}}
{{- define "wsmand.rpcSecret" -}}
{{- $tls := .Values.tls.rpc }}
{{- $tls.secretName | default (ternary (printf "%s-tls" (include "wsmand.fullname" .)) "" $tls.certManager.enabled) }}
{{- end }}
{{- define "wsmand.wsdaemonSecret" -}}
{{- $tls := .Values.tls.wsdaemon }}
{{- $tls.secretName | default (ternary (printf "%s-wsdaemon" (include "wsmand.fullname" .)) "" $tls.certManager.enabled) }}
{{- end }}

{{/* The port of an address that is listened on: [.Values, "rpcServer"]. Probes and clients come from elsewhere, so it must be one of all addresses. */}}
{{- define "wsmand.port" -}}
{{- $section := index . 1 }}
{{- $addr := (index (index . 0).config $section).addr }}
{{- if not (regexMatch "^(0\\.0\\.0\\.0|\\[::\\])?:[0-9]+$" $addr) }}
{{- fail (printf "config.%s.addr is %q: in a pod it must be \":PORT\", so that clients and probes reach it" $section $addr) }}
{{- end }}
{{- regexFind "[0-9]+$" $addr }}
{{- end }}

{{/* Where certificates of a purpose are mounted. */}}
{{- define "wsmand.tlsFiles" -}}
ca: /etc/wsmand/tls/{{ . }}/ca.crt
crt: /etc/wsmand/tls/{{ . }}/tls.crt
key: /etc/wsmand/tls/{{ . }}/tls.key
{{- end }}

{{/* The configuration file. Secrets do not belong into a ConfigMap. */}}
{{- define "wsmand.config" -}}
{{- $config := deepCopy .Values.config }}
{{- $minio := dig "content" "storage" "minio" dict $config }}
{{- range list "accessKey" "secretKey" }}
{{- if get $minio . }}
{{- fail (printf "config.content.storage.minio.%s is a secret, and the configuration becomes a ConfigMap: name a file with %sFile and mount it from a Secret with extraVolumes, or put the whole file into a Secret and name that with existingConfig.secret" . .) }}
{{- end }}
{{- end }}
{{- $_ := set $config.manager "namespace" (include "wsmand.workspaceNamespace" .) }}
{{- if include "wsmand.rpcSecret" . }}
{{- $_ := set $config.rpcServer "tls" (include "wsmand.tlsFiles" "rpc" | fromYaml) }}
{{- end }}
{{- if include "wsmand.wsdaemonSecret" . }}
{{- $_ := set $config.manager "wsdaemon" (merge (dict "tls" (include "wsmand.tlsFiles" "wsdaemon" | fromYaml)) ($config.manager.wsdaemon | default dict)) }}
{{- end }}
{{- toPrettyJson $config }}
{{- end }}

{{/* Seconds of a duration such as "1m30s", as the schema lets them in. */}}
{{- define "wsmand.seconds" -}}
{{- $units := dict "ns" 0.000000001 "us" 0.000001 "ms" 0.001 "s" 1.0 "m" 60.0 "h" 3600.0 }}
{{- $seconds := 0.0 }}
{{- range regexFindAll "[0-9]+(\\.[0-9]+)?(ns|us|ms|s|m|h)" . -1 }}
{{- $seconds = addf $seconds (mulf (regexFind "^[0-9.]+" . | float64) (get $units (regexFind "[a-z]+$" .))) }}
{{- end }}
{{- $seconds }}
{{- end }}

{{/* Fails where the pod would be killed before it has ended in order. After drainTimeout the daemon takes a second to cut off what is left, and the kubelet has its own delays: 5 s for both. */}}
{{- define "wsmand.checkGrace" -}}
{{- $drain := include "wsmand.seconds" (dig "wsmand" "drainTimeout" "30s" .Values.config | toString) | float64 }}
{{- $least := add (ceil $drain | int) (.Values.preStopSleepSeconds | int) 5 }}
{{- if lt (.Values.terminationGracePeriodSeconds | int) ($least | int) }}
{{- fail (printf "terminationGracePeriodSeconds is %d: it must be at least %d, which is preStopSleepSeconds, config.wsmand.drainTimeout and 5 s together" (.Values.terminationGracePeriodSeconds | int) ($least | int)) }}
{{- end }}
{{- end }}

{{/* Files that the configuration names, as a YAML map of "key: path", but for certificates whose place the chart decides. Those that nobody reads are left out. */}}
{{- define "wsmand.namedFiles" -}}
{{- $config := .Values.config }}
{{- $named := dict }}
{{- $tls := dict }}
{{- if not (include "wsmand.rpcSecret" .) }}
{{- $_ := set $tls "rpcServer.tls" (get $config.rpcServer "tls") }}
{{- end }}
{{- if not (include "wsmand.wsdaemonSecret" .) }}
{{- $_ := set $tls "manager.wsdaemon.tls" (get ($config.manager.wsdaemon | default dict) "tls") }}
{{- end }}
{{- if get ($config.pprof | default dict) "addr" }}
{{- $_ := set $tls "wsmand.profiling.tls" (get (get ($config.wsmand | default dict) "profiling" | default dict) "tls") }}
{{- end }}
{{- range $section, $files := $tls }}
{{- range $name, $file := $files | default dict }}
{{- $_ := set $named (printf "%s.%s" $section $name) $file }}
{{- end }}
{{- end }}
{{- range $id, $class := $config.manager.workspaceClass }}
{{- range $name, $file := $class.templates | default dict }}
{{- $_ := set $named (printf "manager.workspaceClass.%s.templates.%s" $id $name) $file }}
{{- end }}
{{- end }}
{{- $storage := get ($config.content | default dict) "storage" | default dict }}
{{- range $kind, $names := dict "gcloud" (list "credentialsFile") "minio" (list "accessKeyFile" "secretKeyFile") }}
{{- range $name := ternary $names list (eq (get $storage "kind" | toString) $kind) }}
{{- $_ := set $named (printf "content.storage.%s.%s" $kind $name) (get (get $storage $kind | default dict) $name) }}
{{- end }}
{{- end }}
{{- if ne (get $config.manager "eventTraceLog" | toString) "-" }}
{{- $_ := set $named "manager.eventTraceLog" (get $config.manager "eventTraceLog") }}
{{- end }}
{{- range $key, $file := $named }}
{{- if $file }}
{{ $key | quote }}: {{ $file | toString | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* Fails where the configuration names files that will not be in the pod: it would not start, or not do what it is for. The file of existingConfig is not known here. */}}
{{- define "wsmand.checkFiles" -}}
{{- if not (or .Values.existingConfig.configMap .Values.existingConfig.secret) }}
{{- /* What the image, the kubelet and the chart bring, and what the values mount. Of podTemplates each file is known. */}}
{{- $places := list "/etc/ssl/certs" "/var/run/secrets/kubernetes.io/serviceaccount" }}
{{- range $secret, $place := dict "rpcSecret" "/etc/wsmand/tls/rpc" "wsdaemonSecret" "/etc/wsmand/tls/wsdaemon" }}
{{- if include (printf "wsmand.%s" $secret) $ }}
{{- $places = append $places $place }}
{{- end }}
{{- end }}
{{- range $name, $_ := .Values.podTemplates }}
{{- $places = append $places (printf "/etc/wsmand/templates/%s" $name) }}
{{- end }}
{{- range .Values.extraVolumeMounts }}
{{- $places = append $places (trimSuffix "/" .mountPath) }}
{{- end }}
{{- $missing := list }}
{{- range $key, $file := include "wsmand.namedFiles" . | fromYaml }}
{{- $path := printf "/%s" (trimPrefix "/" $file) }}
{{- $found := false }}
{{- range $places }}
{{- $found = or $found (eq $path .) (hasPrefix (printf "%s/" .) $path) }}
{{- end }}
{{- if not $found }}
{{- $missing = append $missing (printf "config.%s is %q" $key $file) }}
{{- end }}
{{- end }}
{{- if $missing }}
{{- fail (printf "%s: nothing is mounted there. Mount what is missing with extraVolumes and extraVolumeMounts; pod templates can stand in podTemplates, as files in /etc/wsmand/templates, and tls.rpc and tls.wsdaemon name Secrets with certificates" (join "; " $missing)) }}
{{- end }}
{{- end }}
{{- end }}

{{/* The port of workspaces' URLs. A template that renders {{ .Host }} has that of manager.hostURL, which is put there as it is. */}}
{{- define "wsmand.workspacePort" -}}
{{- $url := .Values.config.manager.urlTemplate | toString }}
{{- $url = regexReplaceAll "\\{\\{-?\\s*\\.Host\\s*-?\\}\\}" $url (.Values.config.manager.hostURL | toString) }}
{{- $host := regexReplaceAll "^[A-Za-z]+://" $url "" | regexFind "^[^/?#]*" }}
{{- regexFind ":[0-9]+$" $host | trimPrefix ":" | default (ternary "80" "443" (hasPrefix "http://" ($url | lower))) }}
{{- end }}

{{/* "true" where the storage is asked by the identity that the machine has. */}}
{{- define "wsmand.machineIdentity" -}}
{{- $storage := dig "content" "storage" dict .Values.config }}
{{- if and (eq (get $storage "kind" | toString) "gcloud") (not (dig "gcloud" "credentialsFile" "" $storage)) }}true{{ end }}
{{- end }}

{{/* TCP ports that the daemon connects to, one a line, each once. */}}
{{- define "wsmand.egressPorts" -}}
{{- $config := .Values.config }}
{{- $ports := list 443 6443 (include "wsmand.workspacePort" . | int) (dig "manager" "wsdaemon" "port" 8080 $config | int) }}
{{- range .Values.networkPolicy.egress.ports }}
{{- $ports = append $ports (int .) }}
{{- end }}
{{- $minio := dig "content" "storage" "minio" dict $config }}
{{- if eq (dig "content" "storage" "kind" "" $config | toString) "minio" }}
{{- $port := regexFind ":[0-9]+$" (get $minio "endpoint" | toString) | trimPrefix ":" }}
{{- $ports = append $ports (default (ternary "443" "80" (eq (get $minio "secure" | toString) "true")) $port | int) }}
{{- end }}
{{- $builder := dig "imageBuilderProxy" "targetAddr" "" $config | toString | regexFind ":[0-9]+$" | trimPrefix ":" }}
{{- if $builder }}
{{- $ports = append $ports (int $builder) }}
{{- end }}
{{- $collector := dig "wsmand" "tracing" "endpoint" "" $config | toString }}
{{- if $collector }}
{{- $host := get (urlParse $collector) "host" }}
{{- $port := regexFind ":[0-9]+$" $host | trimPrefix ":" }}
{{- $ports = append $ports (default (ternary "443" "80" (hasPrefix "https:" $collector)) $port | int) }}
{{- end }}
{{- range $ports | uniq }}
{{ . }}
{{- end }}
{{- end }}
