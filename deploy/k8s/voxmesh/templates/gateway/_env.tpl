{{- define "voxmesh.gatewayEnv" -}}
{{- $gateway := .Values.gateway -}}
- {name: HOST, value: "0.0.0.0"}
- {name: PORT, value: "8000"}
- {name: HOME, value: /tmp}
{{ include "voxmesh.redisEnv" . -}}
{{ include "voxmesh.blobEnv" (list . true) -}}
- {name: SPOOL_DIR, value: /var/lib/voxmesh/spool}
- {name: MAX_UPLOAD_BYTES, value: {{ include "voxmesh.text" $gateway.maxUploadBytes | quote }}}
- {name: SHUTDOWN_SECONDS, value: {{ int $gateway.shutdownSeconds | quote }}}
{{ include "voxmesh.secretEnv" (list . "gateway" $gateway) -}}
{{ include "voxmesh.tracingEnv" . -}}
{{ include "voxmesh.chosenEnv" (list . $gateway) }}
{{- end -}}
