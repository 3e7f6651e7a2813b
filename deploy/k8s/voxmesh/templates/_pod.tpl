{{/* What the pods of all services have in common. The restricted profile of Pod Security takes them. */}}

{{- define "voxmesh.podSecurity" -}}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "voxmesh.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end -}}

{{/* Takes (list $ component block). */}}
{{- define "voxmesh.podCommon" -}}
{{- $root := index . 0 -}}{{- $block := index . 2 -}}
serviceAccountName: {{ include "voxmesh.serviceAccount" $root }}
automountServiceAccountToken: false
{{/* Kubernetes would set REDIS_PORT=tcp://… where a Service is called redis, and we would read it. */ -}}
enableServiceLinks: false
{{ with $root.Values.image.pullSecrets -}}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{ end -}}
{{ include "voxmesh.podSecurity" $root }}
{{ with $block.priorityClassName -}}
priorityClassName: {{ . }}
{{ end -}}
{{ with $block.runtimeClassName -}}
runtimeClassName: {{ . }}
{{ end -}}
{{ with $block.nodeSelector -}}
nodeSelector: {{- toYaml . | nindent 2 }}
{{ end -}}
{{ with $block.tolerations -}}
tolerations: {{- toYaml . | nindent 2 }}
{{ end -}}
{{ with include "voxmesh.affinity" . -}}
affinity: {{- . | nindent 2 }}
{{ end -}}
{{ with $block.spreadOver -}}
topologySpreadConstraints:
  {{- range . }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "voxmesh.selector" (list $root (index $ 1)) | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- end }}
{{- end -}}

{{/* Takes (list $ component block): labels and annotations of a pod. */}}
{{- define "voxmesh.podMeta" -}}
labels:
  {{- include "voxmesh.podLabels" (list (index . 0) (index . 1)) | nindent 2 }}
  {{- if include "voxmesh.staysOnOneNode" . }}
  voxmesh.io/one-node: {{ include "voxmesh.fullname" (index . 0) }}
  {{- end }}
annotations:
  kubectl.kubernetes.io/default-container: {{ index . 1 }}
  {{- with (index . 2).podAnnotations }}{{ toYaml . | nindent 2 }}{{ end }}
{{- end -}}

{{/* Takes (list port-name startup-path probes). Liveness asks whether the event loop turns: neither Redis nor a long
computation makes a difference, and no restart would help against them. */}}
{{- define "voxmesh.probes" -}}
{{- $probes := last . -}}
startupProbe:
  httpGet: {path: {{ index . 1 }}, port: {{ first . }}}
  periodSeconds: 5
  timeoutSeconds: {{ int $probes.timeoutSeconds }}
  failureThreshold: {{ int $probes.startupFailures }}
readinessProbe:
  httpGet: {path: /health/ready, port: {{ first . }}}
  periodSeconds: {{ int $probes.readinessSeconds }}
  timeoutSeconds: {{ int $probes.timeoutSeconds }}
livenessProbe:
  httpGet: {path: /health/live, port: {{ first . }}}
  periodSeconds: {{ int $probes.livenessSeconds }}
  timeoutSeconds: {{ int $probes.timeoutSeconds }}
  failureThreshold: {{ int $probes.livenessFailures }}
{{- end -}}

{{- define "voxmesh.blobClaim" -}}
{{- default (printf "%s-blobs" (include "voxmesh.fullname" .)) .Values.blobStore.volume.existingClaim -}}
{{- end -}}

{{- define "voxmesh.modelClaim" -}}
{{- eq .Values.modelCache.type "existingClaim" | ternary .Values.modelCache.existingClaim (printf "%s-models" (include "voxmesh.fullname" .)) -}}
{{- end -}}
