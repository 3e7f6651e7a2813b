{{/* Takes (list $ labels): what others find these objects by, on top of the labels of all. */}}
{{- define "voxmesh.monitoringLabels" -}}
{{ include "voxmesh.labels" (list (first .) "monitoring") }}
{{- with last . }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Each series says of which release it is: rules and dashboard ask by it, and two releases do not mix. */}}
{{- define "voxmesh.scrape" -}}
path: /metrics
interval: {{ .Values.monitoring.monitors.interval }}
relabelings:
  - {targetLabel: release, replacement: {{ .Release.Name | quote }}}
{{- end -}}
