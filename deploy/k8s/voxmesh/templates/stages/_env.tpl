{{/* Takes (list $ name stage). */}}
{{- define "voxmesh.stageEnv" -}}
{{- $root := index . 0 -}}{{- $stage := index . 2 -}}
- {name: HEALTH_PORT, value: "8001"}
- {name: HOME, value: /tmp}
- {name: HF_HUB_OFFLINE, value: "1"}
- {name: TRANSFORMERS_OFFLINE, value: "1"}
- {name: MODELS_DIR, value: {{ $root.Values.modelCache.path | quote }}}
{{ include "voxmesh.redisEnv" $root -}}
{{ include "voxmesh.blobEnv" (list $root (include "voxmesh.reads" (index . 1))) -}}
- {name: WORKER_CONCURRENCY, value: {{ int $stage.concurrency | quote }}}
- {name: DRAIN_SECONDS, value: {{ include "voxmesh.text" $stage.drainSeconds | quote }}}
{{ with $stage.device -}}
- {name: {{ index $ 1 | upper }}_DEVICE, value: {{ . | quote }}}
{{ end -}}
{{ include "voxmesh.secretEnv" . -}}
{{ include "voxmesh.tracingEnv" $root -}}
{{ include "voxmesh.chosenEnv" (list $root $stage) }}
{{- end -}}

{{/* Takes (list $ stage): whether an init container fetches models. */}}
{{- define "voxmesh.pulls" -}}
{{- $cache := (first .).Values.modelCache -}}
{{- if and $cache.pull (ne $cache.type "image") (last .).models }}yes{{ end -}}
{{- end -}}
