{{/* What the operator may do in a namespace that it serves. Secrets are absent on purpose. */}}
{{- define "perpmaker.operatorRules" -}}
- apiGroups: [perpmaker.io]
  resources: [marketmakers, tradingaccounts]
  verbs: [get, list, watch, patch]
- apiGroups: [perpmaker.io]
  resources: [marketmakers/status, tradingaccounts/status]
  verbs: [patch]
# Asked for by OpenShift when a child blocks its owner's deletion.
- apiGroups: [perpmaker.io]
  resources: [marketmakers/finalizers, tradingaccounts/finalizers]
  verbs: [update]
- apiGroups: [apps]
  resources: [deployments, statefulsets]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: ['']
  resources: [services, serviceaccounts, configmaps]
  verbs: [get, list, watch, create, patch, delete]
{{- if .Values.networkPolicy.enabled }}
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [get, list, watch, create, patch, delete]
{{- end }}
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch, create, patch, delete]
{{- if eq .Values.tls.mode "certManager" }}
- apiGroups: [cert-manager.io]
  resources: [certificates]
  verbs: [get, list, watch, create, patch, delete]
{{- end }}
- apiGroups: ['']
  resources: [pods]
  verbs: [list, watch]
- apiGroups: ['']
  resources: [events]
  verbs: [create]
{{- if and .Values.operator.peering (eq .Values.scope "Namespaced") }}
- apiGroups: [kopf.dev]
  resources: [kopfpeerings]
  verbs: [get, list, watch, patch]
{{- end }}
{{- end -}}

{{/* What removing a release needs: see the objects, ask for their deletion. */}}
{{- define "perpmaker.uninstallRules" -}}
- apiGroups: [perpmaker.io]
  resources: [marketmakers, tradingaccounts]
  verbs: [get, list, delete]
{{- end -}}
