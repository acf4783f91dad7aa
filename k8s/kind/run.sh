#!/usr/bin/env bash
# The whole way on a cluster of one's own: image, kind, Kubeflow Pipelines, a run of `sums`, model servers, an answer over gRPC.
#
#   k8s/kind/run.sh        removes the cluster in the end, also when something fails
#   KEEP=1 k8s/kind/run.sh leaves it, and says how to reach it
#
# It needs Docker, kind, kubectl and git, about 16 GB of memory and 30 GB of disk, and takes about an hour, most of it for images.
# The cluster's credentials go into a file of their own: the contexts of ~/.kube/config stay as they are.
set -euo pipefail
cd "$(dirname "$0")/../.."

CLUSTER=${CLUSTER:-charseq}
CHARSEQ=${CHARSEQ:-.venv/bin/charseq}
KUBEFLOW=2.16.1
NAMESPACE=kubeflow
VERSION=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
IMAGE=charseq:$VERSION
MANIFESTS=github.com/kubeflow/pipelines/manifests/kustomize

made='' forwards=() work=$(mktemp -d)
export KUBECONFIG=$work/kubeconfig

say() { printf '\n== %s\n' "$*" >&2; }

fail() {
  printf 'Error: %s\n' "$*" >&2
  exit "${status:-1}"
}

finish() {
  local status=$?
  trap - EXIT INT TERM
  for process in "${forwards[@]}"; do kill "$process" 2>/dev/null || true; done
  if [[ -n $made && $status -ne 0 ]]; then
    say "failed; what the cluster has"
    kubectl get pods,persistentvolumeclaims -n "$NAMESPACE" -o wide >&2 || true
    kubectl get events -n "$NAMESPACE" --sort-by=.lastTimestamp 2>/dev/null | tail -n 30 >&2 || true
  fi
  if [[ -n $made && -n ${KEEP:-} ]]; then
    say "kept: export KUBECONFIG=$KUBECONFIG; remove it with: kind delete cluster --name $CLUSTER"
    exit "$status"
  fi
  if [[ -n $made ]]; then
    say "removing the cluster"
    kind delete cluster --name "$CLUSTER" >&2 || status=1
  fi
  rm -rf "$work"
  exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Forwards a port of a service to one that is free here; sets `address`.
forward() {
  local service=$1 port=$2 log=$work/$1.log found=''
  : >"$log" # before it is read: the line below begins when it likes
  kubectl port-forward -n "$NAMESPACE" "svc/$service" ":$port" >"$log" 2>&1 &
  forwards+=("$!")
  for _ in {1..60}; do
    found=$(sed -n 's/^Forwarding from 127\.0\.0\.1:\([0-9]*\) .*/\1/p' "$log" | head -n 1)
    if [[ -n $found ]]; then
      address=127.0.0.1:$found
      return
    fi
    sleep 1
  done
  fail "svc/$service cannot be reached: $(tail -n 1 "$log")"
}

for tool in docker kind kubectl git "$CHARSEQ"; do
  command -v "$tool" >/dev/null || status=2 fail "$tool is not installed here; make cluster needs it"
done
docker info >/dev/null 2>&1 || status=2 fail "Docker does not answer (docker info); start it"
if kind get clusters 2>/dev/null | grep -qxF "$CLUSTER"; then
  status=2 fail "there is a kind cluster $CLUSTER already; remove it (kind delete cluster --name $CLUSTER) or give another name (CLUSTER=...)"
fi

say "the image $IMAGE"
docker build -f k8s/Dockerfile -t "$IMAGE" .

say "the cluster $CLUSTER"
made=yes
kind create cluster --name "$CLUSTER" --wait 300s
kind load docker-image "$IMAGE" --name "$CLUSTER"

say "Kubeflow Pipelines $KUBEFLOW"
kubectl apply -k "$MANIFESTS/cluster-scoped-resources?ref=$KUBEFLOW"
kubectl wait --for condition=established --timeout=60s crd/applications.app.k8s.io
kubectl apply -k "$MANIFESTS/env/platform-agnostic?ref=$KUBEFLOW"
kubectl wait pods -n "$NAMESPACE" -l application-crd-id=kubeflow-pipelines --for condition=Ready --timeout=1800s

say "the volume and the model servers"
kubectl apply -k k8s/kind/tools -n "$NAMESPACE"
kubectl wait pod/charseq-tools -n "$NAMESPACE" --for condition=Ready --timeout=300s
kubectl apply -k k8s/kind/serving -n "$NAMESPACE"

say "a run of sums"
forward ml-pipeline-ui 80
"$CHARSEQ" kubeflow submit --host "http://$address" sums \
  --set "kubeflow.image=$IMAGE" --set kubeflow.cpu=500m --set kubeflow.memory=3Gi --set kubeflow.resources=trainer:1:3Gi

say "an answer over gRPC"
kubectl rollout status deployment/serving-stable -n "$NAMESPACE" --timeout=600s
forward serving 8500
answer=$("$CHARSEQ" predict 12+34 --server "$address")
printf '12+34 = %s\n' "$answer"
[[ $answer =~ ^[0-9]+$ ]] || fail "that is no number"
