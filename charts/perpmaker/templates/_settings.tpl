{{/* operator.json: every key is a field of the operator's settings, which refuse all others. */}}
{{- define "perpmaker.operatorSettings" -}}
{{- $image := dict "reference" (include "perpmaker.image" .) "pull_policy" .Values.image.pullPolicy -}}
{{- with .Values.image.pullSecrets }}{{ $_ := set $image "pull_secrets" . }}{{ end -}}
{{- $tls := dict "mode" .Values.tls.mode -}}
{{- if eq .Values.tls.mode "certManager" -}}
{{- $issuer := .Values.tls.certManager.issuer -}}
{{- $kind := ternary "Issuer" $issuer.kind $issuer.create -}}
{{- $group := ternary "cert-manager.io" $issuer.group $issuer.create -}}
{{- $_ := set $tls "issuer" (dict "name" (include "perpmaker.issuerName" .) "kind" $kind "group" $group) -}}
{{- end -}}
{{- $store := dict "credentials_secret" (include "perpmaker.storeSecret" .) "persistent" .Values.store.persistent "size" .Values.store.size -}}
{{- with .Values.store.image }}{{ $_ := set $store "image" . }}{{ end -}}
{{- with .Values.store.storageClass }}{{ $_ := set $store "storage_class" . }}{{ end -}}
{{- $policies := dict "enabled" .Values.networkPolicy.enabled "exchange_cidrs" .Values.networkPolicy.exchangeCidrs "metrics_from_namespaces" .Values.networkPolicy.metricsFromNamespaces "dns_namespace" .Values.networkPolicy.dnsNamespace -}}
{{- $simulated := dict "seed" (int64 .Values.simulated.seed) "markets" .Values.simulated.markets "faucet_usdc" (int64 .Values.simulated.faucetUsdc) -}}
{{- $settings := dict
  "namespace" .Release.Namespace
  "watch_namespaces" (ternary list (include "perpmaker.namespaces" . | fromJsonArray) (eq .Values.scope "Cluster"))
  "service_account" (include "perpmaker.operatorName" .)
  "image" $image
  "tls" $tls
  "store" $store
  "simulated" $simulated
  "network_policies" $policies
  "rollout" (dict "pause_seconds" .Values.children.rolloutPauseSeconds)
  "gateway_disruption_budget" .Values.children.gatewayDisruptionBudget
  "resources" .Values.children.resources
  "peering" .Values.operator.peering
  "resync_seconds" .Values.operator.resyncSeconds
  "summary_seconds" .Values.operator.summarySeconds
  "log_level" .Values.operator.logLevel
-}}
{{- with include "perpmaker.priorityClass" . }}{{ $_ := set $settings "priority_class" . }}{{ end -}}
{{- $settings | toPrettyJson -}}
{{- end -}}
