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

{{/* Takes lists of variables: all of them, by name. Of two of a name the later counts: an API server takes no name twice. */}}
{{- define "voxmesh.variables" -}}
{{- $found := dict -}}
{{- range . }}{{ range . }}{{ $_ := set $found .name . }}{{ end }}{{ end -}}
{{- $sorted := list -}}
{{- range keys $found | sortAlpha }}{{ $sorted = append $sorted (get $found .) }}{{ end -}}
{{- with $sorted }}{{ toYaml . }}{{ end -}}
{{- end -}}

{{/* What the init container is given besides: proxies and certificates are as for all services. */}}
{{- define "voxmesh.pullEnv" -}}
{{- include "voxmesh.variables" (list (list (dict "name" "PIP_NO_CACHE_DIR" "value" "1")) .Values.extraEnv .Values.modelCache.extraEnv) -}}
{{- end -}}

{{/* Takes (list $ block): the settings and variables that people have chosen, `extraEnv` before `config`. */}}
{{- define "voxmesh.chosenEnv" -}}
{{- $root := first . -}}{{- $extra := list -}}
{{- range concat $root.Values.extraEnv (last .).extraEnv }}{{ $extra = append $extra .name }}{{ end -}}
{{ range $name, $value := mergeOverwrite (deepCopy $root.Values.config) (deepCopy (last .).config) -}}
{{ if not (has $name $extra) -}}
- {name: {{ $name }}, value: {{ include "voxmesh.text" $value | quote }}}
{{ end -}}
{{ end -}}
{{ include "voxmesh.variables" (list $root.Values.extraEnv (last .).extraEnv) }}
{{- end -}}
