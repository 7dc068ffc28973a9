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
{{- $port := regexFind "[0-9]+$" $addr | atoi }}
{{- if or (lt $port 1) (gt $port 65535) }}
{{- fail (printf "config.%s.addr is %q: its port must be from 1 to 65535, as the Service has the same" $section $addr) }}
{{- end }}
{{- $port }}
{{- end }}

{{/* Fails where two servers of the daemon would have one port. The profiles of existingConfig are not known here. */}}
{{- define "wsmand.checkPorts" -}}
{{- $ports := dict (include "wsmand.port" (list .Values "rpcServer")) "rpcServer" }}
{{- $metrics := include "wsmand.port" (list .Values "prometheus") }}
{{- if hasKey $ports $metrics }}
{{- fail (printf "config.rpcServer.addr and config.prometheus.addr have the same port, %s: give each a port of its own" $metrics) }}
{{- end }}
{{- $_ := set $ports $metrics "prometheus" }}
{{- $profiles := get (.Values.config.pprof | default dict) "addr" | toString | regexFind "[0-9]+$" | atoi | toString }}
{{- if and (hasKey $ports $profiles) (not (or .Values.existingConfig.configMap .Values.existingConfig.secret)) }}
{{- fail (printf "config.%s.addr and config.pprof.addr have the same port, %s: give each a port of its own" (get $ports $profiles) $profiles) }}
{{- end }}
{{- end }}

{{/* Where certificates of a purpose are mounted. */}}
{{- define "wsmand.tlsFiles" -}}
ca: /etc/wsmand/tls/{{ . }}/ca.crt
crt: /etc/wsmand/tls/{{ . }}/tls.crt
key: /etc/wsmand/tls/{{ . }}/tls.key
{{- end }}

{{/* Section content.storage of the configuration, whose parts may be null. */}}
{{- define "wsmand.storage" -}}
{{- get (.Values.config.content | default dict) "storage" | default dict | toYaml }}
{{- end }}

{{/* The configuration file. Secrets do not belong into a ConfigMap. */}}
{{- define "wsmand.config" -}}
{{- $config := deepCopy .Values.config }}
{{- $minio := get (include "wsmand.storage" . | fromYaml) "minio" | default dict }}
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

{{/* Fails where more pods may be away at once than leave one that answers. A single replica may: nobody could empty its node otherwise. */}}
{{- define "wsmand.checkDisruptions" -}}
{{- $replicas := .Values.replicaCount | int }}
{{- $given := .Values.podDisruptionBudget.maxUnavailable | toString }}
{{- $away := $given | int }}
{{- if hasSuffix "%" $given }}
{{- $away = div (add (mul (trimSuffix "%" $given | atoi) $replicas) 99) 100 | int }}
{{- end }}
{{- if and .Values.podDisruptionBudget.enabled (gt $replicas 1) (ge $away $replicas) }}
{{- fail (printf "podDisruptionBudget.maxUnavailable is %s, and replicaCount %d: all replicas could be taken away at once. It must be less" $given $replicas) }}
{{- end }}
{{- end }}

{{/* Not empty: each daemon acts on workspaces, whoever else does. There must be no other then, in an upgrade neither. */}}
{{- define "wsmand.actsAlone" -}}
{{- if and (dig "wsmand" "lifecycle" "enabled" true .Values.config) (not (dig "wsmand" "leaderElection" "enabled" true .Values.config)) }}true{{ end }}
{{- end }}

{{/* Fails where several would act at once. */}}
{{- define "wsmand.checkReplicas" -}}
{{- if and (include "wsmand.actsAlone" .) (gt (.Values.replicaCount | int) 1) }}
{{- fail (printf "replicaCount is %d, and config.wsmand.leaderElection.enabled false: all of them would act on workspaces. Set replicaCount to 1, or leave leader election on" (.Values.replicaCount | int)) }}
{{- end }}
{{- end }}

{{/* Fails where it is not known which file counts. */}}
{{- define "wsmand.checkExistingConfig" -}}
{{- if and .Values.existingConfig.configMap .Values.existingConfig.secret }}
{{- fail "existingConfig.configMap and existingConfig.secret exclude each other: name the one that holds the file" }}
{{- end }}
{{- end }}

{{/* Files that the daemon needs at its start, as a YAML map of "key: path", but for certificates whose place the chart decides. Those that nobody reads are left out. */}}
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
{{- range $name := list "ca" "crt" "key" }}
{{- $_ := set $named (printf "%s.%s" $section $name) (get ($files | default dict) $name) }}
{{- end }}
{{- end }}
{{- range $id, $class := $config.manager.workspaceClass }}
{{- range $name := list "defaultPath" "regularPath" "prebuildPath" "probePath" "imagebuildPath" }}
{{- $_ := set $named (printf "manager.workspaceClass.%s.templates.%s" $id $name) (get ($class.templates | default dict) $name) }}
{{- end }}
{{- end }}
{{- include "wsmand.paths" $named }}
{{- end }}

{{/* The same of the storage's credentials, which may come later. */}}
{{- define "wsmand.storageFiles" -}}
{{- $storage := include "wsmand.storage" . | fromYaml }}
{{- $kind := get $storage "kind" | toString }}
{{- $named := dict }}
{{- range get (dict "gcloud" (list "credentialsFile") "minio" (list "accessKeyFile" "secretKeyFile")) $kind | default list }}
{{- $_ := set $named (printf "content.storage.%s.%s" $kind .) (get (get $storage $kind | default dict) .) }}
{{- end }}
{{- include "wsmand.paths" $named }}
{{- end }}

