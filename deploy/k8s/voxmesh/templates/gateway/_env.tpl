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
{{ if $gateway.apiKeys.existingSecret -}}
- {name: API_KEYS_FILE, value: {{ printf "/etc/voxmesh/keys/%s" $gateway.apiKeys.key | quote }}}
{{ end -}}
{{ with $gateway.linkSecret.existingSecret -}}
{{ include "voxmesh.secretEnv" (list "LINK_SECRET" . $gateway.linkSecret.key) -}}
{{ end -}}
{{ with $gateway.webhookSecret.existingSecret -}}
{{ include "voxmesh.secretEnv" (list "WEBHOOK_SECRET" . $gateway.webhookSecret.key) -}}
{{ end -}}
{{ include "voxmesh.tracingEnv" . -}}
{{ include "voxmesh.chosenEnv" (list . $gateway) }}
{{- end -}}
