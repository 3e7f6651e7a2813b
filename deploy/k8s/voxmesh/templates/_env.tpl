{{/* Variables of the containers. Each is a field of the service's settings, or is read by a library below it. */}}

{{- define "voxmesh.redisHost" -}}
{{- eq .Values.redis.mode "bundled" | ternary (printf "%s-redis" (include "voxmesh.fullname" .)) .Values.redis.host -}}
{{- end -}}

{{/* Whether TLS is spoken: with a Redis of our own it never is. */}}
{{- define "voxmesh.redisTLS" -}}
{{- if and .Values.redis.tls.enabled (ne .Values.redis.mode "bundled") }}yes{{ end -}}
{{- end -}}

{{- define "voxmesh.redisEnv" -}}
{{- $redis := .Values.redis -}}
{{- if eq $redis.mode "sentinel" -}}
- {name: REDIS_SENTINELS, value: {{ join "," $redis.sentinel.addresses | quote }}}
- {name: REDIS_SENTINEL_MASTER, value: {{ $redis.sentinel.master | quote }}}
- {name: REDIS_SENTINEL_USERNAME, value: {{ $redis.sentinel.username | quote }}}
- {name: REDIS_SENTINEL_TLS, value: {{ $redis.sentinel.tls | quote }}}
{{ else -}}
- {name: REDIS_HOST, value: {{ include "voxmesh.redisHost" . | quote }}}
- {name: REDIS_PORT, value: {{ eq $redis.mode "bundled" | ternary 6379 $redis.port | int | quote }}}
{{ end -}}
{{ if ne $redis.mode "bundled" -}}
- {name: REDIS_USERNAME, value: {{ $redis.username | quote }}}
{{ end -}}
{{ if include "voxmesh.redisTLS" . -}}
- {name: REDIS_TLS, value: "true"}
{{ end -}}
{{- end -}}

{{/* Takes (list $ reads): where recordings are. A stage that reads none has no way to them. */}}
{{- define "voxmesh.blobEnv" -}}
{{- $store := (first .).Values.blobStore -}}
{{- if not (last .) -}}
- {name: BLOB_URL, value: "file:///tmp/no-recordings"}
{{ else if eq $store.type "volume" -}}
- {name: BLOB_URL, value: "file:///var/lib/voxmesh/blobs"}
{{ else -}}
- {name: BLOB_URL, value: {{ $store.url | quote }}}
{{ if hasPrefix "s3://" $store.url -}}
{{ with $store.s3.region -}}
- {name: AWS_REGION, value: {{ . | quote }}}
{{ end -}}
{{ with $store.s3.endpoint -}}
- {name: AWS_ENDPOINT_URL, value: {{ . | quote }}}
{{ end -}}
{{ if $store.s3.allowHttp -}}
- {name: AWS_ALLOW_HTTP, value: "true"}
{{ end -}}
{{ end -}}
{{ end -}}
{{- end -}}

{{- define "voxmesh.tracingEnv" -}}
{{- with .Values.tracing -}}
{{ if .endpoint -}}
- {name: OTEL_EXPORTER_OTLP_ENDPOINT, value: {{ .endpoint | quote }}}
- {name: OTEL_TRACES_SAMPLER, value: parentbased_traceidratio}
- {name: OTEL_TRACES_SAMPLER_ARG, value: {{ include "voxmesh.text" .ratio | quote }}}
{{ end -}}
{{- end -}}
{{- end -}}

{{/* Takes (list $ block): the settings and variables that people have chosen. Of two of a name the block's own counts, and
`extraEnv` before `config`: an API server takes no name twice. */}}
{{- define "voxmesh.chosenEnv" -}}
{{- $root := first . -}}{{- $extra := dict -}}
{{- range concat $root.Values.extraEnv (last .).extraEnv }}{{ $_ := set $extra .name . }}{{ end -}}
{{ range $name, $value := mergeOverwrite (deepCopy $root.Values.config) (deepCopy (last .).config) -}}
{{ if not (hasKey $extra $name) -}}
- {name: {{ $name }}, value: {{ include "voxmesh.text" $value | quote }}}
{{ end -}}
{{ end -}}
{{ $chosen := list -}}
{{ range keys $extra | sortAlpha }}{{ $chosen = append $chosen (get $extra .) }}{{ end -}}
{{ with $chosen }}{{ toYaml . }}{{ end }}
{{- end -}}
