{{/* Takes (list $ stage): whether it has models in the cache, those that are fetched or one that a setting names there. */}}
{{- define "voxmesh.cachesModels" -}}
{{- $cache := (first .).Values.modelCache -}}
{{- $named := list -}}
{{- range $variable, $value := (last .).config -}}
{{- if and (regexMatch "_MODELS?$" $variable) (contains (printf "%s/" $cache.path) $value) }}{{ $named = append $named $value }}{{ end -}}
{{- end -}}
{{- if and (ne $cache.type "image") (or (last .).models $named) }}yes{{ end -}}
{{- end -}}

{{/* Take (list $ name stage). */}}
{{- define "voxmesh.stageMounts" -}}
{{- $root := index . 0 -}}{{- $stage := index . 2 -}}
- {name: tmp, mountPath: /tmp}
{{ if include "voxmesh.cachesModels" (list $root $stage) -}}
- {name: models, mountPath: {{ $root.Values.modelCache.path | quote }}, readOnly: true}
{{ end -}}
{{ if include "voxmesh.sharesVolume" . -}}
- {name: data, mountPath: /var/lib/voxmesh}
{{ end -}}
{{ if $stage.gpu.enabled -}}
- {name: shm, mountPath: /dev/shm}
{{ end -}}
{{ include "voxmesh.secretMount" . }}
{{- end -}}

{{- define "voxmesh.stageVolumes" -}}
{{- $root := index . 0 -}}{{- $stage := index . 2 -}}
- name: tmp
  emptyDir: {sizeLimit: {{ $stage.scratchSize }}}
{{ if include "voxmesh.cachesModels" (list $root $stage) -}}
- name: models
  {{- if eq $root.Values.modelCache.type "emptyDir" }}
  emptyDir: {sizeLimit: {{ $root.Values.modelCache.size }}}
  {{- else }}
  persistentVolumeClaim: {claimName: {{ include "voxmesh.modelClaim" $root }}}
  {{- end }}
{{ end -}}
{{ if include "voxmesh.sharesVolume" . -}}
- name: data
  persistentVolumeClaim: {claimName: {{ include "voxmesh.blobClaim" $root }}}
{{ end -}}
{{ if $stage.gpu.enabled -}}
- name: shm
  emptyDir: {medium: Memory, sizeLimit: 1Gi}
{{ end -}}
{{ include "voxmesh.secretVolume" . }}
{{- end -}}

{{/* Takes a stage: its resources, with its graphics cards. */}}
{{- define "voxmesh.stageResources" -}}
{{- $resources := deepCopy .resources -}}
{{- if .gpu.enabled -}}
{{- $cards := dict .gpu.resourceName (int .gpu.count) -}}
{{- $resources = set $resources "limits" (merge $cards (default dict $resources.limits)) -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end -}}
