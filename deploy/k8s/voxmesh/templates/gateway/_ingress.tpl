{{/* A stream is silent for up to fifteen seconds and lasts as long as its task: nothing may collect it or cut it. The body
may be as large as the gateway takes it and a form around it, so that it is the gateway that says what is too large. */}}
{{- define "voxmesh.ingressAnnotations" -}}
{{- $room := add (int64 .Values.gateway.maxUploadBytes) 1048576 -}}
{{- $own := dict
  "nginx.ingress.kubernetes.io/proxy-body-size" ($room | toString)
  "nginx.ingress.kubernetes.io/proxy-buffering" "off"
  "nginx.ingress.kubernetes.io/proxy-request-buffering" "off"
  "nginx.ingress.kubernetes.io/proxy-http-version" "1.1"
  "nginx.ingress.kubernetes.io/proxy-read-timeout" "3600"
  "nginx.ingress.kubernetes.io/proxy-send-timeout" "3600" -}}
{{- mergeOverwrite $own (deepCopy .Values.gateway.ingress.annotations) | toYaml -}}
{{- end -}}
