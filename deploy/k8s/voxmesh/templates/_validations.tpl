{{/* Values that do not go together, and why. What a value alone may be, and which others it needs, says the schema. */}}

{{/* Takes (list condition key reason). */}}
{{- define "voxmesh.refuseIf" -}}
{{- if first . }}{{ fail (printf "%s: %s" (index . 1) (index . 2)) }}{{ end -}}
{{- end -}}

{{- define "voxmesh.checkRedis" -}}
{{- $bundled := eq .mode "bundled" -}}
{{- include "voxmesh.refuseIf" (list (and $bundled (or .tls.enabled .host .username)) "redis.mode"
  "the bundled Redis has no TLS, no user and no host of yours: say external") -}}
{{- include "voxmesh.refuseIf" (list (and (not $bundled) .username (not .existingSecret)) "redis.existingSecret"
  "a username needs the Secret with its password") -}}
{{- include "voxmesh.refuseIf" (list (and (or .tls.caSecret .tls.clientSecret) (not .tls.enabled) (not .sentinel.tls)) "redis.tls.enabled"
  "there are certificates: say true, or leave them out") -}}
{{- end -}}

{{- define "voxmesh.checkBlobStore" -}}
{{- include "voxmesh.refuseIf" (list (and (eq .type "volume") .url) "blobStore.type"
  "there is a url: say url, or leave it empty") -}}
{{- end -}}

{{- define "voxmesh.checkSettings" -}}
{{- $wait := default 21600 .WAIT_LIMIT_SECONDS -}}{{- $life := default 86400 .TASK_TTL_SECONDS -}}
{{- include "voxmesh.refuseIf" (list (ge (float64 $wait) (float64 $life)) "config.WAIT_LIMIT_SECONDS"
  "it must be less than TASK_TTL_SECONDS") -}}
{{- end -}}

{{- define "voxmesh.checkGateway" -}}
{{- $scaling := .autoscaling -}}
{{- include "voxmesh.checkScaling" (list "gateway" . (and $scaling.cpu (ne $scaling.type "none"))) -}}
{{- include "voxmesh.refuseIf" (list (and (eq $scaling.type "hpa") (not $scaling.podMetrics) (not $scaling.cpu)) "gateway.autoscaling.cpu"
  "hpa needs cpu above 0, podMetrics, or both") -}}
{{- end -}}

{{/* Takes (list key stage). */}}
{{- define "voxmesh.checkStage" -}}
{{- $key := first . -}}{{- $stage := last . -}}{{- $scaling := $stage.autoscaling -}}
{{- include "voxmesh.checkScaling" (list $key $stage (eq $scaling.type "hpa")) -}}
{{- include "voxmesh.refuseIf" (list (and (eq $scaling.type "hpa") (lt (int $scaling.minReplicas) 1)) (printf "%s.autoscaling.minReplicas" $key)
  "hpa cannot wake a stage: at least 1, or type keda") -}}
{{- include "voxmesh.refuseIf" (list (gt (int $scaling.fallbackReplicas) (int $scaling.maxReplicas)) (printf "%s.autoscaling.fallbackReplicas" $key)
  "it must not be above maxReplicas") -}}
{{- $cuda := eq (default "cpu" $stage.device) "cuda" -}}
{{- include "voxmesh.refuseIf" (list (and $stage.gpu.enabled $stage.device (not $cuda)) (printf "%s.device" $key)
  "gpu is enabled: say cuda") -}}
{{- include "voxmesh.refuseIf" (list (and $cuda (not $stage.gpu.enabled)) (printf "%s.gpu.enabled" $key)
  "device cuda needs a graphics card") -}}
{{- end -}}

{{/* Takes (list key block by-processors): what is the same for all that is scaled. */}}
{{- define "voxmesh.checkScaling" -}}
{{- $key := index . 0 -}}{{- $block := index . 1 -}}{{- $scaling := $block.autoscaling -}}
{{- include "voxmesh.refuseIf" (list (gt (int $scaling.minReplicas) (int $scaling.maxReplicas)) (printf "%s.autoscaling.minReplicas" $key)
  "it must not be above maxReplicas") -}}
{{- include "voxmesh.refuseIf" (list (and (index . 2) (not (dig "requests" "cpu" "" $block.resources))) (printf "%s.resources.requests.cpu" $key)
  "scaling by processors is by a share of the request: give one") -}}
{{- end -}}

{{/* Who has to be on one node has to be able to. */}}
{{- define "voxmesh.checkNodes" -}}
{{- $blocks := dict "gateway" (include "voxmesh.gateway" . | fromYaml) -}}
{{- range $name, $own := .Values.stages -}}
{{- $stage := include "voxmesh.stage" (list $ $own) | fromYaml -}}
{{- if $stage.enabled }}{{ $_ := set $blocks (printf "stages.%s" $name) $stage }}{{ end -}}
{{- end -}}
{{- $wanted := dict -}}
{{- range $key, $block := $blocks -}}
{{- if include "voxmesh.staysOnOneNode" (list $ (trimPrefix "stages." $key) $block) -}}
{{- range $label, $value := $block.nodeSelector -}}
{{- include "voxmesh.refuseIf" (list (ne $value (default $value (get $wanted $label))) (printf "%s.nodeSelector" $key)
  (printf "pods that share a ReadWriteOnce volume go to one node, and others of them to one with another %s" $label)) -}}
{{- $_ := set $wanted $label $value -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
