{{/* Fails before Kubernetes 1.30; the argument is (list $ VALUE). */}}
{{- define "perpmaker.requirePolicies" -}}
{{- $root := index . 0 -}}
{{- if semverCompare "<1.30.0-0" $root.Capabilities.KubeVersion.Version -}}
{{- fail (printf "%s needs Kubernetes 1.30 or newer (ValidatingAdmissionPolicy)" (index . 1)) -}}
{{- end -}}
{{- end -}}

{{/* Puts a policy in force; the argument is (list $ POLICY) or (list $ POLICY NAME-OF-CONFIGMAP). */}}
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
  {{- if gt (len .) 2 }}
  # Without a namespace: the ConfigMap of this name beside the object.
  paramRef:
    name: {{ index . 2 }}
    parameterNotFoundAction: Allow
  {{- end }}
{{- end -}}
