{{/* Take (list $ block): what people mount besides, of all services first. */}}
{{- define "voxmesh.extraMounts" -}}
{{- with concat (first .).Values.extraVolumeMounts (last .).extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "voxmesh.extraVolumes" -}}
{{- with concat (first .).Values.extraVolumes (last .).extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}
