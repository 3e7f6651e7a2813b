{{/* Up at once, by half of what is there or by four; down one pod a minute, and not before less has been enough for a
while: a pod that goes hands its work to another, and one that comes loads its models. */}}
{{- define "voxmesh.behavior" -}}
scaleUp:
  stabilizationWindowSeconds: 0
  selectPolicy: Max
  policies:
    - {type: Pods, value: 4, periodSeconds: 30}
    - {type: Percent, value: 50, periodSeconds: 30}
scaleDown:
  stabilizationWindowSeconds: {{ int .scaleDownSeconds }}
  selectPolicy: Max
  policies:
    - {type: Pods, value: 1, periodSeconds: 60}
{{- end -}}
