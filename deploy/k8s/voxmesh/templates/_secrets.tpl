{{/* Secrets come as files, one for each variable that would hold them: /etc/voxmesh/secrets/REDIS_PASSWORD is named by
REDIS_PASSWORD_FILE. So no environment has them, of a process or of its children, and none is shown by `kubectl describe`. */}}

{{/* Takes (list $ component block): a list of {variable, secret, key}, as JSON, of what the component is given. */}}
{{- define "voxmesh.secrets" -}}
{{- $root := index . 0 -}}{{- $block := index . 2 -}}
{{- $redis := $root.Values.redis -}}{{- $store := $root.Values.blobStore -}}{{- $headers := $root.Values.tracing.headers -}}
{{- $gateway := eq (index . 1) "gateway" -}}
{{- $found := list (list "REDIS_PASSWORD" $redis.existingSecret $redis.passwordKey) -}}
{{- if eq $redis.mode "sentinel" -}}
{{- $found = append $found (list "REDIS_SENTINEL_PASSWORD" $redis.sentinel.existingSecret $redis.sentinel.passwordKey) -}}
{{- end -}}
{{- if and (ne $redis.mode "bundled") (or $redis.tls.enabled $redis.sentinel.tls) -}}
{{- $found = append $found (list "REDIS_TLS_CA" $redis.tls.caSecret $redis.tls.caKey) -}}
{{- $found = append $found (list "REDIS_TLS_CERT" $redis.tls.clientSecret $redis.tls.certKey) -}}
{{- $found = append $found (list "REDIS_TLS_KEY" $redis.tls.clientSecret $redis.tls.keyKey) -}}
{{- end -}}
{{- if and (include "voxmesh.reads" (index . 1)) (hasPrefix "s3://" $store.url) -}}
{{- $found = append $found (list "AWS_ACCESS_KEY_ID" $store.s3.existingSecret $store.s3.accessKeyIdKey) -}}
{{- $found = append $found (list "AWS_SECRET_ACCESS_KEY" $store.s3.existingSecret $store.s3.secretAccessKeyKey) -}}
{{- end -}}
{{- if $gateway -}}
{{- $found = append $found (list "API_KEYS" $block.apiKeys.existingSecret $block.apiKeys.key) -}}
{{- $found = append $found (list "LINK_SECRET" $block.linkSecret.existingSecret $block.linkSecret.key) -}}
{{- $found = append $found (list "WEBHOOK_SECRET" $block.webhookSecret.existingSecret $block.webhookSecret.key) -}}
{{- end -}}
{{- if $root.Values.tracing.endpoint -}}
{{- $found = append $found (list "OTEL_EXPORTER_OTLP_HEADERS" $headers.existingSecret $headers.key) -}}
{{- end -}}
{{- range $variable, $from := $block.secretFiles }}{{ $found = append $found (list $variable $from.name $from.key) }}{{ end -}}
{{- $given := list -}}
{{- range $found -}}
{{- if index . 1 }}{{ $given = append $given (dict "variable" (index . 0) "secret" (index . 1) "key" (index . 2)) }}{{ end -}}
{{- end -}}
{{- toJson $given -}}
{{- end -}}

{{/* These take the same: variables, mount and volume of all of them. */}}
{{- define "voxmesh.secretEnv" -}}
{{- range include "voxmesh.secrets" . | fromJsonArray -}}
- {name: {{ .variable }}_FILE, value: /etc/voxmesh/secrets/{{ .variable }}}
{{ end -}}
{{- end -}}

{{- define "voxmesh.secretMount" -}}
{{- if include "voxmesh.secrets" . | fromJsonArray }}
- {name: secrets, mountPath: /etc/voxmesh/secrets, readOnly: true}
{{- end }}
{{- end -}}

{{- define "voxmesh.secretVolume" -}}
{{- with include "voxmesh.secrets" . | fromJsonArray }}
- name: secrets
  projected:
    # For the group of the pod, which is fsGroup.
    defaultMode: 0440
    sources:
      {{- range . }}
      - secret: {name: {{ .secret | quote }}, items: [{key: {{ .key | quote }}, path: {{ .variable }}}]}
      {{- end }}
{{- end }}
{{- end -}}
