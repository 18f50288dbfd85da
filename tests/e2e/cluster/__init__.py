"""A real one-node Kubernetes cluster for tests, from plain binaries: no registry, no engine, no virtual machine."""
