{{/* Takes (list $ reads-recordings pulls-models block): where pods may go. Names are asked for anywhere, since clusters
keep their DNS in different places; what is outside of the cluster has no labels, so its ports stand for it. Ports are numbers
here: not every network knows the names of another pod's. */}}
{{- define "voxmesh.egress" -}}
{{- $root := index . 0 -}}{{- $redis := $root.Values.redis -}}
- ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
{{- if eq $redis.mode "bundled" }}
- ports: [{port: 6379}]
  to:
    - podSelector:
        matchLabels: {{- include "voxmesh.selector" (list $root "redis") | nindent 10 }}
{{- else if eq $redis.mode "external" }}
- ports: [{port: {{ int $redis.port }}}]
{{- else }}
- ports: [{port: {{ int $redis.port }}}{{ range include "voxmesh.sentinelPorts" $root | fromJsonArray }}, {port: {{ int . }}}{{ end }}]
{{- end }}
{{- with include "voxmesh.webPorts" . | fromJsonArray }}
- ports: [{{ range $index, $port := . }}{{ if $index }}, {{ end }}{port: {{ $port }}}{{ end }}]
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

{{/* Whether a variable of this name tells where something is that its service asks: a language model, a proxy, a hub. */}}
{{- define "voxmesh.leads" -}}
{{- if regexMatch "_(URL|ENDPOINT|PROXY)$" (upper .) }}yes{{ end -}}
{{- end -}}

{{- define "voxmesh.urlPort" -}}
{{- default (hasPrefix "http://" . | ternary "80" "443") (trimPrefix ":" (regexFind ":[0-9]+$" (urlParse .).host)) -}}
{{- end -}}

{{/* Takes the same: the ports of bucket, package index, model hub, collector of traces and of whatever the variables of a block
lead to, for those that have to do with them. */}}
{{- define "voxmesh.webPorts" -}}
{{- $root := index . 0 -}}{{- $ports := list -}}
{{- if and (index . 1) (eq $root.Values.blobStore.type "url") -}}
{{- $ports = append $ports "443" -}}
{{- with $root.Values.blobStore.s3.endpoint }}{{ $ports = append $ports (include "voxmesh.urlPort" .) }}{{ end -}}
{{- end -}}
{{- if index . 2 -}}
{{- $ports = append $ports "443" -}}
{{- range $root.Values.modelCache.extraEnv -}}
{{- if regexMatch "^https?://" (default "" .value) }}{{ $ports = append $ports (include "voxmesh.urlPort" .value) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- with $root.Values.tracing.endpoint }}{{ $ports = append $ports (include "voxmesh.urlPort" .) }}{{ end -}}
{{- range include "voxmesh.chosenEnv" (list $root (index . 3)) | fromYamlArray -}}
{{- if and (include "voxmesh.leads" .name) (regexMatch "^https?://" (default "" .value)) -}}
{{- $ports = append $ports (include "voxmesh.urlPort" .value) -}}
{{- end -}}
{{- end -}}
{{- $ports | uniq | toJson -}}
{{- end -}}
