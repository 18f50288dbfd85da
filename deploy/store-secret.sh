#!/bin/sh
# Print the Secret with the users of the managed store, with new random passwords: store-secret.sh [NAMESPACE]
# Once per namespace that has accounts: deploy/store-secret.sh perpmaker | kubectl create -f -
set -eu
namespace=${1:-perpmaker}

password() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
digest() { printf %s "$1" | sha256sum | cut -d' ' -f1; }

order_state=$(password)
risk=$(password)
common='resetchannels -@all +@read +@write +@connection'
never='-@admin -@dangerous +config|get'
cat <<YAML
apiVersion: v1
kind: Secret
metadata:
  name: perpmaker-store
  namespace: $namespace
  labels:
    app.kubernetes.io/name: perpmaker
    app.kubernetes.io/component: store
    app.kubernetes.io/part-of: perpmaker
type: Opaque
stringData:
  order-state-password: $order_state
  risk-password: $risk
  users.acl: |
    user default off resetpass resetkeys resetchannels -@all
    user order-state on #$(digest "$order_state") ~pm:{*}:orders:* $common +@scripting $never
    user risk on #$(digest "$risk") ~pm:{*}:risk:* $common -@scripting $never
YAML
