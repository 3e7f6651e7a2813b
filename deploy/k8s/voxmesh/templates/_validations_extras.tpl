{{/* What people add to pods, and when it cannot be. */}}

{{/* Takes (list key block environment $): what is added to a service, `key` being where, and its whole environment. */}}
{{- define "voxmesh.checkExtras" -}}
{{- $key := index . 0 -}}{{- $block := index . 1 -}}{{- $root := index . 3 -}}
{{- $variables := printf "%s.extraEnv" $key -}}
{{- include "voxmesh.checkEnv" (list $variables $block.extraEnv) -}}
{{- include "voxmesh.checkLeads" (list $variables $block.extraEnv $root) -}}
{{- include "voxmesh.checkDoubles" (list $variables (index . 2)) -}}
{{- include "voxmesh.checkVolumes" (list $key $block $root) -}}
{{- end -}}

{{/* Takes (list key variables). */}}
{{- define "voxmesh.checkEnv" -}}
{{- $ours := list "REDIS_.*" "BLOB_URL" "MODELS_DIR" "SPOOL_DIR" "HOST" "PORT" "HEALTH_PORT" "HOME" "MAX_UPLOAD_BYTES" "SHUTDOWN_SECONDS"
  "WORKER_CONCURRENCY" "DRAIN_SECONDS" "[A-Z]+_DEVICE" "HF_HUB_OFFLINE" "TRANSFORMERS_OFFLINE"
  "OTEL_EXPORTER_OTLP_(ENDPOINT|HEADERS(_FILE)?)" "OTEL_TRACES_SAMPLER(_ARG)?" -}}
{{- range last . -}}
{{- include "voxmesh.refuseIf" (list (regexMatch (printf "^(%s)$" (join "|" $ours)) .name) (first $)
  (printf "%s is set by the chart itself: there is a value for it" .name)) -}}
{{- $file := regexMatch "(_FILE|_PATH)$|^GOOGLE_APPLICATION_CREDENTIALS$" .name -}}
{{- $secret := regexMatch "(PASSWORD|SECRET|TOKEN|ACCESS_KEY|ACCOUNT_KEY|CREDENTIAL|API_KEY)" .name -}}
{{- include "voxmesh.refuseIf" (list (and .value $secret (not $file)) (first $)
  (printf "%s is a secret: give it by valueFrom, or name its file by %s_FILE" .name .name)) -}}
{{- end -}}
{{- end -}}

{{/* Takes (list key variables $): an address that only the cluster knows has a port that no policy can let through. */}}
{{- define "voxmesh.checkLeads" -}}
{{- $policy := (index . 2).Values.networkPolicy -}}
{{- $shut := and $policy.enabled (not $policy.extraEgress) -}}
{{- range index . 1 -}}
{{- include "voxmesh.refuseIf" (list (and $shut (not .value) .valueFrom (include "voxmesh.leads" .name)) (first $)
  (printf "%s by valueFrom hides its port from the NetworkPolicy: give its value, or let it through by networkPolicy.extraEgress" .name)) -}}
{{- end -}}
{{- end -}}

{{/* Takes (list key environment-of-a-container): a variable that a value of its own sets as well, itself or by its file. */}}
{{- define "voxmesh.checkDoubles" -}}
{{- $seen := list -}}
{{- range last . | fromYamlArray -}}
{{- $name := trimSuffix "_FILE" .name -}}
{{- include "voxmesh.refuseIf" (list (has $name $seen) (first $) (printf "%s is set by another value" $name)) -}}
{{- $seen = append $seen $name -}}
{{- end -}}
{{- end -}}

{{/* Takes (list key block $): mounts of volumes that are there, beside those of the chart. */}}
{{- define "voxmesh.checkVolumes" -}}
{{- $key := index . 0 -}}{{- $all := (index . 2).Values -}}{{- $block := index . 1 -}}
{{- $names := list "tmp" "data" "models" "secrets" "shm" -}}
{{- range concat $all.extraVolumes $block.extraVolumes -}}
{{- include "voxmesh.refuseIf" (list (has .name $names) (printf "%s.extraVolumes" $key) (printf "there is a volume %s already" .name)) -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- range concat $all.extraVolumeMounts $block.extraVolumeMounts -}}
{{- include "voxmesh.refuseIf" (list (not (has .name $names)) (printf "%s.extraVolumeMounts" $key) (printf "no extraVolumes are named %s" .name)) -}}
{{- end -}}
{{- end -}}

{{/* Takes (list key stage cache): what a setting names is fetched, is a folder, or is `none`. */}}
{{- define "voxmesh.checkModels" -}}
{{- $key := index . 0 -}}{{- $stage := index . 1 -}}{{- $cache := index . 2 -}}
{{- range $variable, $value := $stage.config -}}
{{- if and $cache.pull (ne $cache.type "image") (regexMatch "_MODELS?$" $variable) (ne $variable "LLM_MODEL") -}}
{{- range splitList "," $value -}}
{{- $model := regexReplaceAll "^.*=" . "" | trim -}}
{{- include "voxmesh.refuseIf" (list (and $model (ne $model "none") (not (hasPrefix "/" $model)) (not (has $model $stage.models))) (printf "%s.models" $key)
  (printf "config.%s names %s: fetch it here" $variable $model)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
