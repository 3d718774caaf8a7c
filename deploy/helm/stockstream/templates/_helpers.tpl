{{/* 40, since Kubernetes puts 11 after the 52 of a StatefulSet or CronJob, and we up to 11 before. */}}
{{- define "stockstream.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* By these a Service, a policy or a budget finds pods. Takes a list: the root, the component. */}}
{{- define "stockstream.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ $root.Chart.Name }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* Takes a list: the root, the component. */}}
{{- define "stockstream.labels" -}}
{{- $root := index . 0 -}}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{ include "stockstream.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
{{- end -}}

{{- define "stockstream.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "stockstream.several" -}}
{{- if or .Values.autoscaling.enabled (gt (int .Values.replicaCount) 1) -}}true{{- end -}}
{{- end -}}

{{- define "stockstream.clustered" -}}
{{- if or .Values.nats.enabled (hasKey .Values.settings "CLUSTER_NATS_URL") (get .Values.secrets.keys "CLUSTER_NATS_URL") -}}true{{- end -}}
{{- end -}}

{{/* A value as a setting is written: YAML's numbers come as floats, and 1000000000 is no 1e+09. */}}
{{- define "stockstream.plain" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) -}}{{ int64 . }}{{- else -}}{{ . }}{{- end -}}
{{- end -}}

{{/* Every name that requests may be for, in ALLOWED_HOSTS. */}}
{{- define "stockstream.hosts" -}}
{{- $name := include "stockstream.fullname" . -}}
{{- $space := .Release.Namespace -}}
{{- $hosts := list $name (printf "%s.%s" $name $space) (printf "%s.%s.svc" $name $space) (printf "%s.%s.svc.cluster.local" $name $space) -}}
{{- $hosts = append $hosts (printf "*.%s-nodes.%s.svc" $name $space) -}}
{{- if .Values.ingress.enabled -}}{{- $hosts = concat $hosts .Values.ingress.hosts -}}{{- end -}}
{{- if .Values.httpRoute.enabled -}}{{- $hosts = concat $hosts .Values.httpRoute.hostnames -}}{{- end -}}
{{- with .Values.settings.ALLOWED_HOSTS -}}{{- $hosts = append $hosts . -}}{{- end -}}
{{- $hosts | uniq | join "," -}}
{{- end -}}

{{/* The ports that nodes may reach anywhere: those of the values, and of every address in the settings. A scheme stands for its usual port. */}}
{{- define "stockstream.egressPorts" -}}
{{- $usual := dict "http" 80 "https" 443 "smtp" 587 "smtps" 465 "nats" 4222 "tls" 4222 -}}
{{- $ports := list -}}
{{- range .Values.networkPolicy.egressPorts -}}{{- $ports = append $ports (int .) -}}{{- end -}}
{{- range $text := merge (dict) .Values.settings .Values.otel -}}
{{- range $address := regexFindAll "[a-z]+://[^/,?#\\s]+" (toString $text) -1 -}}
{{- $named := regexFind ":[0-9]+$" $address | trimPrefix ":" -}}
{{- with $named | default (get $usual (splitList "://" $address | first)) -}}{{- $ports = append $ports (int .) -}}{{- end -}}
{{- end -}}
{{- end -}}
{{- $ports | uniq | toJson -}}
{{- end -}}

{{/* What cannot be said by the schema. */}}
{{- define "stockstream.check" -}}
{{- if not .Values.secrets.existingSecret -}}
{{- fail "secrets.existingSecret: name the Secret with SECRET_KEY_BASE, ADMIN_TOKEN and DATABASE_URL; the chart makes none" -}}
{{- end -}}
{{- range list "SECRET_KEY_BASE" "ADMIN_TOKEN" "DATABASE_URL" -}}
{{- if not (get $.Values.secrets.keys .) -}}
{{- fail (printf "secrets.keys.%s: is required" .) -}}
{{- end -}}
{{- end -}}
{{- if not (or (hasKey .Values.settings "STOCK_API_URL") (hasKey .Values.settings "PROVIDERS") (get .Values.secrets.keys "STOCK_API_URL") (get .Values.secrets.keys "PROVIDERS")) -}}
{{- fail "settings.STOCK_API_URL: say where prices come from; or PROVIDERS, and either under secrets.keys where it holds a password" -}}
{{- end -}}
{{- range $name, $key := .Values.secrets.keys -}}
{{- if and $key (hasKey $.Values.settings $name) -}}
{{- fail (printf "settings.%s: stands in secrets.keys too; say it in one place" $name) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.nats.enabled (or (hasKey .Values.settings "CLUSTER_NATS_URL") (get .Values.secrets.keys "CLUSTER_NATS_URL")) -}}
{{- fail "nats.enabled: CLUSTER_NATS_URL names another NATS already; leave one of them out" -}}
{{- end -}}
{{- if and (include "stockstream.several" .) (not (include "stockstream.clustered" .)) -}}
{{- fail "replicaCount: several nodes need NATS, or each fetches and records for itself: nats.enabled, or CLUSTER_NATS_URL under settings or secrets.keys" -}}
{{- end -}}
{{- if gt (int .Values.autoscaling.minReplicas) (int .Values.autoscaling.maxReplicas) -}}
{{- fail "autoscaling.minReplicas: is above autoscaling.maxReplicas" -}}
{{- end -}}
{{- if le (int .Values.terminationGracePeriodSeconds) (add (int .Values.preStopSeconds) 9) -}}
{{- fail "terminationGracePeriodSeconds: must be above preStopSeconds and the drain of 9 seconds together" -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.hosts) -}}
{{- fail "ingress.hosts: name at least one host" -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (not .Values.httpRoute.parentRefs) -}}
{{- fail "httpRoute.parentRefs: name at least one gateway" -}}
{{- end -}}
{{- if and .Values.backup.enabled .Values.settings.BACKUP_SCHEDULE -}}
{{- fail "settings.BACKUP_SCHEDULE: has the nodes make backups, and backup.enabled a CronJob; leave one of them out" -}}
{{- end -}}
{{- if and (or .Values.backup.enabled .Values.settings.BACKUP_SCHEDULE) (not .Values.backup.existingClaim) -}}
{{- fail "backup.existingClaim: name the claim of the disk that backups go to" -}}
{{- end -}}
{{- if and .Values.metrics.serviceMonitor.enabled (not (.Capabilities.APIVersions.Has "monitoring.coreos.com/v1")) -}}
{{- fail "metrics.serviceMonitor.enabled: the cluster knows no ServiceMonitor (monitoring.coreos.com/v1)" -}}
{{- end -}}
{{- if and .Values.metrics.rules.enabled (not (.Capabilities.APIVersions.Has "monitoring.coreos.com/v1")) -}}
{{- fail "metrics.rules.enabled: the cluster knows no PrometheusRule (monitoring.coreos.com/v1)" -}}
{{- end -}}
{{- if and .Values.httpRoute.enabled (not (.Capabilities.APIVersions.Has "gateway.networking.k8s.io/v1")) -}}
{{- fail "httpRoute.enabled: the cluster knows no HTTPRoute (gateway.networking.k8s.io/v1)" -}}
{{- end -}}
{{- end -}}

{{- define "stockstream.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "stockstream.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* The variables of a container that runs the program: secrets by their files. */}}
{{- define "stockstream.environment" -}}
{{- range $name, $key := .Values.secrets.keys }}
{{- if $key }}
- name: {{ if has $name (list "CLUSTER_NATS_CREDENTIALS" "CLUSTER_NATS_CA" "SSL_CERT_FILE") }}{{ $name }}{{ else }}{{ $name }}_FILE{{ end }}
  value: /run/secrets/stockstream/{{ $key }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "stockstream.secretVolume" -}}
- name: secrets
  secret:
    secretName: {{ .Values.secrets.existingSecret }}
    # The group's alone: nobody else in the pod is to read them.
    defaultMode: 0440
    items:
      {{- range $key := .Values.secrets.keys | values | compact | uniq | sortAlpha }}
      - {key: {{ $key | quote }}, path: {{ $key | quote }}}
      {{- end }}
{{- end -}}

{{- define "stockstream.placement" -}}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{- define "stockstream.account" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.serviceAccountName }}
serviceAccountName: {{ . }}
{{- end }}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}
