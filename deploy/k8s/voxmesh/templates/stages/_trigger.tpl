{{/* Takes (list $ name autoscaling). KEDA asks from its own namespace, so our Redis has its long name here. */}}
{{- define "voxmesh.queueTrigger" -}}
{{- $root := index . 0 -}}{{- $scaling := index . 2 -}}{{- $redis := $root.Values.redis -}}
- type: {{ eq $redis.mode "sentinel" | ternary "redis-sentinel" "redis" }}
  metricType: AverageValue
  metadata:
    {{- if eq $redis.mode "sentinel" }}
    addresses: {{ join "," $redis.sentinel.addresses | quote }}
    sentinelMaster: {{ $redis.sentinel.master | quote }}
    {{- with $redis.sentinel.username }}
    sentinelUsername: {{ . | quote }}
    {{- end }}
    {{- else if eq $redis.mode "bundled" }}
    address: {{ printf "%s.%s.svc:6379" (include "voxmesh.redisHost" $root) $root.Release.Namespace | quote }}
    {{- else }}
    address: {{ printf "%s:%d" $redis.host (int $redis.port) | quote }}
    {{- end }}
    {{- if and $redis.username (ne $redis.mode "bundled") }}
    username: {{ $redis.username | quote }}
    {{- end }}
    {{- if include "voxmesh.redisTLS" $root }}
    enableTLS: "true"
    {{- end }}
    databaseIndex: "0"
    listName: {{ printf "arq:queue:%s" (index . 1) | quote }}
    listLength: {{ int $scaling.jobsPerReplica | quote }}
    # A single job wakes the stage.
    activationListLength: "0"
  {{- if include "voxmesh.kedaSecrets" $root }}
  authenticationRef: {name: {{ include "voxmesh.fullname" $root }}-redis}
  {{- end }}
{{- end -}}

{{/* What KEDA reads of our Secrets, a line each; empty when nothing. */}}
{{- define "voxmesh.kedaSecrets" -}}
{{- $redis := .Values.redis -}}
{{ with $redis.existingSecret -}}
- {parameter: password, name: {{ . }}, key: {{ $redis.passwordKey }}}
{{ end -}}
{{ if eq $redis.mode "sentinel" -}}
{{ with $redis.sentinel.existingSecret -}}
- {parameter: sentinelPassword, name: {{ . }}, key: {{ $redis.sentinel.passwordKey }}}
{{ end -}}
{{ end -}}
{{ if include "voxmesh.redisTLS" . -}}
{{ with $redis.tls.caSecret -}}
- {parameter: ca, name: {{ . }}, key: {{ $redis.tls.caKey }}}
{{ end -}}
{{ with $redis.tls.clientSecret -}}
- {parameter: cert, name: {{ . }}, key: {{ $redis.tls.certKey }}}
- {parameter: key, name: {{ . }}, key: {{ $redis.tls.keyKey }}}
{{ end -}}
{{ end -}}
{{- end -}}

{{/* Whether a stage is scaled by its queue. */}}
{{- define "voxmesh.asksQueues" -}}
{{- range $name, $own := .Values.stages -}}
{{- $stage := include "voxmesh.stage" (list $ $own) | fromYaml -}}
{{- if and $stage.enabled (eq $stage.autoscaling.type "keda") }}yes{{ end -}}
{{- end -}}
{{- end -}}
