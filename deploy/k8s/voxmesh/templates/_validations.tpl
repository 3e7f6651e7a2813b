{{- define "voxmesh.checkRedis" -}}
{{- if and (eq .mode "external") (not .host) -}}
{{- include "voxmesh.refuse" (list "redis.host" "mode external needs the host of the Redis") -}}
{{- end -}}
{{- if and (eq .mode "sentinel") (not .sentinel.addresses) -}}
{{- include "voxmesh.refuse" (list "redis.sentinel.addresses" "mode sentinel needs host:port of each Sentinel") -}}
{{- end -}}
{{- if and .username (ne .mode "bundled") (not .existingSecret) -}}
{{- include "voxmesh.refuse" (list "redis.existingSecret" "a username needs the Secret with its password") -}}
{{- end -}}
{{- if and (or .tls.caSecret .tls.clientSecret) (not .tls.enabled) (not .sentinel.tls) -}}
{{- include "voxmesh.refuse" (list "redis.tls.enabled" "there are certificates: say true, or leave them out") -}}
{{- end -}}
{{- if and (eq .mode "bundled") (or .tls.enabled .host .username) -}}
{{- include "voxmesh.refuse" (list "redis.mode" "the bundled Redis has no TLS, no user and no host of yours: say external") -}}
{{- end -}}
{{- end -}}

{{- define "voxmesh.checkStores" -}}
{{- $store := .Values.blobStore -}}{{- $cache := .Values.modelCache -}}
{{- if and (eq $store.type "url") (not $store.url) -}}
{{- include "voxmesh.refuse" (list "blobStore.url" "type url needs s3://bucket/prefix, gs://… or az://…") -}}
{{- end -}}
{{- if and (eq $store.type "volume") $store.url -}}
{{- include "voxmesh.refuse" (list "blobStore.type" "there is a url: say url, or leave it empty") -}}
{{- end -}}
{{- if and (eq $cache.type "existingClaim") (not $cache.existingClaim) -}}
{{- include "voxmesh.refuse" (list "modelCache.existingClaim" "type existingClaim needs the claim's name") -}}
{{- end -}}
{{- end -}}

{{- define "voxmesh.checkGateway" -}}
{{- $scaling := .autoscaling -}}
{{- if gt (int $scaling.minReplicas) (int $scaling.maxReplicas) -}}
{{- include "voxmesh.refuse" (list "gateway.autoscaling.minReplicas" "it must not be above maxReplicas") -}}
{{- end -}}
{{- if and (eq $scaling.type "keda") (not $scaling.prometheusAddress) -}}
{{- include "voxmesh.refuse" (list "gateway.autoscaling.prometheusAddress" "keda counts open streams by Prometheus: say where it is") -}}
{{- end -}}
{{- if and (eq $scaling.type "hpa") (not $scaling.podMetrics) (not $scaling.cpu) -}}
{{- include "voxmesh.refuse" (list "gateway.autoscaling.cpu" "hpa needs cpu above 0, podMetrics, or both") -}}
{{- end -}}
{{- if and (ne $scaling.type "none") $scaling.cpu (not (dig "requests" "cpu" "" .resources)) -}}
{{- include "voxmesh.refuse" (list "gateway.resources.requests.cpu" "autoscaling by cpu is a share of the request: give one") -}}
{{- end -}}
{{- if le (int .terminationGracePeriodSeconds) (add (int .preStopSeconds) (int .shutdownSeconds) 4 | int) -}}
{{- include "voxmesh.refuse" (list "gateway.terminationGracePeriodSeconds" "it must be more than preStopSeconds, shutdownSeconds and 4 together") -}}
{{- end -}}
{{- if and .ingress.enabled (not .ingress.hosts) -}}
{{- include "voxmesh.refuse" (list "gateway.ingress.hosts" "an Ingress needs at least one host") -}}
{{- end -}}
{{- if and .httpRoute.enabled (not .httpRoute.parentRefs) -}}
{{- include "voxmesh.refuse" (list "gateway.httpRoute.parentRefs" "an HTTPRoute needs the Gateway that it belongs to") -}}
{{- end -}}
{{- end -}}

