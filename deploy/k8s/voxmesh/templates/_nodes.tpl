{{/* A volume that one node at a time may have keeps its users together: elsewhere they would wait for it for ever. Who uses
the one and who uses the other keep together as well, or a pod that needs both could find them on two nodes. */}}
{{- define "voxmesh.affinity" -}}
{{- $root := index . 0 -}}{{- $block := index . 2 -}}
{{- $affinity := deepCopy $block.affinity -}}
{{- if include "voxmesh.staysOnOneNode" . -}}
{{- $together := dict "topologyKey" "kubernetes.io/hostname" "labelSelector" (dict "matchLabels" (dict "voxmesh.io/one-node" (include "voxmesh.fullname" $root))) -}}
{{- $pods := default dict (get $affinity "podAffinity") -}}
{{- $key := "requiredDuringSchedulingIgnoredDuringExecution" -}}
{{- $pods = set $pods $key (append (default list (get $pods $key)) $together) -}}
{{- $affinity = set $affinity "podAffinity" $pods -}}
{{- end -}}
{{- with $affinity }}{{ toYaml . }}{{ end -}}
{{- end -}}

{{/* These take (list $ component block). */}}
{{- define "voxmesh.staysOnOneNode" -}}
{{- $values := (index . 0).Values -}}
{{- if and (include "voxmesh.sharesVolume" .) (eq $values.blobStore.volume.accessMode "ReadWriteOnce") }}yes{{ end -}}
{{- if and (include "voxmesh.sharesModels" .) (eq $values.modelCache.accessMode "ReadWriteOnce") }}yes{{ end -}}
{{- end -}}

{{/* Pods that keep to one node can leave it only together: with a budget the drain of that node would never end. */}}
{{- define "voxmesh.hasBudget" -}}
{{- if and (index . 2).podDisruptionBudget.enabled (not (include "voxmesh.staysOnOneNode" .)) }}yes{{ end -}}
{{- end -}}

{{- define "voxmesh.sharesVolume" -}}
{{- if and (eq (index . 0).Values.blobStore.type "volume") (include "voxmesh.reads" (index . 1)) }}yes{{ end -}}
{{- end -}}

{{- define "voxmesh.sharesModels" -}}
{{- $stage := has (index . 1) (list "gateway" "redis") | not -}}
{{- if and $stage (has (index . 0).Values.modelCache.type (list "pvc" "existingClaim")) (include "voxmesh.cachesModels" (list (index . 0) (index . 2))) }}yes{{ end -}}
{{- end -}}
