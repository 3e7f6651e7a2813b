{{/* What people add to pods, and when it cannot be. */}}

{{/* Takes (list key variables $): an address that only the cluster knows has a port that no policy can let through. */}}
{{- define "voxmesh.checkLeads" -}}
{{- $policy := (index . 2).Values.networkPolicy -}}
{{- range index . 1 -}}
{{- if and $policy.enabled (not $policy.extraEgress) (not .value) .valueFrom (include "voxmesh.leads" .name) -}}
{{- include "voxmesh.refuse" (list (first $) (printf "%s by valueFrom hides its port from the NetworkPolicy: give its value, or let it through by networkPolicy.extraEgress" .name)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Takes (list key volumes mounts of-all-services): mounts of volumes that are there, beside those of the chart. */}}
{{- define "voxmesh.checkVolumes" -}}
{{- $names := list -}}
{{- range concat (index . 3).extraVolumes (index . 1) -}}
{{- if has .name (concat $names (list "tmp" "data" "models" "secrets" "shm")) -}}
{{- include "voxmesh.refuse" (list (printf "%s.extraVolumes" (first $) | trimPrefix ".") (printf "there is a volume %s already" .name)) -}}
{{- end -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- range concat (index . 3).extraVolumeMounts (index . 2) -}}
{{- if not (has .name $names) -}}
{{- include "voxmesh.refuse" (list (printf "%s.extraVolumeMounts" (first $) | trimPrefix ".") (printf "no extraVolumes are named %s" .name)) -}}
{{- end -}}
{{- end -}}
{{- end -}}

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