{{/* The same of the trace's file, which is written. */}}
{{- define "wsmand.writtenFiles" -}}
{{- $trace := get .Values.config.manager "eventTraceLog" }}
{{- include "wsmand.paths" (dict "manager.eventTraceLog" (ternary "" $trace (eq ($trace | toString) "-"))) }}
{{- end }}

{{/* Of a map, the members that are not empty, in YAML, as text. */}}
{{- define "wsmand.paths" -}}
{{- $paths := dict }}
{{- range $key, $file := . }}
{{- if $file }}
{{- $_ := set $paths $key ($file | toString) }}
{{- end }}
{{- end }}
{{- toYaml $paths }}
{{- end }}

{{/* A path in the pod without what means nothing, so that two can be compared: "/" is "". */}}
{{- define "wsmand.path" -}}
{{- printf "/%s" . | clean | trimSuffix "/" }}
{{- end }}

{{/* What is known of folders (and files) in the pod, as a YAML map of the path: "ro" and "rw", files that are not known here are in it; "known", no others than are known here are; "root", nothing is, but it can be written to. */}}
{{- define "wsmand.places" -}}
{{- $root := ternary "known" "root" (eq (get (.Values.securityContext | default dict) "readOnlyRootFilesystem" | toString) "true") }}
{{- /* What the image, the container's engine, the kubelet and the chart bring, what the values mount, and what they say is there. */}}
{{- $places := dict "" $root "/dev" "rw" "/proc" "rw" "/etc/ssl/certs" "ro" "/var/run/secrets/kubernetes.io/serviceaccount" "ro" "/etc/wsmand/config" "known" }}
{{- if .Values.podTemplates }}
{{- $_ := set $places "/etc/wsmand/templates" "known" }}
{{- end }}
{{- range $secret, $place := dict "rpcSecret" "/etc/wsmand/tls/rpc" "wsdaemonSecret" "/etc/wsmand/tls/wsdaemon" }}
{{- if include (printf "wsmand.%s" $secret) $ }}
{{- $_ := set $places $place "ro" }}
{{- end }}
{{- end }}
{{- range .Values.extraVolumeMounts }}
{{- $_ := set $places (include "wsmand.path" .mountPath) (ternary "ro" "rw" (eq (.readOnly | toString) "true")) }}
{{- end }}
{{- range .Values.filesElsewhere }}
{{- $_ := set $places (include "wsmand.path" .) "rw" }}
{{- end }}
{{- toYaml $places }}
{{- end }}

{{/* Of the files that template FILES names, those that nothing in the pod holds, each as "config.KEY is PATH", joined; empty: none. From (list . FILES KINDS), where KINDS are kinds of places that can hold them. */}}
{{- define "wsmand.unmounted" -}}
{{- $templates := (index . 0).Values.podTemplates | default dict }}
{{- $kinds := index . 2 }}
{{- $places := include "wsmand.places" (index . 0) | fromYaml }}
{{- $missing := list }}
{{- range $key, $file := include (index . 1) (index . 0) | fromYaml }}
{{- $path := include "wsmand.path" $file }}
{{- $kind := "" }}
{{- /* Keys are in order, and so the deepest of the folders that it is in is the last. */}}
{{- range $folder, $is := $places }}
{{- if hasPrefix (printf "%s/" $folder) (printf "%s/" $path) }}
{{- $kind = $is }}
{{- end }}
{{- end }}
{{- if and (eq $kind "known") (eq (dir $path) "/etc/wsmand/templates") (hasKey $templates (base $path)) }}
{{- $kind = "ro" }}
{{- end }}
{{- if not (has $kind $kinds) }}
{{- $missing = append $missing (printf "config.%s is %q" $key $file) }}
{{- end }}
{{- end }}
{{- join "; " $missing }}
{{- end }}

{{/* Fails where the configuration names files that will not be in the pod: it would not start, or not do what it is for. The file of existingConfig is not known here. */}}
{{- define "wsmand.checkFiles" -}}
{{- if not (or .Values.existingConfig.configMap .Values.existingConfig.secret) }}
{{- $wrong := list }}
{{- with include "wsmand.unmounted" (list . "wsmand.namedFiles" (list "ro" "rw")) }}
{{- $wrong = append $wrong (printf "%s: nothing is mounted there. Mount what is missing with extraVolumes and extraVolumeMounts; pod templates can stand in podTemplates, as files in /etc/wsmand/templates, and tls.rpc and tls.wsdaemon name Secrets with certificates" .) }}
{{- end }}
{{- with include "wsmand.unmounted" (list . "wsmand.writtenFiles" (list "rw" "root")) }}
{{- $wrong = append $wrong (printf "%s: nothing that can be written to is mounted there. Mount a volume with extraVolumes and extraVolumeMounts, without readOnly" .) }}
{{- end }}
{{- if $wrong }}
{{- fail (printf "%s. What comes into the pod another way, with the image or by an admission webhook, is named in filesElsewhere" (join ". " $wrong)) }}
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
{{- $storage := include "wsmand.storage" . | fromYaml }}
{{- if and (eq (get $storage "kind" | toString) "gcloud") (not (get (get $storage "gcloud" | default dict) "credentialsFile")) }}true{{ end }}
{{- end }}

{{/* TCP ports that the daemon connects to, one a line, each once. */}}
{{- define "wsmand.egressPorts" -}}
{{- $config := .Values.config }}
{{- $ports := list 443 6443 (include "wsmand.workspacePort" . | int) (dig "manager" "wsdaemon" "port" 8080 $config | int) }}
{{- range .Values.networkPolicy.egress.ports }}
{{- $ports = append $ports (int .) }}
{{- end }}
{{- $storage := include "wsmand.storage" . | fromYaml }}
{{- $minio := get $storage "minio" | default dict }}
{{- if eq (get $storage "kind" | toString) "minio" }}
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
