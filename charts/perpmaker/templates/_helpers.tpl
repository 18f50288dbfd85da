{{- define "perpmaker.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "perpmaker.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- $name := include "perpmaker.name" . -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "perpmaker.operatorName" -}}
{{- include "perpmaker.fullname" . }}-operator
{{- end -}}

{{- define "perpmaker.uninstallName" -}}
{{- include "perpmaker.fullname" . }}-uninstall
{{- end -}}

{{/* Labels of every object; the argument is (list $ COMPONENT). */}}
{{- define "perpmaker.labels" -}}
{{- $root := index . 0 -}}
{{ include "perpmaker.selector" . }}
app.kubernetes.io/part-of: perpmaker
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* The first and the third label are how policies of trading pods know the operator. */}}
{{- define "perpmaker.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: perpmaker
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "perpmaker.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}
{{- end -}}

{{- define "perpmaker.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "perpmaker.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities:
  drop:
    - ALL
{{- end -}}

{{- define "perpmaker.pullSecrets" -}}
{{- range . }}
- name: {{ . }}
{{- end }}
{{- end -}}

{{/* Namespaces with objects of this release, as a JSON list; those that are served, or the release's own. */}}
{{- define "perpmaker.namespaces" -}}
{{- .Values.watchNamespaces | default (list .Release.Namespace) | uniq | toJson -}}
{{- end -}}

{{- define "perpmaker.priorityClass" -}}
{{- if .Values.priorityClass.create -}}
{{- .Values.priorityClass.name | default "perpmaker-trading" -}}
{{- else -}}
{{- .Values.priorityClass.name -}}
{{- end -}}
{{- end -}}

{{- define "perpmaker.storeSecret" -}}
{{- .Values.store.credentials.existingSecret | default "perpmaker-store" -}}
{{- end -}}

{{- define "perpmaker.tlsSecret" -}}
{{- if and (eq .Values.tls.mode "existingSecret") .Values.tls.existingSecret -}}
{{- .Values.tls.existingSecret -}}
{{- else -}}
{{- include "perpmaker.operatorName" . }}-tls
{{- end -}}
{{- end -}}

{{- define "perpmaker.issuerName" -}}
{{- if .Values.tls.certManager.issuer.create -}}
{{- include "perpmaker.fullname" . }}-ca
{{- else -}}
{{- required "tls.certManager.issuer.name: name the issuer that signs certificates, or set tls.certManager.issuer.create" .Values.tls.certManager.issuer.name -}}
{{- end -}}
{{- end -}}

{{/* Fails where a kind is asked for that the cluster does not serve; the argument is (list $ API-VERSION VALUE WHOSE). */}}
{{- define "perpmaker.requireApi" -}}
{{- $root := index . 0 -}}
{{- if not (or $root.Values.skipApiChecks ($root.Capabilities.APIVersions.Has (index . 1))) -}}
{{- fail (printf "%s needs %s, which this cluster does not serve: install %s first, or set skipApiChecks when rendering without a cluster" (index . 2) (index . 1) (index . 3)) -}}
{{- end -}}
{{- end -}}

{{/* Combinations that the schema cannot refuse. */}}
{{- define "perpmaker.check" -}}
{{- if and (eq .Values.scope "Cluster") .Values.watchNamespaces -}}
{{- fail "watchNamespaces: leave it empty with scope Cluster, which serves all namespaces" -}}
{{- end -}}
{{- if and (not .Values.store.credentials.create) .Values.store.credentials.namespaces -}}
{{- fail "store.credentials.namespaces: only useful with store.credentials.create" -}}
{{- end -}}
{{- if and .Values.account.create (not .Values.account.spec) -}}
{{- fail "account.spec: write at least network and risk, or set account.create to false" -}}
{{- end -}}
{{- if and .Values.account.create (eq (.Values.account.spec.network | default "") "Mainnet") (eq .Values.tls.mode "off") -}}
{{- fail "tls.mode: off is refused for accounts on Mainnet; use certManager or existingSecret" -}}
{{- end -}}
{{- if eq .Values.tls.mode "certManager" -}}
{{- $own := eq (include "perpmaker.namespaces" .) (list .Release.Namespace | toJson) -}}
{{- if and .Values.tls.certManager.issuer.create (or (eq .Values.scope "Cluster") (not $own)) -}}
{{- fail "tls.certManager.issuer.create: an Issuer serves its own namespace only; set it to false and name a ClusterIssuer in tls.certManager.issuer" -}}
{{- end -}}
{{- end -}}
{{- end -}}