{{/* Takes (list key stage). */}}
{{- define "voxmesh.checkStage" -}}
{{- $key := first . -}}{{- $stage := last . -}}{{- $scaling := $stage.autoscaling -}}
{{- include "voxmesh.checkEnv" (list (printf "%s.extraEnv" $key) $stage.extraEnv) -}}
{{- if gt (int $scaling.minReplicas) (int $scaling.maxReplicas) -}}
{{- include "voxmesh.refuse" (list (printf "%s.autoscaling.minReplicas" $key) "it must not be above maxReplicas") -}}
{{- end -}}
{{- if and (eq $scaling.type "hpa") (lt (int $scaling.minReplicas) 1) -}}
{{- include "voxmesh.refuse" (list (printf "%s.autoscaling.minReplicas" $key) "hpa cannot wake a stage: at least 1, or type keda") -}}
{{- end -}}
{{- if and (eq $scaling.type "hpa") (not (dig "requests" "cpu" "" $stage.resources)) -}}
{{- include "voxmesh.refuse" (list (printf "%s.resources.requests.cpu" $key) "hpa measures a share of the request: give one") -}}
{{- end -}}
{{- if gt (int $scaling.fallbackReplicas) (int $scaling.maxReplicas) -}}
{{- include "voxmesh.refuse" (list (printf "%s.autoscaling.fallbackReplicas" $key) "it must not be above maxReplicas") -}}
{{- end -}}
{{- if and (eq $scaling.type "keda") (ge (int $scaling.activationJobs) (int $scaling.jobsPerReplica)) -}}
{{- include "voxmesh.refuse" (list (printf "%s.autoscaling.activationJobs" $key) "it must be less than jobsPerReplica, or jobs wait for others to come") -}}
{{- end -}}
{{- if lt (float64 $stage.terminationGracePeriodSeconds) (addf $stage.drainSeconds 10) -}}
{{- include "voxmesh.refuse" (list (printf "%s.terminationGracePeriodSeconds" $key) "it must be at least drainSeconds and 10") -}}
{{- end -}}
{{- if and $stage.gpu.enabled (ne (default "cuda" $stage.device) "cuda") -}}
{{- include "voxmesh.refuse" (list (printf "%s.device" $key) "gpu is enabled: say cuda") -}}
{{- end -}}
{{- if and (eq (default "cpu" $stage.device) "cuda") (not $stage.gpu.enabled) -}}
{{- include "voxmesh.refuse" (list (printf "%s.gpu.enabled" $key) "device cuda needs a graphics card") -}}
{{- end -}}
{{- end -}}

{{/* Takes (list key stage cache): what a setting names is fetched, or is a folder. */}}
{{- define "voxmesh.checkModels" -}}
{{- $key := index . 0 -}}{{- $stage := index . 1 -}}{{- $cache := index . 2 -}}
{{- range $variable, $value := $stage.config -}}
{{- if and $cache.pull (ne $cache.type "image") (regexMatch "_MODELS?$" $variable) (ne $variable "LLM_MODEL") -}}
{{- range splitList "," $value -}}
{{- $model := regexReplaceAll "^.*=" . "" | trim -}}
{{- if and $model (not (hasPrefix "/" $model)) (not (has $model $stage.models)) -}}
{{- include "voxmesh.refuse" (list (printf "%s.models" $key) (printf "config.%s names %s: fetch it here" $variable $model)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "voxmesh.checkSettings" -}}
{{- $wait := default 21600 .Values.config.WAIT_LIMIT_SECONDS -}}
{{- if ge (float64 $wait) (float64 (default 86400 .Values.config.TASK_TTL_SECONDS)) -}}
{{- include "voxmesh.refuse" (list "config.WAIT_LIMIT_SECONDS" "it must be less than TASK_TTL_SECONDS") -}}
{{- end -}}
{{- end -}}

{{/* Takes (list key environment-of-a-container): a variable that a value of its own sets as well,
itself or by its file. */}}
{{- define "voxmesh.checkDoubles" -}}
{{- $seen := dict -}}
{{- range last . | fromYamlArray -}}
{{- $name := trimSuffix "_FILE" .name -}}
{{- if hasKey $seen $name -}}
{{- include "voxmesh.refuse" (list (first $) (printf "%s is set by another value" $name)) -}}
{{- end -}}
{{- $_ := set $seen $name true -}}
{{- end -}}
{{- end -}}

{{/* Takes (list key variables). */}}
{{- define "voxmesh.checkEnv" -}}
{{- range last . -}}
{{- if regexMatch "^(REDIS_.*|BLOB_URL|MODELS_DIR|SPOOL_DIR|HOST|PORT|HEALTH_PORT|HOME|MAX_UPLOAD_BYTES|SHUTDOWN_SECONDS|WORKER_CONCURRENCY|DRAIN_SECONDS|[A-Z]+_DEVICE|HF_HUB_OFFLINE|TRANSFORMERS_OFFLINE|OTEL_EXPORTER_OTLP_(ENDPOINT|HEADERS(_FILE)?)|OTEL_TRACES_SAMPLER(_ARG)?)$" .name -}}
{{- include "voxmesh.refuse" (list (first $) (printf "%s is set by the chart itself: there is a value for it" .name)) -}}
{{- end -}}
{{- $names := or (hasSuffix "_FILE" .name) (eq .name "GOOGLE_APPLICATION_CREDENTIALS") (hasSuffix "_PATH" .name) -}}
{{- if and .value (not $names) (regexMatch "(PASSWORD|SECRET|TOKEN|ACCESS_KEY|ACCOUNT_KEY|CREDENTIAL|API_KEY)" .name) -}}
{{- include "voxmesh.refuse" (list (first $) (printf "%s is a secret: give it by valueFrom, or name its file by %s_FILE" .name .name)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
