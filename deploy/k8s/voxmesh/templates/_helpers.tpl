{{/* Names and labels. All other templates take them from here. */}}

{{- define "voxmesh.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* At most 40 characters, so that `keda-hpa-<this>-translate` keeps within 63; what is cut off lives on as a hash. */}}
{{- define "voxmesh.fullname" -}}
{{- $name := .Values.fullnameOverride -}}
{{- if not $name -}}
{{- $own := default .Chart.Name .Values.nameOverride -}}
{{- $name = contains $own .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $own) -}}
{{- end -}}
{{- if gt (len $name) 40 -}}
{{- $name = printf "%s-%s" ($name | trunc 31 | trimSuffix "-") ($name | sha256sum | trunc 8) -}}
{{- end -}}
{{- $name -}}
{{- end -}}

{{/* Takes (list $ "asr"): what Services, budgets and policies find the pods by. */}}
{{- define "voxmesh.selector" -}}
app.kubernetes.io/name: {{ include "voxmesh.name" (first .) }}
app.kubernetes.io/instance: {{ (first .).Release.Name }}
app.kubernetes.io/component: {{ last . }}
{{- end -}}

{{/* Labels of pods: nothing of a version is in them, or each new version of the chart would start all pods anew. */}}
{{- define "voxmesh.podLabels" -}}
{{ include "voxmesh.selector" . }}
app.kubernetes.io/part-of: voxmesh
voxmesh.io/environment: {{ (first .).Values.environment }}
{{- end -}}

{{- define "voxmesh.labels" -}}
{{- $root := first . -}}
{{ include "voxmesh.selector" . }}
app.kubernetes.io/part-of: voxmesh
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
voxmesh.io/environment: {{ $root.Values.environment }}
{{- end -}}

{{- define "voxmesh.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "voxmesh.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* Takes (list $ service block suffix): the image's whole name. */}}
{{- define "voxmesh.image" -}}
{{- $root := index . 0 -}}{{- $own := index . 2 -}}
{{- $shared := $root.Values.image -}}
{{- $repository := printf "%s-%s" $shared.repository (index . 1) -}}
{{- with $shared.registry -}}{{- $repository = printf "%s/%s" . $repository -}}{{- end -}}
{{- $repository = default $repository $own.repository -}}
{{- if $own.digest -}}
{{- printf "%s@%s" $repository $own.digest -}}
{{- else -}}
{{- $tag := default (printf "%s%s" (default $root.Chart.AppVersion $shared.tag) (index . 3)) $own.tag -}}
{{- printf "%s:%s" $repository $tag -}}
{{- end -}}
{{- end -}}

{{/* A number as its digits: Helm would write 104857600 as 1.048576e+08. */}}
{{- define "voxmesh.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) -}}{{ int64 . }}{{- else -}}{{ toString . }}{{- end -}}
{{- end -}}

{{/* Takes (list $ block-of-a-stage): the stage as it is to be. */}}
{{- define "voxmesh.stage" -}}
{{- $values := (first .).Values -}}
{{- mergeOverwrite (deepCopy $values.podDefaults) (deepCopy $values.stageDefaults) (deepCopy (default dict (last .))) | toYaml -}}
{{- end -}}

{{/* The gateway as it is to be. */}}
{{- define "voxmesh.gateway" -}}
{{- mergeOverwrite (deepCopy .Values.podDefaults) (deepCopy .Values.gateway) | toYaml -}}
{{- end -}}

{{/* Takes the name of a service: whether it reads recordings. Only then does it reach the blob store. */}}
{{- define "voxmesh.reads" -}}
{{- if has . (list "gateway" "asr") }}yes{{ end -}}
{{- end -}}
