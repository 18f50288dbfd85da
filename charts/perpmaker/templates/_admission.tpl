{{/* Fails before Kubernetes 1.30; the argument is (list $ VALUE). */}}
{{- define "perpmaker.requirePolicies" -}}
{{- $root := index . 0 -}}
{{- if semverCompare "<1.30.0-0" $root.Capabilities.KubeVersion.Version -}}
{{- fail (printf "%s needs Kubernetes 1.30 or newer (ValidatingAdmissionPolicy)" (index . 1)) -}}
{{- end -}}
{{- end -}}

{{/* Puts a policy in force; the argument is (list $ POLICY). */}}
{{- define "perpmaker.policyBinding" -}}
{{- $root := index . 0 -}}
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata:
  name: {{ index . 1 }}
  labels:
    {{- include "perpmaker.labels" (list $root "admission") | nindent 4 }}
spec:
  policyName: {{ index . 1 }}
  validationActions: [Deny]
  {{- if eq $root.Values.scope "Namespaced" }}
  matchResources:
    namespaceSelector:
      matchExpressions:
        - key: kubernetes.io/metadata.name
          operator: In
          values:
            {{- include "perpmaker.namespaces" $root | fromJsonArray | toYaml | nindent 12 }}
  {{- end }}
{{- end -}}
