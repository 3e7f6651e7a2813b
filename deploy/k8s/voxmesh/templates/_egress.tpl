{{/* Takes (list $ reads-recordings pulls-models): where pods may go. Names are asked for anywhere, since clusters keep
their DNS in different places; Redis outside of the cluster has no labels, so its ports stand for it. */}}
{{- define "voxmesh.egress" -}}
{{- $root := index . 0 -}}{{- $redis := $root.Values.redis -}}
- ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
{{- if eq $redis.mode "bundled" }}
- ports: [{port: redis}]
  to:
    - podSelector:
        matchLabels: {{- include "voxmesh.selector" (list $root "redis") | nindent 10 }}
{{- else if eq $redis.mode "external" }}
- ports: [{port: {{ int $redis.port }}}]
{{- else }}
- ports: [{port: {{ int $redis.port }}}{{ range include "voxmesh.sentinelPorts" $root | fromJsonArray }}, {port: {{ int . }}}{{ end }}]
{{- end }}
{{- if or (index . 2) (and (index . 1) (eq $root.Values.blobStore.type "url")) }}
- ports: [{port: 443}{{ range include "voxmesh.storePorts" . | fromJsonArray }}, {port: {{ int . }}}{{ end }}]
{{- end }}
{{- with $root.Values.networkPolicy.extraEgress }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "voxmesh.sentinelPorts" -}}
{{- $ports := list -}}
{{- range .Values.redis.sentinel.addresses }}{{ $ports = append $ports (regexFind "[0-9]+$" .) }}{{ end -}}
{{- $ports | uniq | toJson -}}
{{- end -}}

{{/* The port of a store's own endpoint, where it is not 443. */}}
{{- define "voxmesh.storePorts" -}}
{{- $ports := list -}}
{{- if index . 1 -}}
{{- with (index . 0).Values.blobStore.s3.endpoint -}}
{{- $port := trimPrefix ":" (regexFind ":[0-9]+" .) -}}
{{- $port = default (hasPrefix "http://" . | ternary "80" "") $port -}}
{{- if and $port (ne $port "443") }}{{ $ports = append $ports $port }}{{ end -}}
{{- end -}}
{{- end -}}
{{- $ports | toJson -}}
{{- end -}}
