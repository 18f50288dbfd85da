"""What was observed, as Kubernetes conditions: pure, with every reason in one enumeration."""
